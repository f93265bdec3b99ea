"""Bring the raw table in, each value as its source spells it.  Reads a source.  Writes table.parquet, origin.json."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

import problems
from jobs.sources import SOURCES
from rounds import log, origin, usual_source
from rounds.errors import SourceError
from rounds.files import Reader, Writer
from rounds.manifest import Facts
from rounds.settings import settings
from rounds.sourced import Csv, Source, describe, parse_source, with_csv
from rounds.step import step


@dataclass(frozen=True)
class Knobs:
    source: Source
    csv: Csv


@dataclass(frozen=True)
class Chosen:
    """The source of this run, its fingerprint, and what to say of how it was chosen."""

    source: Source
    known: Facts
    note: str


def choose(read: Reader, knobs: Knobs) -> tuple[Source, str]:
    """What was typed, else `SOURCE=`, else what is remembered, else what problem.yaml says; and a note for people."""
    usual = usual_source.read(read.store, read.problem)
    otherwise = usual.source if usual else knobs.source

    def parse(typed: str, base: Source) -> Source:
        return knobs.source if typed == knobs.source.kind else parse_source(typed, base)

    typed = read.options["source"]
    environment = settings().source or ""
    if typed.startswith("journal:"):  # it goes on from the table that would be taken otherwise
        return parse(typed, parse(environment, otherwise)), ""
    source = parse(typed or environment, otherwise)
    if typed or environment:
        return source, ""
    if usual is not None:
        return source, f"no source was given, so it reads {describe(source)} as before: {usual_source.ADVICE}"
    if origin.of_source(source) == origin.SIMULATED:
        return source, "no source was given, so its rows are simulated. Give a table with SOURCE= or 'rounds source'"
    return source, ""


def fingerprint(read: Reader, knobs: Knobs) -> tuple[Facts, Chosen]:
    """What the table is, known before a row of it is read."""
    source, note = choose(read, knobs)
    known = SOURCES[source.kind].fingerprint(source, read)
    commas = {"commas": list(problems.problem(read.problem).numbers)} if knobs.csv.decimal == "," else {}
    return {"source": {"kind": source.kind, **known}, **commas}, Chosen(source, known, note)


def remember(read: Reader) -> None:
    """Remember a source that was given, once its table has come in; say what a run without one reads."""
    note = read.also.note
    if read.options["source"] or settings().source:
        note = usual_source.remember(read.store, read.problem, read.also.source)
    if note:
        log.say(note)


@step(
    knobs=Knobs,
    also=fingerprint,
    after=remember,
    options={
        "source": "a path, https://...#sha256=..., s3://..., a .dvc pointer, journal:DAY; "
        "else SOURCE=, what is remembered, problem.yaml"
    },
)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    given: Source = read.also.source
    source, kind = with_csv(given, knobs.csv, problems.problem(read.problem).numbers), SOURCES[given.kind]
    whole = read.scratch / "landed.parquet"  # a table that is refused half way is not kept
    counted = kind.land(source, read, whole)  # what a source counted, where it leaves rows out
    if kind.fingerprint(source, read) != read.also.known:
        raise SourceError("the source changed while it was read. Run again when nobody writes to it.")
    target = whole.rename(write.path("table.parquet"))
    landed = pl.scan_parquet(target, glob=False)
    rows = landed.select(pl.len()).collect().item()
    write.json(origin.FILE, {"origin": origin.of_source(source)})
    return {
        "source": source.kind,
        "origin": origin.of_source(source),
        "rows": rows,
        "columns": len(landed.collect_schema()),
        **(counted or {}),
    }


if __name__ == "__main__":
    main.command()
