"""Repeats: copies a second later or of another patient count; what coincides by chance does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from jobs.sentinel.repeats import Repeats, repeated
from rounds.modelling import Leakage
from tests.jobs.appointments import appointments, problem

CUT = pl.date(2026, 2, 23)
BOUND = Leakage().repeated_at_most


def count(typed: pl.DataFrame, **described: Any) -> tuple[dict[str, Repeats], int]:
    of = problem()
    columns = {name: column for name, column in of.columns.items() if name in typed.columns}
    columns |= {name: of.columns[name].model_copy(update=changes) for name, changes in described.items()}
    day = pl.col("appointment_day")
    earlier, test = typed.filter(day < CUT), typed.filter(day >= CUT)
    who = of.who if of.who in typed.columns else "appointment_id"
    return repeated(earlier, test, columns, who, of.when, of.outcome), test.height


def is_told(found: tuple[dict[str, Repeats], int]) -> bool:
    repeats, rows = found
    return max(each.excess(rows) for each in repeats.values()) > BOUND


@pytest.fixture(scope="module")
def typed() -> pl.DataFrame:
    return appointments(3000)


def copied(typed: pl.DataFrame, share: float = 0.05, **changes: pl.Expr) -> pl.DataFrame:
    """The table with a share of its early rows once more, 49 days later and under another id."""
    copies = typed.filter(pl.col("appointment_day") < pl.date(2026, 2, 1)).sample(fraction=share, seed=1)
    later = pl.duration(days=49)
    named = {
        "appointment_id": pl.lit("B") + pl.col("appointment_id"),
        "appointment_day": pl.col("appointment_day") + later,
    }
    return typed.vstack(copies.with_columns(**named).with_columns(**changes))


BOOKED = pl.col("scheduled_day")
COPIES = {
    "moved": {"scheduled_day": BOOKED + pl.duration(days=49)},
    "a second later": {"scheduled_day": BOOKED + pl.duration(days=49, seconds=1)},
    "ten seconds earlier": {"scheduled_day": BOOKED + pl.duration(days=49, seconds=-10)},
    "the event alone moved": {"scheduled_day": BOOKED + pl.duration(seconds=3)},
    "of another patient": {"patient_id": pl.lit("Q") + pl.col("patient_id")},
    "of another patient, a second later": {
        "patient_id": pl.lit("Q") + pl.col("patient_id"),
        "scheduled_day": BOOKED + pl.duration(days=49, seconds=1),
    },
    "with the other outcome": {"no_show": 1 - pl.col("no_show")},
}


def test_an_honest_table_has_none(typed: pl.DataFrame) -> None:
    assert not is_told(count(typed))


@pytest.mark.parametrize("rounding", ["30m", "1h", "1d"])
def test_an_honest_table_whose_times_are_rounded_is_not_refused(rounding: str, typed: pl.DataFrame) -> None:
    """Particulars that many rows share, booked at full hours: a time of day is then no mark of a copy."""
    bare = typed.drop("patient_id", "neighbourhood").with_columns(BOOKED.dt.truncate(rounding))
    found, rows = count(bare)
    assert found["any patient"].rows > BOUND * rows
    assert not is_told((found, rows))


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_counted(how: str, typed: pl.DataFrame) -> None:
    found, rows = count(copied(typed, 0.15, **COPIES[how]))
    assert is_told((found, rows))
    assert ("same patient" in found) and found["any patient"].by_chance < 0.02 * rows


def test_an_honest_table_without_patients_is_not_refused(typed: pl.DataFrame) -> None:
    """Few particulars, and a booking by day alone: most rows repeat an earlier one, by chance."""
    bare = typed.drop("patient_id", "neighbourhood", "age").with_columns(BOOKED.dt.truncate("1d").cast(pl.Date))
    found, rows = count(bare, scheduled_day={"type": "date"})
    assert set(found) == {"any patient"}
    assert found["any patient"].rows > 0.5 * rows
    assert not is_told((found, rows))


def test_copies_of_a_table_without_a_time_of_day_are_counted_where_chance_is_small(typed: pl.DataFrame) -> None:
    lab = pl.Series("age", np.random.default_rng(1).integers(0, 10**6, typed.height))
    exact = typed.with_columns(lab, BOOKED.dt.truncate("1d").cast(pl.Date))
    assert not is_told(count(exact, scheduled_day={"type": "date"}))
    moved = {"scheduled_day": BOOKED + pl.duration(days=49)}
    assert is_told(count(copied(exact, 0.15, **moved), scheduled_day={"type": "date"}))
