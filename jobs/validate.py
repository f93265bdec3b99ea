"""Check every row and the whole table; bad rows go to quarantine.  Reads ingest.  Writes table.parquet and reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from jobs.checks import rows, whole
from jobs.checks.agreement import ask_again
from jobs.checks.ahead import leave_out
from jobs.checks.header import match
from jobs.checks.page import render
from jobs.checks.profile import Profile, profile
from jobs.checks.questions import Questions, questions
from jobs.checks.report import Checked, broken, refusals, report, unread, warnings
from jobs.checks.restated import restatements
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


@dataclass(frozen=True)
class Last:
    """What the last good run on such a table left; `table` is None where it was pruned."""

    profile: Profile
    table: Path | None


def check(raw: pl.LazyFrame, asked: Questions, knobs: Knobs, last: Last | None, folder: Path) -> Checked:
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
    changes = None
    if last is not None and last.table is not None:
        earlier, now = (pl.scan_parquet(path, glob=False) for path in (last.table, good))
        changes = restatements(earlier, now, asked.columns, knobs.row_key, asked.outcome.column)
    verdicts = whole.judge(asked.whole, found, last.profile if last else None, changes)
    return Checked(counts, found, verdicts, agreement, rows.first_rows(bad), ahead)


def _none_lost(counts: rows.Counts, good: Path, bad: Path) -> None:
    kept, apart = (pl.scan_parquet(path, glob=False).select(pl.len()).collect().item() for path in (good, bad))
    if kept + apart != counts.rows or apart != counts.bad:
        raise RoundsError(f"{counts.rows} rows came in, {kept} went out and {apart} to quarantine: rows were lost.")


def sorts(read: Reader) -> tuple[str, str]:
    """The groups to which a good run belongs: runs on the same sort of table, and on this very table."""
    table = read.inputs["ingest"].content.files["table.parquet"]
    return str(read.facts("ingest")["origin"]), f"input-{table.sha256}"


def last_good(read: Reader, _: Knobs) -> tuple[Facts, Last | None]:
    """The last good run on such a table; for a table that was validated before, the one used then."""
    sort, same = (places.last_path(read.problem, "validate", of) for of in sorts(read))
    if before := places.read(read.store, same):
        known = before.circumstances.read.also.get("last_good")
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


def examine(raw: pl.LazyFrame, problem: str, knobs: Knobs, last: Last | None, write: Writer) -> Facts:
    """Write the good rows, the bad ones and what was found; raises Refused where that stops the run."""
    header = match(raw.collect_schema().names(), knobs.columns)
    if header.faults:
        _tell(write, unread(problem, header, knobs.columns))
        raise Refused(". ".join(header.faults) + ".", {"faults": len(header.faults)})
    asked = questions(knobs.columns, knobs.outcome, knobs.checks, header.names)
    checked = check(raw, asked, knobs, last, write.scratch)

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


@step(reads=("ingest",), knobs=Knobs, also=last_good, sorts=sorts)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    return examine(read.table("ingest"), read.problem, knobs, read.also, write)


def _tell(write: Writer, found: Facts) -> None:
    write.json("report.json", found)
    write.text("report.html", render(found))


if __name__ == "__main__":
    main.command()
