"""Slices are whole days, in order of time, and none overlaps."""

from __future__ import annotations

import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds.errors import Refused
from rounds.knobs import Split
from rounds.slices import NAMES, cut, proof

FIRST = datetime.date(2026, 1, 5)


def days(counts: list[int]) -> pl.Series:
    """So many rows on each day, from the first day on."""
    numbers = [number for number, count in enumerate(counts) for _ in range(count)]
    return pl.Series("day", [FIRST + datetime.timedelta(days=number) for number in numbers], pl.Date)


def split(fit: float, calibrate: float) -> Split:
    return Split(by="day", fit=fit, calibrate=calibrate, test=1 - fit - calibrate)


def test_a_slice_takes_the_days_that_fit_wholly_into_its_share() -> None:
    found = cut(days([10] * 10), split(0.55, 0.17))
    assert [(getattr(found, name) - FIRST).days for name in NAMES] == [0, 5, 7]


def test_a_share_that_ends_with_a_day_holds_that_day() -> None:
    found = cut(days([10] * 10), split(0.6, 0.1))
    assert [(getattr(found, name) - FIRST).days for name in NAMES] == [0, 6, 7]


def test_the_newest_days_alone_are_held_out_of_a_long_table() -> None:
    """A drift of the last 14 of 100 days is in the calibrate slice and in the test, and the rest is learned from."""
    capped = Split(by="day", fit=0.55, calibrate=0.17, test=0.28, newest=28)
    found = cut(days([10] * 100), capped)
    assert [(getattr(found, name) - FIRST).days for name in NAMES] == [0, 72, 82]
    assert cut(days([10] * 40), capped) == cut(days([10] * 40), split(0.55, 0.17)), "whose 45% are fewer days"


@given(st.lists(st.integers(1, 30), min_size=3, max_size=40), st.floats(0.05, 0.9), st.floats(0.05, 0.9))
def test_every_row_is_in_exactly_one_slice(counts: list[int], fit: float, part: float) -> None:
    table, asked = pl.DataFrame([days(counts)]), split(fit, (1 - fit) * part)
    try:
        found = cut(table["day"], asked)
    except Refused as refused:
        assert "than one whole day of day" in str(refused)
        return
    parts = {name: found.rows(table, "day", name)["day"] for name in NAMES}
    assert sum(map(len, parts.values())) == table.height
    assert parts["fit"].max() < parts["calibrate"].min() and parts["calibrate"].max() < parts["test"].min()
    assert len(parts["fit"]) <= fit * table.height + 1e-3
    facts = proof(table, "day", found)
    assert {name: fact["rows"] for name, fact in facts.items()} == {name: len(part) for name, part in parts.items()}


def test_the_order_of_rows_does_not_matter() -> None:
    table = days([3, 9, 4, 3, 2, 7])
    assert cut(table.shuffle(seed=1), split(0.5, 0.2)) == cut(table, split(0.5, 0.2))


def test_too_few_days_are_refused() -> None:
    with pytest.raises(Refused, match="has 2 different days; split wants at least 3"):
        cut(days([5, 5]), split(0.5, 0.2))


def test_a_share_of_less_than_a_day_is_refused_by_its_name() -> None:
    with pytest.raises(Refused, match=r"split.calibrate is 0.01 of 100 rows on 10 days"):
        cut(days([10] * 10), split(0.5, 0.01))


def test_the_public_table_is_cut_where_its_test_begins() -> None:
    counts = [3235, 4376, 4256, 4168, 4273, 3879, 4520, 4308, 4474, 4394, 3987, 39, 4613, 4372, 4373, 4270, 3828]
    later = [4009, 3909, 4514, 4279, 4464, 4310, 4090, 4692, 4416, 4479]
    found = cut(days([*counts, *later]), split(0.55, 0.17))
    assert (found.test - FIRST).days == len(counts) + 2  # 2016-05-30, with 4514 appointments
