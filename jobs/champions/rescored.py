"""What an earlier model says of today's rows: always with the feature definition that it was fitted with."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from rounds import tables
from rounds.bundle import Bundle
from rounds.errors import Refused


def scores(bundle: Bundle, table: pl.LazyFrame, wanted: pl.DataFrame, key: list[str]) -> Any:
    """The scores of the wanted rows, in their order; `table` is what validate let pass, for the history."""
    definition = bundle.rebuild()
    names = list(dict.fromkeys([*key, *definition.sections.columns]))
    if lacking := [name for name in names if name not in table.collect_schema()]:
        raise Refused(
            f"the validated table lacks {', '.join(lacking)}, which the earlier bundle {bundle.digest[:12]} "
            "reads, so the two cannot be compared. Bring the column back, or say 'rounds promote VERSION'."
        )
    rows = table.select(names).collect()
    where = wanted.select(key).join(rows.select(key).with_row_index("row"), on=key, how="left", maintain_order="left")
    if where.height != wanted.height or where.get_column("row").null_count():
        raise Refused(f"the rows that evaluate scored are not those of validate, by {', '.join(key)}. Run both again.")
    matrix, _ = tables.build_features(rows, definition)
    places = [definition.names.index(name) for name in bundle.features]
    return bundle.score(np.ascontiguousarray(matrix[where.get_column("row").to_numpy()][:, places]))
