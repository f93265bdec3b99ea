"""Folds learn from earlier days, and from nobody whom they are judged on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds.errors import Refused
from rounds.folds import folds


@given(st.lists(st.integers(1, 20), min_size=12, max_size=40), st.integers(2, 5), st.booleans())
def test_every_fold_learns_from_earlier_days_alone(counts: list[int], count: int, apart: bool) -> None:
    days = np.repeat(np.arange(len(counts)), counts)
    who = np.arange(len(days)) * 7 % 13
    try:
        made = folds(days, who, count, apart=apart)
    except Refused:
        return
    assert len(made) == count
    for fold in made:
        assert len(fold.learn) == 0 or days[fold.learn].max() < days[fold.judge].min()
        assert not apart or not set(who[fold.learn]) & set(who[fold.judge])
    judged = np.concatenate([fold.judge for fold in made])
    assert len(judged) == len(set(judged.tolist()))


def test_later_folds_learn_from_more() -> None:
    made = folds(np.repeat(np.arange(10), 20), np.arange(200), 4, apart=True)
    assert [len(fold.learn) for fold in made] == [40, 80, 120, 160]
    assert [len(fold.judge) for fold in made] == [40, 40, 40, 40]


def test_patients_may_be_in_two_folds_where_the_problem_says_so() -> None:
    who = np.zeros(200, dtype=int)
    days = np.repeat(np.arange(10), 20)
    assert [len(fold.learn) for fold in folds(days, who, 4, apart=False)] == [40, 80, 120, 160]
    assert [len(fold.learn) for fold in folds(days, who, 4, apart=True)] == [0, 0, 0, 0]


def test_too_few_days_for_so_many_folds_are_refused() -> None:
    with pytest.raises(Refused, match=r"tune.folds is 4, which wants 5 blocks"):
        folds(np.repeat(np.arange(3), 20), np.arange(60), 4, apart=True)
