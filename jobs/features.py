"""Compute what the model looks at, as it was known at the moment.  Reads validate.  Writes table.parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from rounds import tables
from rounds.definition import Definition, Sections
from rounds.errors import Refused
from rounds.files import Reader, Writer
from rounds.manifest import Facts
from rounds.step import step

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
CHUNK = 1 << 17  # rows at a time, and to a group of rows in the file


def identity(knobs: Sections) -> list[str]:
    """The columns that say whose row it is and which."""
    return list(dict.fromkeys([knobs.who, *(name for name, column in knobs.columns.items() if column.unique)]))


def keys(table: pl.DataFrame, knobs: Sections) -> pl.DataFrame:
    """What stands before the features: whose, which, when, and how it ended."""
    names = [*identity(knobs), knobs.when.happens, knobs.when.booked, knobs.outcome.column]
    return table.select(list(dict.fromkeys(names))).with_columns(pl.col(knobs.outcome.column).cast(pl.Int64))


def order(table: pl.DataFrame, knobs: Sections) -> Array:
    """The rows by day, then booking, then their own number."""
    booked = table.get_column(knobs.when.booked).to_physical().to_numpy()
    day = tables.day_numbers(table.get_column(knobs.when.happens)).astype(np.int64)
    day = day - day.min()
    day = day.astype(np.uint16) if day.max() < 2**16 else day  # short numbers are sorted by counting
    found = np.argsort(booked)
    found = found[np.argsort(day[found], kind="stable")]
    follows = (np.diff(day[found]) == 0) & (np.diff(booked[found]) == 0)
    tied = np.flatnonzero(np.append(follows, False) | np.append(False, follows))
    run, rows = np.cumsum(~np.append(False, follows))[tied], found[tied]
    numbers = [table.get_column(name).gather(rows) for name in reversed(identity(knobs))]
    parting = pl.DataFrame({str(at): values for at, values in enumerate([pl.Series(run), *numbers, pl.Series(rows)])})
    found[tied] = parting.sort(parting.columns).to_series(-1).to_numpy()
    return found


def chunks(
    table: pl.DataFrame, past: dict[str, Array], definition: Definition, knobs: Sections
) -> Iterator[pl.DataFrame]:
    """Keys and features of all rows in order, some rows at a time."""
    ordered, wanted = order(table, knobs), tables.expressions(table.schema, definition)
    for start in range(0, table.height, CHUNK):
        rows = ordered[start : start + CHUNK]
        part = table[rows]
        earlier = {word: numbers[rows] for word, numbers in past.items()}
        yield keys(part, knobs).hstack(tables.features(part, earlier, wanted))


def sink(table: pl.DataFrame, past: dict[str, Array], definition: Definition, knobs: Sections, target: Path) -> None:
    """Write chunk after chunk, so that the whole result is never in memory."""
    from polars.io.plugins import register_io_source

    def source(*_: Any) -> Iterator[pl.DataFrame]:
        yield from chunks(table, past, definition, knobs)

    kept = keys(table.clear(), knobs).schema
    if taken := [name for name in definition.names if name in kept]:
        raise Refused(f"features.py gives '{taken[0]}', which is a key of the table too; give it another name.")
    schema = pl.Schema({**kept, **dict.fromkeys(definition.names, pl.Float32())})
    lazy = register_io_source(source, schema=schema, is_pure=True)
    lazy.sink_parquet(target, row_group_size=CHUNK, compression="zstd", engine="streaming")


def check(target: Path, definition: Definition) -> None:
    """No feature may be infinite or no number: a model would take it for a value."""
    written = pl.scan_parquet(target, glob=False)
    finite = written.select(pl.col(definition.names).is_finite().all()).collect(engine="streaming")
    if broken := [name for name, whole in finite.row(0, named=True).items() if not whole]:
        raise Refused(f"features.py gives {broken[0]} that is no finite number. Use op.divide, or bound its parts.")


def facts(table: pl.DataFrame, past: dict[str, Array], definition: Definition, knobs: Sections) -> Facts:
    """What `rounds show` says of the table; how many rows have a known past, word by word."""
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


@step(reads=("validate/table.parquet",), knobs=Sections, modules=("features",))
def main(read: Reader, write: Writer, knobs: Sections) -> Facts:
    definition = Definition(knobs, read.module("features").features)
    table = tables.compact(read.table("validate"), definition).collect()
    if not table.height:
        raise Refused("the table of validate has no rows; want at least 1. Bring a larger table.")
    past = tables.histories(table.lazy(), definition)
    target = write.path("table.parquet")
    sink(table, past, definition, knobs, target)
    check(target, definition)
    return facts(table, past, definition, knobs)


if __name__ == "__main__":
    main.command()
