"""The features table as arrays: what models are fitted on and scored with."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import polars as pl

from rounds.errors import Refused

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


def feature_names(table: pl.DataFrame) -> tuple[str, ...]:
    """The features, in the table's order: they alone are of type Float32."""
    return tuple(name for name, kind in table.schema.items() if kind == pl.Float32)


def matrix(table: pl.DataFrame, names: tuple[str, ...]) -> Array:
    """These features of every row, in this order."""
    if lacking := [name for name in names if name not in table.columns]:
        raise Refused(f"the features table lacks {', '.join(lacking)}. Run 'features' again, then 'train'.")
    return np.ascontiguousarray(table.select(names).to_numpy(), dtype=np.float32)


def outcomes(table: pl.DataFrame, column: str, rows: str) -> Array:
    """0 or 1 of every row; a table that holds only one of them teaches nothing."""
    found = table.get_column(column).to_numpy().astype(np.int64)
    if len(np.unique(found)) < 2:
        raise Refused(
            f"all {len(found)} rows of {rows} have the same {column}; want both outcomes. "
            "Give the slice a larger share in split, or bring a larger table."
        )
    return found
