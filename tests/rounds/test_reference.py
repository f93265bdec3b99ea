"""Reference statistics count every row once and show nobody's own value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds.reference import PARTS, Repeats, bins, counts, effective, histogram, places, statistics, whole_weeks, worth

values = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=300)


@given(values)
def test_every_row_is_counted_once(found: list[float]) -> None:
    made = histogram(np.array(found, dtype=np.float32))
    assert sum(made["counts"]) == len(found)
    assert len(made["counts"]) == len(made["edges"]) + 1 <= PARTS + 2
    assert made["edges"] == sorted(set(made["edges"]))


def test_bins_are_of_about_equal_size() -> None:
    made = histogram(np.random.default_rng(1).normal(size=10_000).astype(np.float32))
    assert len(made["counts"]) == PARTS and all(900 < count < 1100 for count in made["counts"])


def test_the_smallest_and_the_largest_value_are_no_edges() -> None:
    made = histogram(np.arange(1000, dtype=np.float32))
    assert made["edges"][0] > 0 and made["edges"][-1] < 999


def test_few_values_have_a_bin_each_and_what_was_never_seen_has_two() -> None:
    made = histogram(np.array([1, 0, 0, 1, 0, 2], dtype=np.float32))
    assert made == {"kind": "values", "edges": [-0.5, 0.0, 1.0, 2.5], "counts": [0, 3, 2, 1, 0]}
    assert bins(np.array([-1, 0, 2, 3], np.float32), np.array(made["edges"])).tolist() == [0, 1, 3, 4]
    assert histogram(np.zeros(4, dtype=np.float32))["counts"] == [0, 4, 0]


def test_missing_values_are_counted_apart() -> None:
    flags = np.array([np.nan, 1, 0, 1, np.nan], np.float32)
    made = histogram(flags)
    assert made == {"kind": "values", "edges": [-0.5, 0.0, 1.5], "counts": [0, 1, 2, 0], "missing": 2}
    assert places(flags, made).tolist() == [4, 2, 1, 2, 4] and counts(made) == [0, 1, 2, 0, 2]
    many = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    whole = histogram(many)
    assert histogram(np.append(many, np.nan)) == {**whole, "missing": 1} and counts(whole)[-1] == 0
    assert histogram(np.full(3, np.nan)) == {"kind": "parts", "edges": [], "counts": [0], "missing": 3}
    endless = histogram(np.append(many, [np.inf, -np.inf]))
    assert np.isfinite(endless["edges"]).all() and sum(endless["counts"]) == 1002


def test_rows_of_one_patient_are_worth_less_where_they_are_alike() -> None:
    where, who = np.tile([0, 1, 1], 200), np.arange(600)
    assert effective(where, 2, Repeats(who)) == 600
    thrice = np.repeat(who[:200], 3)
    assert effective(np.sort(where), 2, Repeats(np.arange(600) // 3)) == pytest.approx(200, abs=3)
    assert effective(where, 2, Repeats(thrice)) == 600  # never more than there are


def test_the_worth_of_rows_is_how_their_share_varies() -> None:
    draw, shares, worth = np.random.default_rng(3), [], []
    for _ in range(400):
        who = np.repeat(np.arange(300), draw.integers(1, 5, 300))
        habit = draw.random(300) < 0.3
        where = np.where(draw.random(len(who)) < 0.7, habit[who], draw.random(len(who)) < 0.3).astype(int)
        shares.append(where.mean())
        worth.append(effective(where, 2, Repeats(who)))
    assert np.var(shares) == pytest.approx(0.3 * 0.7 / np.mean(worth), rel=0.2)


def test_statistics_count_features_scores_and_outcomes_of_the_same_rows() -> None:
    matrix = np.array([[0, 5], [1, 6], [1, 7]], np.float32)
    made = statistics(
        ("a", "b"), matrix, np.array([0.1, 0.2, 0.3]), np.array([0, 1, 1]), np.array([1, 2, 3]), np.zeros(3)
    )
    assert list(made["features"]) == ["a", "b"] and made["outcomes"] == {"rows": 3, "true": 2, "effective": 3}
    assert all(
        sum(found["counts"]) == found["effective"] == 3 for found in (*made["features"].values(), made["scores"])
    )


def test_outcomes_of_one_patient_are_worth_fewer_rows() -> None:
    had, who = np.repeat([1, 0, 0, 0, 0], 4), np.repeat(np.arange(5), 4)
    made = statistics((), np.zeros((20, 0), np.float32), np.full(20, 0.2), had, who, np.zeros(20))
    assert made["outcomes"] == {"rows": 20, "true": 4, "effective": 5}


def test_outcomes_of_days_that_differ_are_worth_fewer_rows() -> None:
    draw, worths, shares = np.random.default_rng(3), [], []
    who, day = np.arange(1200), np.repeat(np.arange(24), 50)
    for _ in range(300):
        had = draw.random(1200) < draw.choice([0.1, 0.4], 24)[day]
        worths.append(worth(had, who, day))
        shares.append(had.mean())
    alike = draw.random(1200) < 0.25
    assert np.mean(worths) < 300 < worth(alike, who, day)
    assert np.var(shares) <= 0.25 * 0.75 / np.mean(worths) < 1.5 * np.var(shares)
    assert worth(alike, who, day // 4) == effective(alike.astype(int), 2, Repeats(who)), "below 8 days nobody can see"


def test_the_newest_whole_weeks_count_each_weekday_alike() -> None:
    assert np.flatnonzero(whole_weeks(np.arange(100, 116))).tolist() == list(range(2, 16))
    assert whole_weeks(np.arange(5)).all() and whole_weeks(np.arange(7)).all()
