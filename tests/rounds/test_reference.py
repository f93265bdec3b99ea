"""Reference statistics count every row once and show nobody's own value."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rounds.reference import PARTS, counts, histogram

values = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=300)


@given(values)
def test_every_row_is_counted_once(found: list[float]) -> None:
    made = histogram(np.array(found, dtype=np.float32))
    assert sum(made["counts"]) == len(found)
    assert len(made["counts"]) == len(made["edges"]) + 1 <= PARTS
    assert made["edges"] == sorted(set(made["edges"]))


@given(values)
def test_the_same_values_give_the_same_counts_again(found: list[float]) -> None:
    column = np.array(found, dtype=np.float32)
    made = histogram(column)
    assert counts(column, np.array(made["edges"])).tolist() == made["counts"]


def test_bins_are_of_about_equal_size() -> None:
    made = histogram(np.random.default_rng(1).normal(size=10_000).astype(np.float32))
    assert len(made["counts"]) == PARTS and all(900 < count < 1100 for count in made["counts"])


def test_the_smallest_and_the_largest_value_are_no_edges() -> None:
    made = histogram(np.arange(1000, dtype=np.float32))
    assert made["edges"][0] > 0 and made["edges"][-1] < 999


def test_few_values_have_a_bin_each() -> None:
    assert histogram(np.array([1, 0, 0, 1, 0, 2], dtype=np.float32)) == {"edges": [0.0, 1.0], "counts": [3, 2, 1]}
    assert histogram(np.zeros(4, dtype=np.float32)) == {"edges": [], "counts": [4]}
