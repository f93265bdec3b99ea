"""Bring the raw table in, every value exactly as its source spells it.  Reads a source.  Writes table.parquet."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from jobs.sources import SOURCES, chosen
from rounds.errors import SourceError
from rounds.files import Reader, Writer
from rounds.manifest import Facts
from rounds.settings import settings
from rounds.sourced import Csv, Journal, Simulate, Source, with_separator
from rounds.step import step


@dataclass(frozen=True)
class Knobs:
    source: Source
    csv: Csv


def fingerprint(read: Reader, knobs: Knobs) -> tuple[Facts, tuple[Source, Facts]]:
    """What the table is, known before a row of it is read."""
    typed, usual = read.options["source"], settings().source or ""
    if typed.startswith("journal:"):  # it goes on from the table that would be taken otherwise
        source = chosen(typed, chosen(usual, knobs.source))
    else:
        source = chosen(typed or usual, knobs.source)
    source = with_separator(source, knobs.csv)
    known = SOURCES[source.kind].fingerprint(source, read)
    return {"source": {"kind": source.kind, **known}}, (source, known)


def sort_of_table(source: Source) -> str:
    """Only tables of one sort are compared: given or simulated ones. A journal is of the sort of its base table."""
    base = source.base if isinstance(source, Journal) else source
    return "simulated" if isinstance(base, Simulate) else "given"


@step(
    knobs=Knobs,
    also=fingerprint,
    options={
        "source": "a path, https://...#sha256=..., s3://..., a .dvc pointer, journal:DAY; else SOURCE=, problem.yaml"
    },
)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    source, known = read.also
    whole = read.scratch / "landed.parquet"  # a table that is refused half way is not kept
    found = SOURCES[source.kind].land(source, read, whole)  # what a source counted, where it leaves rows out
    if SOURCES[source.kind].fingerprint(source, read) != known:
        raise SourceError("the source changed while it was read. Run again when nobody writes to it.")
    target = whole.rename(write.path("table.parquet"))
    landed = pl.scan_parquet(target, glob=False)
    rows = landed.select(pl.len()).collect().item()
    return {
        "source": source.kind,
        "table": sort_of_table(source),
        "rows": rows,
        "columns": len(landed.collect_schema()),
        **(found or {}),
    }


if __name__ == "__main__":
    main.command()
