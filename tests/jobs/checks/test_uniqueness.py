from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from jobs.checks.uniqueness import ROW, repeats


def repeated(*rows: tuple[str | None, int]) -> list[int]:
    table = pl.LazyFrame(list(rows), schema={"id": pl.String, "age": pl.Int64}, orient="row").with_row_index(
        ROW, offset=1
    )
    return repeats(table, "id", pl.struct("id", "age").hash()).to_list()


def test_of_equal_rows_the_first_stays() -> None:
    assert repeated(("a", 1), ("b", 1), ("a", 1), ("a", 1)) == [3, 4]


def test_of_rows_that_contradict_each_other_none_stays() -> None:
    assert repeated(("a", 1), ("b", 1), ("a", 2), ("a", 1)) == [1, 3, 4]


def test_nothing_is_no_repeat_of_nothing() -> None:
    assert repeated((None, 1), (None, 1), ("a", 1)) == []


def test_no_rows() -> None:
    assert repeated() == []


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1)), max_size=30))
def test_every_value_that_is_left_stands_once(rows: list[tuple[str, int]]) -> None:
    gone = set(repeated(*rows))
    left = [rows[i] for i in range(len(rows)) if i + 1 not in gone]
    assert len({one for one, _ in left}) == len(left)
    agreed = {one for one, _ in rows if len({age for other, age in rows if other == one}) == 1}
    assert {one for one, _ in left} == agreed
