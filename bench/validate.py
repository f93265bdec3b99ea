"""How fast validate is, and how much memory it takes: `python -m bench.validate [patients ...]`."""

from __future__ import annotations

import datetime
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

import problems
from jobs.checks.header import match
from jobs.checks.questions import questions
from jobs.validate import Evidence, Knobs, check
from problems.noshow.simulate import simulate
from rounds.parquet import sink

PATIENTS = (560_000, 2_240_000, 11_200_000)  # one, four and twenty million rows


def make(patients: int, target: Path) -> None:
    """A raw table of so many simulated patients, a tenth of a percent of its rows bad."""
    from polars.io.plugins import register_io_source

    knobs: dict[str, Any] = {"seed": 7, "start": datetime.date(2026, 1, 5), "weeks": 12, "dirt": 0.001}

    def blocks(*_: Any) -> Iterator[pl.DataFrame]:
        yield from simulate(patients=patients, **knobs)

    sink(register_io_source(blocks, schema=next(blocks()).schema, is_pure=True), target)


def once(table: Path, folder: Path) -> None:
    """Ask one table everything and print a line about it."""
    described = problems.problem("noshow")
    raw = pl.scan_parquet(table, glob=False)
    header = match(raw.collect_schema().names(), described.columns)
    asked = questions(described.columns, described.outcome, described.checks, header.names)
    begun, worked = time.perf_counter(), time.process_time()
    knobs = Knobs(described.columns, described.outcome, described.checks, described.who, described.when)
    checked = check(raw, asked, knobs, Evidence(), folder)
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    counts = checked.counts
    print(
        f"{counts.rows:>12,} rows {counts.bad:>9,} in quarantine {seconds:>8.1f} s ({worked:.1f} s of CPU) "
        f"{counts.rows / seconds:>12,.0f} rows/s {peak:>6.2f} GB at most",
        flush=True,
    )


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:]] or list(PATIENTS)
    for patients in sizes:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "raw.parquet"
            make(patients, table)
            # A process of its own: the peak of memory never falls again.
            subprocess.run([sys.executable, "-m", "bench.validate", "--once", str(table), folder], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        once(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
