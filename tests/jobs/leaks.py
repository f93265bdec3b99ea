"""Leaks, each put into an honest table or into the code that reads it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from rounds import tables
from rounds.definition import Definition
from tests.jobs.appointments import problem
from tests.jobs.sentinel import test_travel as mutants
from tests.jobs.walking import GATES, Attempt

Array = Any
Plant = Callable[[Attempt], Attempt]
MISSED = pl.col("No-show") == "Yes"
DAY = pl.col("AppointmentDay").str.slice(0, 10).str.to_date()


def drawn(rows: int, seed: int = 3) -> pl.Series:
    return pl.Series(np.random.default_rng(seed).random(rows))


# The history and the moment.


def past(mutant: Any) -> Plant:
    return lambda to: to.but(mutants=((tables, "history", mutant),))


def whole_outcome(entity: pl.Series, day: Array, missed: Array, cutoff: Array) -> Array:
    known = mutants.history(entity, day, missed, cutoff).copy()
    known[:, 1] += missed
    return known


def cutoff(mutant: Any) -> Plant:
    return lambda to: to.but(mutants=((Definition, "cutoffs", mutant),))


def reminder_at_booking(to: Attempt) -> Attempt:
    source = to.source.replace('if moment == "day_before":', "if True:")
    return to.but(of=problem("booking"), source=source)


def outcome_as_feature(to: Attempt) -> Attempt:
    return to.but(source=to.source.replace('"age": row.age,', '"age": row.age + row.no_show,'))


# Columns that know the outcome.


def copy_of_outcome(to: Attempt) -> Attempt:
    return to.with_column(MISSED.cast(pl.Int64), type="flag")


def code_of_outcome(to: Attempt) -> Attempt:
    code = 2 * (60 * drawn(to.raw.height)).cast(pl.Int64) + to.raw.select(MISSED.cast(pl.Int64)).to_series()
    return to.with_column(pl.lit(code), type="integer")


def in_a_tenth(to: Attempt) -> Attempt:
    youth = pl.col("Age").cast(pl.Int64).is_between(12, 17)
    noise = pl.lit(drawn(to.raw.height) < 0.5)
    return to.with_column(pl.when(youth).then(MISSED).otherwise(noise).cast(pl.Int64), type="flag")


def filled_in_for_few(to: Attempt) -> Attempt:
    few = pl.lit(drawn(to.raw.height) < 0.12)
    return to.with_column(pl.when(few).then(1 + MISSED.cast(pl.Int64)).otherwise(0), type="integer")


def letter_to_some(to: Attempt) -> Attempt:
    return to.with_column((MISSED & pl.lit(drawn(to.raw.height) < 0.5)).cast(pl.Int64), type="flag")


def strong(to: Attempt) -> Attempt:
    """A number whose own ROC-AUC is about 0.83."""
    noise = np.random.default_rng(5).normal(size=to.raw.height)
    return to.with_column(1.35 * MISSED.cast(pl.Int64) + pl.lit(pl.Series(noise)))


def strong_and_too_good(to: Attempt) -> Attempt:
    return strong(to).but(gates={**GATES, "auc": {"alarm_above": 0.8}})


def strong_against_a_champion(to: Attempt) -> Attempt:
    return strong(to).but(replaces=True)


# Copies.


def copies(patient: str = "", seconds: int = 0) -> Plant:
    """Early rows once more, seven weeks and some seconds later, under another id."""
    later, clock = pl.duration(weeks=7), "%Y-%m-%dT%H:%M:%SZ"

    def plant(to: Attempt) -> Attempt:
        early = to.raw.filter(DAY.is_between(datetime.date(2026, 1, 5), datetime.date(2026, 1, 31))).sample(
            fraction=0.1, seed=1
        )
        booked = pl.col("ScheduledDay").str.to_datetime(clock) + later + pl.duration(seconds=seconds)
        moved = early.with_columns(
            (pl.lit("9") + pl.col("AppointmentID")).alias("AppointmentID"),
            (pl.lit(patient) + pl.col("PatientId")).alias("PatientId"),
            booked.dt.strftime(clock).alias("ScheduledDay"),
            (DAY + later).dt.strftime("%Y-%m-%dT00:00:00Z").alias("AppointmentDay"),
        )
        return to.but(raw=to.raw.vstack(moved))

    return plant


# What one table cannot show.


def reminded_afterwards(to: Attempt) -> Attempt:
    """A tenth of those who missed are marked as reminded; the run before had the flag as it was."""
    set_later = MISSED & pl.lit(drawn(to.raw.height) < 0.1)
    flag = pl.when(set_later).then(pl.lit("1")).otherwise("SMS_received").alias("SMS_received")
    return to.but(raw=to.raw.with_columns(flag), replaces=True)


def with_later_rate(raw: pl.DataFrame) -> pl.DataFrame:
    """How often the patient misses later appointments of this table, as the source computed it."""
    ordered = raw.with_row_index("at").sort(DAY)
    missed = MISSED.cast(pl.Float64)
    later = (missed.sum() - missed.cum_sum()) / (pl.len() - pl.int_range(1, pl.len() + 1))
    rated = ordered.with_columns(later.fill_nan(0.2).over("PatientId").alias("rate"))
    return rated.sort("at").select(*raw.columns, pl.col("rate"))


def later_rate(to: Attempt) -> Attempt:
    rated = with_later_rate(to.raw)
    planted = to.with_column(pl.lit(rated["rate"]))
    return planted.but(replaces=True)


def after(plant: Plant, before: Callable[[Attempt, Attempt], pl.DataFrame]) -> Plant:
    """The same in a second run; `before` makes the table of the first one."""
    return lambda to: (planted := plant(to)).but(first=before(to, planted))


def as_it_was(to: Attempt, _: Attempt) -> pl.DataFrame:
    return to.raw


def weeks_before(to: Attempt, _: Attempt) -> pl.DataFrame:
    earlier = to.raw.filter(DAY.is_between(datetime.date(2026, 1, 5), datetime.date(2026, 3, 8)))
    return earlier.with_columns(with_later_rate(earlier)["rate"].cast(pl.String).alias("Extra"))


def into_quarantine(to: Attempt) -> Attempt:
    """All bad rows are of patients who missed."""
    bad = MISSED & pl.lit(drawn(to.raw.height) < 0.1)
    age = pl.when(bad).then(pl.lit("-1")).otherwise("Age").alias("Age")
    limits = to.of.checks.quarantine.model_copy(update={"at_most": 0.05})
    checks = to.of.checks.model_copy(update={"quarantine": limits})
    return to.but(raw=to.raw.with_columns(age), of=to.of.model_copy(update={"checks": checks}))


def left_out(to: Attempt) -> Attempt:
    """A third of those who missed are not in the table."""
    return to.but(raw=to.raw.filter(~(MISSED & pl.lit(drawn(to.raw.height) < 0.33))), replaces=True)
