"""The champion test on simulated pairs of models whose true AUC is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from jobs.champions.paired import Paired, Rows, compare
from rounds.bootstrap import BLOCK
from rounds.metrics import roc_auc, tally

MARGIN, BEST = 0.005, 0.73
TESTS, RESAMPLES = 200, 200


@dataclass(frozen=True)
class Table:
    """Rows of patients; what a row's scores have in common they have in every pair of models."""

    seed: int
    rows: Rows
    common: Any

    def scored(self, auc: float, seed: int) -> Any:
        """The scores of a model of this true AUC: two normal distributions, as far apart as that takes."""
        own = np.random.default_rng([self.seed, seed]).normal(size=len(self.common))
        apart = NormalDist().inv_cdf(auc) * 2**0.5
        return apart * self.rows.outcome + 0.98**0.5 * self.common + 0.02**0.5 * own


def table(seed: int, patients: int = 3000) -> Table:
    """Patients of one to four rows, which resemble each other."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(patients), draw.integers(1, 5, patients))
    outcome = (draw.random(len(who)) < 0.2).astype(np.int64)
    common = 0.6 * draw.normal(size=patients)[who] + 0.8 * draw.normal(size=len(who))
    return Table(seed, Rows(outcome, who, RESAMPLES, 7), common)


def passes(auc: float) -> int:
    """In how many of 200 tests a challenger of this AUC passes against a champion of the best."""
    tables = (table(seed) for seed in range(TESTS))
    found = (compare(each.scored(auc, 1), each.scored(BEST, 2), each.rows, MARGIN) for each in tables)
    return sum(each.passed for each in found)


def test_the_simulated_models_are_what_they_are_said_to_be() -> None:
    big = table(1, patients=100_000)
    for auc in (BEST, BEST - MARGIN):
        assert roc_auc(tally(big.scored(auc, 1), big.rows.outcome)) == pytest.approx(auc, abs=0.003)


def test_a_challenger_worse_by_the_margin_hardly_ever_passes() -> None:
    assert passes(BEST - MARGIN) <= 0.05 * TESTS


def test_an_equal_challenger_passes() -> None:
    assert passes(BEST) >= 0.6 * TESTS


@pytest.mark.parametrize("fresh", [True, False], ids=["each on a slice of its own", "all on one slice"])
def test_fifty_small_losses_do_not_end_below_the_margin(fresh: bool) -> None:
    champion, promoted, loss = BEST, 0, 0.001
    for number in range(1, 51):
        slice_ = table(1000 + number if fresh else 1000, patients=8_000)
        challenger = champion - loss
        scores = slice_.scored(challenger, number)
        before = compare(scores, slice_.scored(champion, number - 1), slice_.rows, MARGIN)
        anchor = compare(scores, slice_.scored(BEST, 0), slice_.rows, MARGIN, tests=number)
        if before.passed and anchor.passed:
            champion, promoted = challenger, promoted + 1
    assert promoted > 0, "nothing was promoted, so nothing was shown"
    assert champion >= BEST - MARGIN


def test_the_same_scores_differ_by_nothing() -> None:
    small = table(3)
    scores = small.scored(BEST, 1)
    assert compare(scores, scores, small.rows, MARGIN) == Paired(0.0, 0.0, 0.025, MARGIN)


def test_equal_input_gives_equal_numbers() -> None:
    small = table(3)
    scores = small.scored(BEST, 1), small.scored(BEST, 2)
    assert compare(*scores, small.rows, MARGIN) == compare(*scores, small.rows, MARGIN)


def test_each_further_test_asks_for_more() -> None:
    found = [Paired(0.0, 0.001, 0.025 / tests, MARGIN).at_least for tests in range(1, 51)]
    assert found == sorted(found, reverse=True)
    assert found[0] > -MARGIN / 2


def test_signs_of_life_are_given_while_rows_are_resampled() -> None:
    small, beats = table(3), [0]
    told = replace(small.rows, beat=lambda: beats.append(beats[-1] + 1))
    scores = small.scored(BEST, 1), small.scored(BEST, 2)
    assert compare(*scores, told, MARGIN) == compare(*scores, small.rows, MARGIN)
    assert beats[-1] >= RESAMPLES * len(told.who) // BLOCK
