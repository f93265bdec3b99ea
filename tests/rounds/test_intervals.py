"""Do 95% intervals cover the truth at least 93% of the time?  Asked of many small tables whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rounds import intervals, pulls
from rounds.clusters import Clusters
from rounds.intervals import Measured, measure
from rounds.metrics import METRICS, Operation, Scale, Tally

USE = Operation(threshold=0.4, capacity=0.1)
TABLES, PATIENTS, SEED = 400, 600, 7
WORLDS = {  # days of a table, and how far the days differ (log odds)
    "8 days that differ": (8, 0.4),
    "8 days alike": (8, 0.0),
    "30 days that differ": (30, 0.4),
    "30 days alike": (30, 0.0),
}
NAMES = tuple(measure(np.array([0.2, 0.8]), np.array([0, 1]), Clusters.of(np.arange(2), np.arange(2)), USE, 1).values)


def simulated(generator: Any, patients: int, days: int, differ: float) -> tuple[Any, Any, Any, Any]:
    """Patients with visits of their own kind on days of their own kind, and a score that says a little too much."""
    visits = np.minimum(generator.geometric(0.6, patients), 30)
    who = np.repeat(np.arange(patients), visits)
    day = generator.integers(0, days, len(who))
    seen = 0.6 * generator.normal(size=patients)[who] + 0.8 * generator.normal(size=len(who))
    hidden = generator.normal(size=patients)[who] * 0.6 + differ * generator.normal(size=days)[day]
    chance = 1 / (1 + np.exp(1.6 - 0.8 * seen - hidden))
    scores = 1 / (1 + np.exp(1.3 - 0.75 * seen))
    return scores, (generator.random(len(who)) < chance).astype(np.int64), who, day


def measured(generator: Any, days: int, differ: float) -> Measured:
    scores, outcome, who, day = simulated(generator, PATIENTS, days, differ)
    return measure(scores, outcome, Clusters.of(who, day), USE, seed=1)


def truth(differ: float) -> dict[str, float]:
    """The figures of a million visits on many days."""
    scores, outcome, who, day = simulated(np.random.default_rng((SEED, 10**6)), 800_000, 20_000, differ)
    return dict(measure(scores, outcome, Clusters.of(who, day), USE, seed=1).values)


def covered(days: int, differ: float, tables: int = TABLES) -> Iterator[dict[str, bool]]:
    true = truth(differ)
    for number in range(tables):
        found = measured(np.random.default_rng((SEED, number)), days, differ).estimates()
        yield {name: figure.low <= true[name] <= figure.high for name, figure in found.items()}


@pytest.mark.parametrize("world", WORLDS)
def test_intervals_cover_the_truth_as_often_as_they_say(world: str) -> None:
    tables = list(covered(*WORLDS[world]))
    coverage = {name: float(np.mean([table[name] for table in tables])) for name in NAMES}
    assert {name: share for name, share in coverage.items() if share < 0.93} == {}


def test_intervals_by_patients_alone_would_not_cover_where_days_differ() -> None:
    figure, true, hits = "observed_over_expected", truth(1.0)["observed_over_expected"], []
    for number in range(200):
        whole = measured(np.random.default_rng((SEED, number)), 30, 1.0)
        by_patient = np.bincount(whole.clusters.who, whole.pulls[figure])
        reach = intervals.NORMAL * float(np.sqrt((by_patient**2).sum()))
        found = intervals.ratio(whole.values[figure], reach)
        hits.append(found.low <= true <= found.high)
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
