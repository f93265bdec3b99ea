"""A feature definition over a whole table: its columns as narrow numbers, histories, and the matrix in one pass."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import polars as pl

from rounds.arithmetic import Columns, expression
from rounds.definition import Definition, parts
from rounds.errors import Refused
from rounds.history import history
from rounds.knobs import Column

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
CHUNK = 1 << 17  # rows at a time: what is computed of them stays in the processor's cache


def build_features(table: pl.DataFrame | pl.LazyFrame, definition: Definition) -> tuple[Array, Array]:
    """The matrix of features, a row for each of the table's and 32 bits a number, and the outcomes."""
    compacted = compact(table.lazy(), definition)
    past = histories(compacted, definition)
    found = matrix(compacted.select(*definition.readable).collect(), past, definition)
    return found, compacted.select(definition.outcome).collect().to_series().to_numpy()


def compact(table: pl.LazyFrame, definition: Definition) -> pl.LazyFrame:
    """A typed table with what is missing filled, and every column that is read in as few bits as hold it."""
    return table.with_columns(
        narrow(name, column)
        for name, column in definition.sections.columns.items()
        if column.type not in {"identifier", "date", "timestamp"}
    )


def narrow(name: str, column: Column) -> pl.Expr:
    """A column's values as they are kept: integers by their bounds, a category by its place in `in`."""
    value = pl.col(name)
    if column.within is not None:
        return value.cast(pl.Enum(column.within), strict=False).to_physical().cast(pl.Int16).fill_null(-1)
    if column.type == "category":
        return value.cast(pl.Categorical(pl.Categories.random()))
    if column.type == "number":
        return pl.when(value.is_finite()).then(value).otherwise(0.0)
    low, high = (0, 1) if column.type == "flag" else column.between or (-(2**63), 2**63)
    kind = next((kind for kind, top in ((pl.Int8, 2**7), (pl.Int16, 2**15)) if -top <= low and high < top), pl.Int64)
    return value.fill_null(0).cast(kind)


def histories(compacted: pl.LazyFrame, definition: Definition) -> dict[str, Array]:
    """Word by word, what each row's entity did before the row's moment."""
    when, outcome = definition.sections.when, definition.outcome
    days = list(dict.fromkeys([when.booked, when.happens]))
    found = {}
    _whole(known := compacted.select(*days, outcome).collect())
    booked, happens = (day_numbers(known.get_column(name)) for name in (when.booked, when.happens))
    cutoff = definition.cutoffs(booked, happens)
    for word, name in definition.history.items():
        _whole(entity := compacted.select(name).collect())
        found[word] = history(entity.to_series(), happens, known.get_column(outcome).to_numpy(), cutoff)
    return found


def _whole(table: pl.DataFrame) -> None:
    for name, missing in table.null_count().row(0, named=True).items():
        if missing:
            raise Refused(f"column '{name}' is missing in {missing} rows; want none. Run 'validate' again.")


def day_numbers(days: pl.Series) -> Array:
    """Dates or timestamps as days since 1970-01-01."""
    return days.cast(pl.Date).to_physical().to_numpy()


def matrix(compacted: pl.DataFrame, past: dict[str, Array], definition: Definition) -> Array:
    """The features of every row, computed in 64 bits and kept in 32."""
    found = np.empty((compacted.height, len(definition.names)), np.float32)
    wanted = expressions(compacted.schema, definition)
    for start in range(0, compacted.height, CHUNK):
        rows = slice(start, min(start + CHUNK, compacted.height))
        earlier = {word: numbers[rows] for word, numbers in past.items()}
        found[rows] = features(compacted[rows], earlier, wanted).to_numpy()
    return found


def features(compacted: pl.DataFrame, past: dict[str, Array], wanted: list[pl.Expr]) -> pl.DataFrame:
    """The features, a column each."""
    return with_past(compacted, past).lazy().select(wanted).collect()


def with_past(compacted: pl.DataFrame, past: dict[str, Array]) -> pl.DataFrame:
    return compacted.with_columns(
        pl.Series(name, numbers[:, at]) for word, numbers in past.items() for at, name in enumerate(parts(word))
    )


def expressions(schema: pl.Schema, definition: Definition) -> list[pl.Expr]:
    """The definition as expressions over a compact table with histories."""
    values = {name: wide(name, column) for name, column in definition.readable.items()}
    earlier = [name for word in definition.history for name in parts(word)]
    values.update({name: pl.col(name).cast(pl.Int64) for name in earlier})
    found = {name: expression(value).alias(name) for name, value in definition.probe(values, Columns).items()}
    kinds = pl.LazyFrame(schema={**schema, **dict.fromkeys(earlier, pl.Int32)}).select(found.values()).collect_schema()
    return [rounded(value, kinds[name]).alias(name) for name, value in found.items()]


def rounded(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A feature in 32 bits. polars may answer a - b by -(b - a), so the sign of a zero means nothing and goes."""
    if kind.is_float():
        value = pl.when(value == 0).then(0.0).otherwise(value)
    return value.cast(pl.Float64).cast(pl.Float32)


def wide(name: str, column: Column) -> pl.Expr:
    """A compact column as the 64-bit number that definitions calculate with."""
    if column.type == "number":
        return pl.col(name)
    if column.type == "timestamp":
        return pl.col(name).to_physical() // 1_000_000
    return pl.col(name).to_physical().cast(pl.Int64)
