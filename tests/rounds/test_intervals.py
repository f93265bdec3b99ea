"""Intervals from pulls: what they are made of, and what they say at the ends of their scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.simulated.coverage import PATIENTS, SEED, table, truth
from rounds import intervals, pulls
from rounds.clusters import Clusters
from rounds.intervals import measure
from rounds.metrics import METRICS, Operation, Scale, Tally

USE = Operation(threshold=0.4, capacity=0.1)


def test_intervals_by_patients_alone_would_not_cover_where_days_differ() -> None:
    figure, (true, _), hits = "observed_over_expected", truth(1.0), []
    for number in range(200):
        one = table((SEED, number), PATIENTS, 30, 1.0)
        whole = one.measured(one.scores)
        reach = intervals.NORMAL * whole.clusters.error(whole.pulls[figure]).patients
        found = intervals.ratio(whole.values[figure], reach)
        hits.append(found.low <= true[figure] <= found.high)
    assert np.mean(hits) < 0.9


def test_a_perfect_score_may_have_no_calibration_error_at_all() -> None:
    generator = np.random.default_rng(2)
    clusters = Clusters.of(np.arange(1000), np.zeros(1000, np.int64))
    reached = 0
    for _ in range(60):
        scores = generator.beta(1, 4, 1000)
        outcome = (generator.random(1000) < scores).astype(np.int64)
        reached += measure(scores, outcome, clusters, USE, 1).estimate("ece").low == 0.0
    assert reached >= 54


def test_at_the_ends_of_a_scale_the_number_of_rows_speaks() -> None:
    perfect = intervals.share(1.0, 0.0, rarer=100)
    assert (perfect.high, perfect.value) == (1.0, 1.0) and 0.96 < perfect.low < 0.97
    nothing = intervals.share(0.0, 0.0, rarer=100)
    assert nothing.low == 0.0 and nothing.high == pytest.approx(1 - perfect.low)
    unknown = intervals.share(float("nan"), 0.0, rarer=100)
    assert np.isnan(unknown.low) and np.isnan(unknown.high)


def test_an_interval_of_a_share_stays_within_0_and_1() -> None:
    found = intervals.share(0.97, 0.1, rarer=100)
    assert 0 < found.low < 0.97 < found.high < 1


def test_pulls_are_the_derivatives_of_the_figures() -> None:
    """Each row counted a little more moves a figure by its pull."""
    generator = np.random.default_rng(3)
    scores = np.round(generator.beta(1, 3, 120), 2)
    outcome = (generator.random(120) < scores).astype(np.int64)
    found = pulls.every(pulls.Table(scores, outcome.astype(float)), USE)
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(-scores[order], prepend=-np.inf))

    def tallied(weight: Any) -> Tally:
        positives = np.add.reduceat((weight * outcome)[order], starts)
        rows = np.add.reduceat(weight[order], starts)
        return Tally(Scale(scores[order][starts], rows), positives, rows - positives)

    little = 1e-6
    for name in ("auc", "pr_auc", "f1", "accuracy", "brier", "log_loss", "net_benefit"):
        before = METRICS[name](tallied(np.ones(120)), USE)
        for row in range(0, 120, 17):
            weight = np.ones(120)
            weight[row] += little
            moved = float(METRICS[name](tallied(weight), USE) - before) / little
            assert found[name][row] == pytest.approx(moved, abs=1e-6), (name, row)
