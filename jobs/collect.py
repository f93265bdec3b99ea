"""Gather what was predicted and what then happened.  Reads the journal, the outcomes.  Writes predictions.parquet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from jobs.collecting import incoming, predictions
from jobs.collecting.predictions import INPUT, Journaled, Windows
from jobs.sources import SOURCES
from rounds import journal, log, manifest, outcomes
from rounds.audit import audit, write_report
from rounds.errors import Refused
from rounds.files import Reader, Writer
from rounds.knobs import Column, Outcome, When
from rounds.manifest import Facts
from rounds.outcomes import LEDGER
from rounds.recorded import Ledger
from rounds.sourced import Csv, File, parse_source, with_csv
from rounds.step import step
from rounds.watched import Collect, Monitor

AHEAD = timedelta(minutes=5)  # so much may the clock of whoever asks be before ours


@dataclass(frozen=True)
class Knobs:
    columns: dict[str, Column]
    who: str
    when: When
    outcome: Outcome
    collect: Collect
    monitor: Monitor
    csv: Csv

    def windows(self, to: datetime) -> Windows:
        asked = self.collect
        return Windows(to, timedelta(days=asked.window), asked.windows, timedelta(days=asked.days))


def joined(found: pl.DataFrame, said: pl.DataFrame, before: pl.DataFrame, knobs: Knobs) -> tuple[pl.DataFrame, Facts]:
    """The predictions with what is known of each, and what was counted on the way."""
    happens = pl.col(INPUT + knobs.when.happens).cast(pl.Date).alias("happens")
    rows, late = found.select("id", "appointment", happens), timedelta(days=knobs.collect.late)
    settled = outcomes.settle(said, rows, late, knobs.monitor.actions, before)
    return found.hstack(settled.table), settled.counts


def facts(table: pl.DataFrame, counts: Facts, windows: Windows, trouble: list[str]) -> Facts:
    def by(name: str) -> dict[object, int]:
        return dict(table.group_by(name).len().sort(name).iter_rows())

    rows = by("window")
    return {
        "to": windows.to.isoformat(timespec="seconds"),
        "first": windows.first.isoformat(timespec="seconds"),
        "since": windows.since.isoformat(timespec="seconds"),
        "windows": windows.count,
        "predictions": table.height,
        "appointments": int(table.get_column("last").sum()),
        "by_version": {str(version): rows for version, rows in by("version").items()},
        "outcomes": counts,
        "rows_per_window": [rows.get(number, 0) for number in range(windows.count)],
        "trouble": trouble,
    }


def until(typed: str, now: datetime) -> datetime:
    """The moment at which the newest window ends."""
    if not typed:
        return now.replace(microsecond=0)
    try:
        found = datetime.fromisoformat(typed)
    except ValueError:
        raise Refused(
            f"--to is '{typed}'; want a day such as 2026-11-21, or a moment such as 2026-11-21T05:00."
        ) from None
    found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    if found > now + AHEAD:
        raise Refused(f"--to is '{typed}', which is to come; it is {now:%Y-%m-%dT%H:%M} UTC. Want that or earlier.")
    return found


def receive(read: Reader, knobs: Knobs, at: datetime) -> None:
    """Put a list of outcomes that came as a file into the ledger, once however often the step is tried."""
    typed = read.options["outcomes"]
    if not typed:
        return
    source = with_csv(parse_source(typed, File(kind="file", path=typed)), knobs.csv, ())
    target = read.scratch / "outcomes.parquet"
    SOURCES[source.kind].land(source, read, target)
    digest = manifest.digest(SOURCES[source.kind].fingerprint(source, read))
    listed = incoming.read(pl.scan_parquet(target, glob=False), knobs.columns, knobs.outcome, at)
    key = journal.key(read.store, read.problem)
    ledger = Ledger(read.store, read.problem, key, LEDGER)
    new = ledger.ship(incoming.lines(listed, digest, key), f"list-{digest[:16]}", lambda: at)
    log.say(f"{new:,} outcomes of the list are new in the ledger")


def ledgers(read: Reader) -> tuple[Ledger, Ledger]:
    """Predictions and outcomes; without any line there is nothing to verify, and no key is wanted."""
    names = (journal.LEDGER, LEDGER)
    kept = any(read.store.folders(f"{read.problem}/.{name}") for name in (*names, "chains"))
    key = journal.key(read.store, read.problem) if kept else b""
    predictions, told = (Ledger(read.store, read.problem, key, name) for name in names)
    return predictions, told


def evidence(*read: Ledger) -> tuple[Facts, list[str]]:
    """Whether the ledgers are as they were written: figures, and a sentence for each fault."""
    audits = [audit(ledger) for ledger in read]
    missing = [each for found in audits for each in found.missing]
    altered = [each for found in audits for each in found.altered]
    counts = {"parts": sum(found.parts for found in audits), "missing": len(missing), "altered": len(altered)}
    return counts, [*altered, *missing]


@step(
    knobs=Knobs,
    reuse=False,
    options={
        "to": "the day or moment (UTC) before which the newest window ends; otherwise now",
        "outcomes": "a list of outcomes: a path, https://...#sha256=..., s3://bucket/key, or a .dvc pointer",
    },
)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    now = datetime.now(UTC)
    to = until(read.options["to"], now)
    receive(read, knobs, min(now, to - timedelta(milliseconds=1)))  # a list for a day in the past had come by then
    windows = knobs.windows(to)
    how = Journaled(knobs.columns, knobs.who, knobs.outcome.column)
    own, told = ledgers(read)
    found, trouble = predictions.read(own, how, windows)
    said, more = outcomes.read(told, windows.since, to)
    table, counts = joined(found, said, predictions.older(own, how, windows), knobs)
    write.table(table, "predictions.parquet")
    whole, faults = evidence(own, told)
    if own.key:
        report = {**whole, "at": now.isoformat(timespec="seconds"), "first": next(iter(faults), "")}
        write_report(read.store, read.problem, own.key, report)
    trouble = list(dict.fromkeys([*faults, *trouble, *more]))
    for each in trouble:
        log.say(each)
    return {**facts(table, counts, windows, trouble), "evidence": whole}


if __name__ == "__main__":
    main.command()
