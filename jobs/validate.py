"""Check every row and the whole table; bad rows go to quarantine.  Reads ingest.  Writes table.parquet and reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from jobs.checks import rows, whole
from jobs.checks.agreement import ask_again
from jobs.checks.header import match
from jobs.checks.page import render
from jobs.checks.profile import Profile, profile
from jobs.checks.questions import Questions, questions
from jobs.checks.report import Checked, broken, refusals, report, unread, warnings
from rounds import places
from rounds.errors import Refused, RoundsError
from rounds.files import Reader, Writer
from rounds.knobs import Column, Outcome, Validate
from rounds.manifest import Facts
from rounds.parquet import sink
from rounds.step import step


@dataclass(frozen=True)
class Knobs:
    columns: dict[str, Column]
    outcome: Outcome
    checks: Validate


def check(raw: pl.LazyFrame, asked: Questions, last: Profile | None, folder: Path) -> Checked:
    """Ask a raw table everything; leaves `good.parquet` and `bad.parquet` in the folder."""
    marked_path, good, bad = (folder / f"{name}.parquet" for name in ("marked", "good", "bad"))
    sink(rows.mark(rows.decode(raw, asked), asked), marked_path)
    marked = rows.mark_repeats(pl.scan_parquet(marked_path, glob=False), asked)
    counts = rows.count(marked, asked)
    sink(rows.good(marked, asked), good)
    sink(rows.bad(raw, marked, asked), bad)
    _none_lost(counts, good, bad)
    found = profile(pl.scan_parquet(good, glob=False), asked.columns, asked.outcome.column)
    agreement = ask_again(raw, counts.rows, asked) if counts.rows else None
    return Checked(counts, found, whole.judge(asked.whole, found, last), agreement, rows.first_rows(bad))


def _none_lost(counts: rows.Counts, good: Path, bad: Path) -> None:
    kept, apart = (pl.scan_parquet(path, glob=False).select(pl.len()).collect().item() for path in (good, bad))
    if kept + apart != counts.rows or apart != counts.bad:
        raise RoundsError(f"{counts.rows} rows came in, {kept} went out and {apart} to quarantine: rows were lost.")


def sorts(read: Reader) -> tuple[str, str]:
    """The groups to which a good run belongs: runs on the same sort of table, and on this very table."""
    table = read.inputs["ingest"].content.files["table.parquet"]
    return str(read.facts("ingest")["table"]), f"input-{table.sha256}"


def last_good(read: Reader, _: Knobs) -> tuple[Facts, Path | None]:
    """The profile of the last good run on such a table; for a table that was validated before, the one used then."""
    sort, same = (places.last_path(read.problem, "validate", of) for of in sorts(read))
    if before := places.read(read.store, same):
        known = before.circumstances.read.also.get("last_good")
    elif last := places.read(read.store, sort):
        kept = last.content.files["profile.json"]
        known = {"profile": kept.sha256, "place": last.circumstances.places["profile.json"]}
    else:
        known = None
    # A profile that was pruned or altered is none: the run goes on without it, and its report says so.
    if known is None or read.store.digest(known["place"]) != known["profile"]:
        return {}, None
    local = read.scratch / "last-profile.json"
    read.store.download(known["place"], local)
    return {"last_good": known}, local


def examine(raw: pl.LazyFrame, problem: str, knobs: Knobs, last: Profile | None, write: Writer) -> Facts:
    """Write the good rows, the bad ones and what was found; raises Refused where that stops the run."""
    header = match(raw.collect_schema().names(), knobs.columns)
    if header.faults:
        _tell(write, unread(problem, header, knobs.columns))
        raise Refused(". ".join(header.faults) + ".", {"faults": len(header.faults)})
    asked = questions(knobs.columns, knobs.outcome, knobs.checks, header.names)
    checked = check(raw, asked, last, write.scratch)

    budget = knobs.checks.quarantine.at_most
    _tell(write, report(problem, header, asked, checked, budget))
    write.json("profile.json", checked.profile)
    (write.scratch / "bad.parquet").rename(write.path("quarantine.parquet"))
    facts = {
        "rows": checked.counts.rows,
        "good": checked.counts.rows - checked.counts.bad,
        "quarantined": checked.counts.bad,
        "broken": broken(checked.counts),
        "warnings": warnings(header, checked),
    }
    if found := refusals(checked, budget):
        advice = "See report.html and quarantine.parquet; mend the source, or the rule in problem.yaml."
        raise Refused(f"{'. '.join(found)}. {advice}", facts)
    (write.scratch / "good.parquet").rename(write.path("table.parquet"))
    return facts


@step(reads=("ingest",), knobs=Knobs, also=last_good, sorts=sorts)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    last = json.loads(read.also.read_text(encoding="utf-8")) if read.also else None
    return examine(read.table("ingest"), read.problem, knobs, last, write)


def _tell(write: Writer, found: Facts) -> None:
    write.json("report.json", found)
    write.text("report.html", render(found))


if __name__ == "__main__":
    main.command()
