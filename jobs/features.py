"""Compute what the model looks at, as it was known at the moment.  Reads validate.  Writes table.parquet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from rounds import tables
from rounds.definition import Definition
from rounds.errors import Refused
from rounds.files import Reader, Writer
from rounds.knobs import Column, Features, Outcome, When
from rounds.manifest import Facts
from rounds.step import step

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
CHUNK = 1 << 17  # rows at a time, and to a group of rows in the file


@dataclass(frozen=True)
class Knobs:
    columns: dict[str, Column]
    who: str
    when: When
    outcome: Outcome
    features: Features


def keys(knobs: Knobs) -> list[str]:
    """What identifies a row, in the order of the sections: who, which, when, and how it ended."""
    unique = [name for name, column in knobs.columns.items() if column.unique]
    return list(dict.fromkeys([knobs.who, *unique, knobs.when.happens, knobs.when.booked, knobs.outcome.column]))


def order(table: pl.DataFrame, knobs: Knobs) -> Array:
    """The rows by day, then booking, then their own number."""
    booked = table.get_column(knobs.when.booked).to_physical().to_numpy()
    day = tables.day_numbers(table.get_column(knobs.when.happens)).astype(np.int64)
    day = day - day.min()
    day = day.astype(np.uint16) if day.max() < 2**16 else day  # short numbers are sorted by counting
    found = np.argsort(booked)
    found = found[np.argsort(day[found], kind="stable")]
    follows = (np.diff(day[found]) == 0) & (np.diff(booked[found]) == 0)
    tied = np.flatnonzero(np.append(follows, False) | np.append(False, follows))
    if len(tied):
        run = pl.Series("run", np.cumsum(~np.append(False, follows))[tied])
        numbers = [name for name in keys(knobs) if knobs.columns[name].type == "identifier"]
        rows = table.select(numbers)[found[tied]].with_columns(run, pl.Series("row", found[tied]))
        found[tied] = rows.sort("run", *reversed(numbers), "row").get_column("row").to_numpy()
    return found


def chunks(table: pl.DataFrame, past: dict[str, Array], definition: Definition, knobs: Knobs) -> Iterator[pl.DataFrame]:
    """Keys and features of all rows in order, some rows at a time."""
    ordered = order(table, knobs)
    for start in range(0, table.height, CHUNK):
        rows = ordered[start : start + CHUNK]
        found = tables.features(table, past, rows, definition)
        broken = [
            name for name, finite in found.select(pl.all().is_finite().all()).row(0, named=True).items() if not finite
        ]
        if broken:
            raise Refused(f"features.py gives {broken[0]} that is no finite number. Use op.divide, or bound its parts.")
        kept = table.select(keys(knobs))[rows].with_columns(pl.col(knobs.outcome.column).cast(pl.Int64))
        yield kept.hstack(found)


def sink(table: pl.DataFrame, past: dict[str, Array], definition: Definition, knobs: Knobs, target: Path) -> None:
    """Write chunk after chunk, so that the whole result is never in memory."""
    from polars.io.plugins import register_io_source

    def source(*_: Any) -> Iterator[pl.DataFrame]:
        yield from chunks(table, past, definition, knobs)

    kept = table.select(keys(knobs)).clear().with_columns(pl.col(knobs.outcome.column).cast(pl.Int64))
    schema = {**kept.schema, **dict.fromkeys(definition.names, pl.Float32)}
    lazy = register_io_source(source, schema=schema, is_pure=True)
    lazy.sink_parquet(target, row_group_size=CHUNK, compression="zstd", engine="streaming")


def facts(table: pl.DataFrame, past: dict[str, Array], definition: Definition, knobs: Knobs) -> Facts:
    days = table.get_column(knobs.when.happens)
    known = {f"{word}_known": int(np.count_nonzero(numbers[:, 0])) / table.height for word, numbers in past.items()}
    return {
        "rows": table.height,
        "features": len(definition.names),
        "moment": knobs.when.moment,
        "base_rate": int(table.get_column(knobs.outcome.column).sum()) / table.height,
        "first_day": str(days.min()),
        "last_day": str(days.max()),
        **known,
    }


@step(reads=("validate",), knobs=Knobs, modules=("features",))
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    definition = Definition(knobs, read.module("features").features)
    table = tables.compact(read.table("validate"), definition).collect()
    if not table.height:
        raise Refused("the table of validate has no rows; want at least 1. Bring a larger table.")
    past = tables.histories(table, definition)
    sink(table, past, definition, knobs, write.path("table.parquet"))
    return facts(table, past, definition, knobs)


if __name__ == "__main__":
    main.command()
