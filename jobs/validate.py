"""Check every row and the whole table; bad rows go to quarantine.  Reads ingest.  Writes table.parquet and reports."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl

from jobs.checks import rows, sent, whole
from jobs.checks.agreement import ask_again
from jobs.checks.ahead import last_known_day, leave_out
from jobs.checks.header import match
from jobs.checks.page import render
from jobs.checks.profile import Profile, profile
from jobs.checks.questions import Questions, questions
from jobs.checks.report import Checked, broken, refusals, report, unread, warnings
from jobs.checks.restated import EARLIER, Comparison, comparable, compare_rows
from jobs.checks.sent import Sent
from rounds import places
from rounds.errors import Refused, RoundsError
from rounds.files import Reader, Writer
from rounds.knobs import Column, Outcome, Validate, When
from rounds.manifest import Facts
from rounds.parquet import sink
from rounds.step import step


@dataclass(frozen=True)
class Knobs:
    columns: dict[str, Column]
    outcome: Outcome
    checks: Validate
    who: str
    when: When

    @property
    def row_key(self) -> list[str]:
        """The columns that name a row in another run's table too."""
        unique = [name for name, column in self.columns.items() if column.unique]
        return list(dict.fromkeys([*unique, self.who, self.when.booked, *([] if unique else [self.when.happens])]))

    @property
    def journaled(self) -> sent.Rows:
        return sent.Rows(self.columns, self.who, self.when, self.outcome.column, self.row_key)


@dataclass(frozen=True)
class Last:
    """What the last good run on such a table left; `table` is None where it was pruned."""

    profile: Profile
    table: Path | None


@dataclass(frozen=True)
class Evidence:
    """What was said of the rows before: in the table of the last good run, and to the service."""

    last: Last | None = None
    sent: Sent = field(default_factory=Sent)


def check(raw: pl.LazyFrame, asked: Questions, knobs: Knobs, evidence: Evidence, folder: Path) -> Checked:
    """Ask a raw table everything; leaves `good.parquet` and `bad.parquet` in the folder."""
    raw, ahead = leave_out(raw, asked, knobs.when.happens, folder)
    marked_path, good, bad = (folder / f"{name}.parquet" for name in ("marked", "good", "bad"))
    sink(rows.mark(rows.decode(raw, asked), asked), marked_path)
    marked = rows.mark_repeats(pl.scan_parquet(marked_path, glob=False), asked)
    counts = rows.count(marked, asked)
    sink(rows.good(marked, asked), good)
    sink(rows.bad(raw, marked, asked), bad)
    _none_lost(counts, good, bad)
    found = profile(pl.scan_parquet(good, glob=False), asked.columns, asked.outcome.column)
    agreement = ask_again(raw, counts.rows, asked) if counts.rows else None
    comparisons = []
    if any(one.kind == "restated" for one in asked.whole):
        now = pl.scan_parquet(good, glob=False)
        comparisons = [with_last(now, evidence.last, knobs), knobs.journaled.compare(now, evidence.sent, folder)]
    verdicts = whole.judge(asked.whole, found, evidence.last.profile if evidence.last else None, comparisons)
    unread = [each.trouble for each in comparisons if each.trouble]
    return Checked(counts, found, verdicts, agreement, rows.first_rows(bad), ahead, unread)


def with_last(now: pl.LazyFrame, last: Last | None, knobs: Knobs) -> Comparison:
    """The rows that the last good table has too, as far as their outcome was known in it."""
    if last is None or last.table is None:
        return Comparison(EARLIER, impossible="there is no table of a last good run")
    outcome = knobs.outcome.column
    before = pl.scan_parquet(last.table, glob=False).filter(pl.col(outcome).is_not_null())
    names = comparable(knobs.columns, knobs.row_key)
    return compare_rows(before, now, names, knobs.row_key, outcome, EARLIER)


def _none_lost(counts: rows.Counts, good: Path, bad: Path) -> None:
    kept, apart = (pl.scan_parquet(path, glob=False).select(pl.len()).collect().item() for path in (good, bad))
    if kept + apart != counts.rows or apart != counts.bad:
        raise RoundsError(f"{counts.rows} rows came in, {kept} went out and {apart} to quarantine: rows were lost.")


def sorts(read: Reader) -> tuple[str, str]:
    """The groups to which a good run belongs: runs on the same sort of table, and on this very table."""
    table = read.inputs["ingest"].content.files["table.parquet"]
    return str(read.facts("ingest")["origin"]), f"input-{table.sha256}"


def compared_with(read: Reader, knobs: Knobs) -> tuple[Facts, Evidence]:
    """What a table is compared with; for a table that was validated before, what it was compared with then."""
    sort, same = (places.last_path(read.problem, "validate", of) for of in sorts(read))
    before = places.read(read.store, same)
    recorded = before.circumstances.read.also if before else None
    facts, last = last_good(read, sort, recorded)
    days, last_day = knobs.checks.journal_days, partial(last_day_of, read, knobs)
    journal, rows_sent = sent.choose(read, days, last_day, (recorded or {}).get("journal"))
    return {**facts, **journal}, Evidence(last, rows_sent)


def last_day_of(read: Reader, knobs: Knobs) -> date | None:
    """The last day of which the table has outcomes; None where none can be read."""
    raw = read.table("ingest")
    header = match(raw.collect_schema().names(), knobs.columns)
    if header.faults:
        return None
    asked = questions(knobs.columns, knobs.outcome, knobs.checks, header.names)
    return last_known_day(raw, asked, knobs.when.happens)


def last_good(read: Reader, sort: str, recorded: Facts | None) -> tuple[Facts, Last | None]:
    """The last good run on such a table; for a table that was validated before, the recorded one."""
    if recorded is not None:
        known = recorded.get("last_good")
    elif last := places.read(read.store, sort):
        known = {
            name: {"sha256": last.content.files[name].sha256, "place": last.circumstances.places[name]}
            for name in ("profile.json", "table.parquet")
        }
    else:
        known = None
    # What was pruned or altered is none: the run goes on without it, and its report says so.
    known = {name: file for name, file in (known or {}).items() if read.store.digest(file["place"]) == file["sha256"]}
    if "profile.json" not in known:
        return {}, None
    local = {name: read.scratch / f"last-{name}" for name in known}
    for name, file in known.items():
        read.store.download(file["place"], local[name])
    profile = json.loads(local["profile.json"].read_text(encoding="utf-8"))
    return {"last_good": known}, Last(profile, local.get("table.parquet"))


def examine(raw: pl.LazyFrame, problem: str, knobs: Knobs, evidence: Evidence, write: Writer) -> Facts:
    """Write the good rows, the bad ones and what was found; raises Refused where that stops the run."""
    header = match(raw.collect_schema().names(), knobs.columns)
    if header.faults:
        _tell(write, unread(problem, header, knobs.columns))
        raise Refused(". ".join(header.faults) + ".", {"faults": len(header.faults)})
    asked = questions(knobs.columns, knobs.outcome, knobs.checks, header.names)
    checked = check(raw, asked, knobs, evidence, write.scratch)

    limits = knobs.checks.quarantine
    _tell(write, report(problem, header, asked, checked, limits))
    write.json("profile.json", checked.profile)
    (write.scratch / "bad.parquet").rename(write.path("quarantine.parquet"))
    facts = {
        "rows": checked.counts.rows,
        "good": checked.counts.rows - checked.counts.bad,
        "quarantined": checked.counts.bad,
        **({"ahead": checked.ahead.rows} if checked.ahead.rows else {}),
        "broken": broken(checked.counts),
        "warnings": warnings(header, checked, limits),
    }
    if found := refusals(checked, asked, limits):
        advice = "See report.html and quarantine.parquet; mend the source, or the rule in problem.yaml."
        raise Refused(f"{'. '.join(found)}. {advice}", facts)
    (write.scratch / "good.parquet").rename(write.path("table.parquet"))
    return facts


@step(reads=("ingest",), knobs=Knobs, also=compared_with, sorts=sorts)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    return examine(read.table("ingest"), read.problem, knobs, read.also, write)


def _tell(write: Writer, found: Facts) -> None:
    write.json("report.json", found)
    write.text("report.html", render(found))


if __name__ == "__main__":
    main.command()
