"""The features that an earlier model reads of today's rows, by the definition that it was fitted with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from rounds import tables
from rounds.bundle import Bundle
from rounds.errors import Refused
from rounds.knobs import Column


def matrix(bundle: Bundle, table: pl.LazyFrame, wanted: pl.DataFrame, key: list[str]) -> Any:
    """The features of the wanted rows, in their order; `table` is what validate let pass, for the history."""
    definition = bundle.rebuild()
    names = list(dict.fromkeys([*key, *definition.sections.columns]))
    if lacking := [name for name in names if name not in table.collect_schema()]:
        raise Refused(
            f"the validated table lacks {', '.join(lacking)}, which the earlier bundle {bundle.digest[:12]} "
            "reads, so the two cannot be compared. Bring the column back, or say 'rounds promote VERSION'."
        )
    rows = _as_it_reads(table.select(names).collect(), definition.sections.columns, bundle.digest)
    where = wanted.select(key).join(rows.select(key).with_row_index("row"), on=key, how="left", maintain_order="left")
    if where.height != wanted.height or where.get_column("row").null_count():
        raise Refused(f"the rows that evaluate scored are not those of validate, by {', '.join(key)}. Run both again.")
    built, _ = tables.build_features(rows, definition)
    places = [definition.names.index(name) for name in bundle.features]
    return np.ascontiguousarray(built[where.get_column("row").to_numpy()][:, places])


def _as_it_reads(rows: pl.DataFrame, columns: Mapping[str, Column], digest: str) -> pl.DataFrame:
    """The rows with each column in the type that the earlier bundle reads, where nothing is made up for that."""
    wanted = {name: KINDS[column.type] for name, column in columns.items()}
    changed = {name: kind for name, kind in wanted.items() if rows.schema[name] != kind}
    lost = sorted(name for name, kind in changed.items() if (rows.schema[name], kind) not in EXACT)
    if lost:
        named = ", ".join(f"{name} ({columns[name].type})" for name in lost)
        raise Refused(
            f"the earlier bundle {digest[:12]} reads {named}, which the validated table holds as another type, so the "
            "two cannot be compared. Bring the type back in problem.yaml, or say 'rounds promote VERSION'."
        )
    return rows.with_columns(pl.col(name).cast(kind) for name, kind in changed.items())


KINDS: Mapping[str, pl.DataType] = {
    "identifier": pl.String(),
    "category": pl.String(),
    "integer": pl.Int64(),
    "flag": pl.Int64(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
}
# What may be read as another type without a guess: a whole number as a number, a moment as its day.
EXACT = {(KINDS["integer"], KINDS["number"]), (KINDS["timestamp"], KINDS["date"])}
