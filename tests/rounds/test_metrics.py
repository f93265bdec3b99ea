"""The metrics against scikit-learn, and against their definitions in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from rounds import metrics
from rounds.metrics import BINS, METRICS, Operation, tally

TABLES = {"distinct": (3000, 12), "tied": (3000, 2), "a few scores": (400, 1), "tiny": (12, 12)}


def table(rows: int, digits: int, seed: int = 5) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    scores = np.round(generator.beta(1.2, 4, rows), digits)
    outcome = (generator.random(rows) < scores).astype(np.int64)
    outcome[:2] = 0, 1
    return scores, outcome


@pytest.mark.parametrize("name", TABLES)
def test_metrics_are_those_of_scikit_learn(name: str) -> None:
    scores, outcome = table(*TABLES[name])
    counted, called = tally(scores, outcome), scores >= 0.3
    pairs = {
        "auc": (metrics.roc_auc(counted), sklearn.roc_auc_score(outcome, scores)),
        "pr_auc": (metrics.pr_auc(counted), sklearn.average_precision_score(outcome, scores)),
        "brier": (metrics.brier(counted), sklearn.brier_score_loss(outcome, scores)),
        "log_loss": (metrics.log_loss(counted), sklearn.log_loss(outcome, scores)),
        "f1": (metrics.f1(counted, 0.3), sklearn.f1_score(outcome, called)),
        "accuracy": (metrics.accuracy(counted, 0.3), sklearn.accuracy_score(outcome, called)),
    }
    for metric, (ours, theirs) in pairs.items():
        assert float(ours) == pytest.approx(float(theirs), abs=1e-12), metric


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=60))
def test_roc_auc_is_the_share_of_pairs_ranked_rightly(rows: list[tuple[int, bool]]) -> None:
    scores, outcome = np.array([float(score) for score, _ in rows]), np.array([int(had) for _, had in rows])
    pairs = [(mine, other) for mine, had in rows if had for other, happened in rows if not happened]
    ours = float(metrics.roc_auc(tally(scores, outcome)))
    if not pairs:
        assert np.isnan(ours)
    else:
        wins = sum(1.0 if mine > other else 0.5 if mine == other else 0.0 for mine, other in pairs)
        assert ours == pytest.approx(wins / len(pairs), abs=1e-12)


def test_a_certain_and_wrong_score_costs_much_but_not_everything() -> None:
    assert float(metrics.log_loss(tally(np.array([0.0, 1.0]), np.array([1, 0])))) == pytest.approx(36.04, abs=0.01)


def test_calibration_error_is_the_mean_distance_in_tenths_of_the_rows() -> None:
    scores, outcome = table(1000, 12)
    order = np.argsort(-scores)
    tenths = np.array_split(order, BINS)
    distance = [abs(outcome[rows].mean() - scores[rows].mean()) for rows in tenths]
    assert float(metrics.ece(tally(scores, outcome))) == pytest.approx(float(np.mean(distance)), abs=1e-12)


def test_calibration_error_never_parts_rows_of_one_score() -> None:
    scores = np.array([0.2] * 50 + [0.6] * 50)
    outcome = np.array([1] * 10 + [0] * 40 + [1] * 40 + [0] * 10)
    assert float(metrics.ece(tally(scores, outcome))) == pytest.approx(0.1, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_capacity_takes_the_highest_scores_and_shares_the_last_tie(rows: list[tuple[int, bool]], share: float) -> None:
    room = share * len(rows)
    found = 0.0
    for score in sorted({score for score, _ in rows}, reverse=True):
        tied = [had for other, had in rows if other == score]
        taken = min(room, len(tied))
        found, room = found + taken * sum(tied) / len(tied), room - taken
    counted = tally(np.array([float(score) for score, _ in rows]), np.array([int(had) for _, had in rows]))
    assert float(metrics.caught_within(counted, np.array([share]))[0]) == pytest.approx(found, abs=1e-9)
    assert float(metrics.precision_at_capacity(counted, share)) == pytest.approx(found / (share * len(rows)), abs=1e-9)


def test_net_benefit_prices_a_vain_call_by_the_threshold() -> None:
    counted = tally(np.array([0.9, 0.8, 0.7, 0.1]), np.array([1, 0, 1, 0]))
    assert float(metrics.net_benefit(counted, 0.5)) == pytest.approx((2 - 1) / 4)
    assert float(metrics.net_benefit(counted, 0.2)) == pytest.approx((2 - 1 * 0.25) / 4)
    assert float(metrics.net_benefit(counted, 0.95)) == 0.0


def test_the_order_of_rows_changes_nothing() -> None:
    scores, outcome = table(2000, 2)
    order = np.random.default_rng(1).permutation(len(scores))
    use = Operation(0.3, 0.1)
    for name, metric in METRICS.items():
        here, there = (
            float(metric(counted, use)) for counted in (tally(scores, outcome), _shuffled(scores, outcome, order))
        )
        assert here == there, name


def _shuffled(scores: Any, outcome: Any, order: Any) -> metrics.Tally:
    return tally(scores[order], outcome[order])


def test_without_outcomes_a_ranking_is_not_a_number() -> None:
    counted = tally(np.array([0.1, 0.2]), np.array([0, 0]))
    assert np.isnan(metrics.roc_auc(counted)) and np.isnan(metrics.pr_auc(counted))
    assert float(metrics.accuracy(counted, 0.5)) == 1.0
