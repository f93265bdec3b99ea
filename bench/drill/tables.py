"""The raw table of all weeks: simulated with a drift that begins one week, or a real one in which something changes."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import cast

import polars as pl

from bench.drill.plan import Plan
from jobs.sources.file import land_table
from problems import definition
from rounds.errors import Refused
from rounds.knobs import Problem, Split
from rounds.slices import cut

CALIBRATED = 2  # days that `train` wants for its calibrator
LONGEST_WAIT = 30  # days, in a broken export
LONGER, VISITS = 3, 1.79  # visits of a simulated patient, on average


def tables(plan: Plan, problem: Problem) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the first champion learns from, and what comes then: each row as its source spells it."""
    whole, cut = real(plan, problem) if plan.source else simulated(plan, problem)
    happens = day(problem)
    return whole.filter(happens < cut), whole.filter(happens >= cut)


def simulated(plan: Plan, problem: Problem) -> tuple[pl.DataFrame, date]:
    """Two worlds with the same patients: one stays as it is, in the other a drift has gone far.  And the first day.

    From the week of the drift on the appointments are those of the other world. The simulator's drift grows over its
    whole table, so the other world is the last part of a longer one, brought forward by whole weeks.
    """
    weeks, happens = plan.base + plan.weeks + 1, day(problem)
    first = plan.start + timedelta(weeks=plan.base)
    turn = first + timedelta(weeks=plan.drift_from - 1)
    patients = round(plan.weekly * weeks / VISITS)
    key = next(column.raw for column in problem.columns.values() if column.unique)
    seen = (happens >= first) | (pl.col(key).cast(pl.Int64) % 100 < 100 * plan.on_record)
    quiet = _simulated(plan, problem, patients, weeks, 0.0).filter((happens < turn) & seen)
    earlier = timedelta(weeks=(LONGER - 1) * weeks)
    moved = _simulated(plan, problem, LONGER * patients, LONGER * weeks, plan.drift)
    moved = moved.with_columns(
        _earlier(problem.columns[name].raw, earlier) for name in (problem.when.booked, problem.when.happens)
    )
    # An appointment that has its place before the turn does not come again.
    moved = moved.filter(happens >= turn).join(quiet, on=key, how="anti", maintain_order="left")
    return pl.concat([quiet, moved]), first


def _simulated(plan: Plan, problem: Problem, patients: int, weeks: int, drift: float) -> pl.DataFrame:
    module = definition(problem.name, "simulate")
    asked = {"patients": patients, "seed": plan.seed, "start": plan.start, "weeks": weeks, "drift": drift}
    found: list[pl.DataFrame] = list(module.simulate(**asked))
    return pl.concat(found)


def _earlier(name: str, by: timedelta) -> pl.Expr:
    days = pl.col(name).str.slice(0, 10).str.to_date() - by
    return pl.concat_str(days.cast(pl.String), pl.col(name).str.slice(10))


def real(plan: Plan, problem: Problem) -> tuple[pl.DataFrame, date]:
    """The table of `SOURCE=`; from the week of the drift on a unit and a flag of it are not what they were."""
    with tempfile.TemporaryDirectory() as folder:
        land_table(Path(plan.source), Path(folder) / "landed.parquet", Path(folder))
        whole = pl.read_parquet(Path(folder) / "landed.parquet", glob=False)
    happens = day(problem)
    first = begins(whole.select(happens).to_series().drop_nulls().sort(), plan.initial, problem.split)
    turn = first - timedelta(days=first.weekday()) + timedelta(weeks=plan.drift_from - 1)
    changed = whole.sort(happens, maintain_order=True).with_columns(
        pl.when(happens >= turn).then(other).otherwise(pl.col(name)).alias(name)
        for name, other in changes(problem).items()
    )
    return changed, first


def begins(days: pl.Series, initial: float, split: Split) -> date:
    """The first day of the stream: after the initial share, and not before `train` can split what lies before it."""
    for first in days[int(initial * len(days)) :].unique(maintain_order=True):
        with suppress(Refused):
            found = cut(before := days.filter(days < first), split)
            if found.rows(before.to_frame(), days.name, "calibrate").get_column(days.name).n_unique() >= CALIBRATED:
                return cast(date, first)
    raise Refused(
        f"the table has {days.n_unique()} days, too few to split the first of them and to play the others. Bring a "
        "longer one."
    )


def changes(problem: Problem) -> dict[str, pl.Expr]:
    """A number that counts something else from now on, and flags that nobody sends any more."""
    columns = [column for name, column in problem.columns.items() if name != problem.outcome.column]
    whole = next((c for c in columns if c.type == "integer" and c.between is not None and c.between[1] > 10), None)
    lost = [column for column in columns if column.type == "flag" and column.known == problem.when.moment]
    found: dict[str, pl.Expr] = {column.raw: pl.lit("0") for column in lost}
    if whole is not None and whole.between is not None:
        doubled = (2 * pl.col(whole.raw).cast(pl.Int64, strict=False)).clip(upper_bound=int(whole.between[1]))
        found[whole.raw] = doubled.cast(pl.String)
    return found


def day(problem: Problem) -> pl.Expr:
    """The day of a row, from the text of the raw table; none where it is no day."""
    return pl.col(problem.columns[problem.when.happens].raw).str.slice(0, 10).str.to_date(strict=False)


def turned(table: pl.DataFrame, problem: Problem) -> pl.DataFrame:
    """A broken export: whoever waited long seems to have booked of late, and the other way round."""
    booked, happens = problem.columns[problem.when.booked].raw, day(problem)
    wait = (happens - pl.col(booked).str.slice(0, 10).str.to_date(strict=False)).dt.total_days()
    other = (LONGEST_WAIT - wait).clip(lower_bound=0)
    days = (happens - pl.duration(days=other)).cast(pl.String)
    return table.with_columns(pl.concat_str(days, pl.col(booked).str.slice(10)).alias(booked))
