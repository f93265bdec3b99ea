"""Reasons: the strongest first, in the problem's words; and exact, for they add up to the margin."""

from __future__ import annotations

import numpy as np

from rounds.reasons import strongest, told

NAMES = ("lead_days", "same_day", "age")
WORDS = {"lead_days": "booked {value:.0f} days ahead", "same_day": {1: "booked for the same day"}}


def test_the_strongest_come_first_with_their_direction() -> None:
    (row,) = strongest(np.array([[0.2, -0.5, 0.1]]), np.array([[34.0, 1.0, 62.0]]), NAMES, WORDS, 2)
    assert [str(reason) for reason in row] == [
        "booked for the same day: lowers the risk",
        "booked 34 days ahead: raises the risk",
    ]


def test_what_all_rows_start_from_is_no_reason() -> None:
    (row,) = strongest(np.array([[0.2, 0.0, 0.1, -2.0]]), np.array([[34.0, 1.0, 62.0]]), NAMES, WORDS, 3)
    assert [reason.feature for reason in row] == ["lead_days", "age"]


def test_without_words_a_feature_is_told_by_its_name() -> None:
    assert told("age", 62.0, WORDS) == "age is 62"
    assert told("same_day", 0.0, WORDS) == "same day is 0"
    assert told("same_day", 0.5, WORDS) == "same day is 0.5"
