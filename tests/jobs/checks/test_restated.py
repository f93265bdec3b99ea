"""Columns that change after the fact: they are found however small they are, and honest corrections are let pass."""

from __future__ import annotations

import random
from collections.abc import Callable

import polars as pl
import pytest

import problems
from jobs.checks.restated import EARLIER, Restatement, by_chance, comparable, compare_rows
from jobs.validate import Knobs

ROWS = 20_000
NOSHOW = problems.problem("noshow")
KEY = Knobs(NOSHOW.columns, NOSHOW.outcome, NOSHOW.checks, NOSHOW.who, NOSHOW.when).row_key


def table(rows: int = ROWS, seed: int = 1) -> pl.DataFrame:
    draw = random.Random(seed)
    missed = [int(draw.random() < 0.2) for _ in range(rows)]
    columns: dict[str, list[object]] = {name: ["F"] * rows for name in NOSHOW.columns}
    columns |= {
        "patient_id": [f"p{number % 9000}" for number in range(rows)],
        "appointment_id": [str(number) for number in range(rows)],
        "age": [draw.randrange(90) for _ in range(rows)],
        "reminded": [int(draw.random() < 0.3) for _ in range(rows)],
        "no_show": list(missed),
    }
    return pl.DataFrame(columns)


def changed(name: str, chosen: Callable[[int], bool], before: pl.DataFrame | None = None) -> pl.DataFrame:
    """The same table, in which some cells were written anew; `chosen` is asked with the outcome of the row."""
    before = table() if before is None else before
    picked = [chosen(missed) for missed in before["no_show"]]
    return before.with_columns(pl.when(pl.Series(picked)).then(pl.col(name) + 1).otherwise(pl.col(name)).alias(name))


def compared(before: pl.DataFrame, now: pl.DataFrame) -> list[Restatement]:
    known = before.lazy().filter(pl.col("no_show").is_not_null())
    columns = comparable(NOSHOW.columns, KEY)
    return [*compare_rows(known, now.lazy(), columns, KEY, "no_show", EARLIER).restatements]


def test_equal_tables_and_outcomes_that_were_corrected_are_no_change() -> None:
    assert compared(table(), table().sample(fraction=1, shuffle=True, seed=1)) == []
    assert compared(table(), table().with_columns((1 - pl.col("no_show")).alias("no_show"))) == []


def test_a_flag_that_is_set_after_a_missed_appointment_is_found_in_few_rows() -> None:
    draw = random.Random(3)
    (change,) = compared(table(), changed("reminded", lambda missed: bool(missed) and draw.random() < 0.01))
    assert change.column == "reminded" and change.changed < 60 and change.share < 0.003
    assert change.with_outcome and change.changed_rate == 1.0
    assert "the outcome is true in 100.0% of them" in change.sentence


def test_corrections_that_do_not_go_with_the_outcome_are_counted_alone() -> None:
    draw = random.Random(4)
    (change,) = compared(table(), changed("age", lambda _: draw.random() < 0.03))
    assert not change.with_outcome and 0.025 < change.share < 0.035
    assert change.sentence == f"age changed in {change.changed} of 20,000 earlier rows ({change.share:.2%})"


def test_honest_corrections_are_hardly_ever_accused() -> None:
    before, accused = table(1000), 0
    for seed in range(300):
        draw = random.Random(seed)
        now = changed("age", lambda _, draw=draw: draw.random() < 0.05, before)
        accused += sum(change.with_outcome for change in compared(before, now))
    assert accused <= 2


def test_rows_of_other_patients_with_the_same_numbers_are_not_compared() -> None:
    other = table().with_columns(patient_id=pl.lit("x") + pl.col("patient_id"), age=pl.col("age") + 1)
    assert compared(table(), other) == []


def test_a_number_that_two_rows_have_names_neither() -> None:
    doubled = pl.concat([table(), changed("age", bool).head(10)])
    assert compared(table(), doubled) == []


def test_rows_whose_outcome_was_not_known_may_change() -> None:
    open_rows = table().with_columns(pl.lit(None, pl.Int64).alias("no_show"))
    assert compared(open_rows, changed("reminded", lambda _: True)) == []


@pytest.mark.parametrize(
    ("rows", "positive", "drawn", "hits", "chance"),
    [(10, 5, 5, 5, 2 / 252), (10, 5, 5, 0, 2 / 252), (100, 20, 10, 2, 1.0), (30, 10, 5, 5, 2 * 252 / 142506)],
)
def test_chance_is_that_of_draws_without_return(rows: int, positive: int, drawn: int, hits: int, chance: float) -> None:
    assert by_chance(rows, positive, drawn, hits) == pytest.approx(chance, rel=1e-9)
