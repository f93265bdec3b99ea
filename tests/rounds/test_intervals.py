"""Do 95% intervals cover the truth in 93 to 97% of tables?  Asked of 500 small ones whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rounds import intervals
from rounds.intervals import resample
from rounds.metrics import METRICS, Operation, tally

USE = Operation(threshold=0.4, capacity=0.1)
TABLES, PATIENTS, RESAMPLES, SEED = 500, 600, 200, 7


def simulated(generator: Any, patients: int) -> tuple[Any, Any, Any]:
    """Patients with visits of their own kind and a score that says a little too much: the rows are not independent."""
    visits = np.minimum(generator.geometric(0.6, patients), 30)
    who = np.repeat(np.arange(patients), visits)
    seen = 0.6 * generator.normal(size=patients)[who] + 0.8 * generator.normal(size=len(who))
    hidden = generator.normal(size=patients)[who]
    chance = 1 / (1 + np.exp(1.6 - 0.8 * seen - 0.6 * hidden))
    scores = 1 / (1 + np.exp(1.3 - 0.75 * seen))
    return scores, (generator.random(len(who)) < chance).astype(np.int64), who


def truth() -> dict[str, float]:
    counted = [tally(*simulated(np.random.default_rng((SEED, 10**6 + i)), 500_000)[:2]) for i in range(3)]
    return {name: float(np.mean([metric(one, USE) for one in counted])) for name, metric in METRICS.items()}


def covered() -> Iterator[dict[str, bool]]:
    true = truth()
    for i in range(TABLES):
        scores, outcome, who = simulated(np.random.default_rng((SEED, i)), PATIENTS)
        found = resample(scores, outcome, who, USE, RESAMPLES, seed=i).estimates()
        yield {name: figure.low <= true[name] <= figure.high for name, figure in found.items()}


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    tables = list(covered())
    coverage = {name: float(np.mean([table[name] for table in tables])) for name in METRICS}
    assert {name: share for name, share in coverage.items() if not 0.93 <= share <= 0.97} == {}


def test_a_perfect_score_may_have_no_calibration_error_at_all() -> None:
    generator = np.random.default_rng(2)
    reached = 0
    for i in range(60):
        scores = generator.beta(1, 4, 1000)
        outcome = (generator.random(1000) < scores).astype(np.int64)
        reached += resample(scores, outcome, np.arange(1000), USE, 200, seed=i).estimate("ece").low == 0.0
    assert reached >= 54


def test_at_the_ends_of_a_scale_the_resamples_speak() -> None:
    found = intervals.share(0.0, np.array([0.0] * 97 + [0.1] * 3), nearest=0.01)
    assert (found.low, found.value) == (0.0, 0.0) and found.high == pytest.approx(0.1)
    nothing = intervals.share(float("nan"), np.array([float("nan")]), nearest=0.01)
    assert np.isnan(nothing.low) and np.isnan(nothing.high)


def test_an_interval_of_a_share_stays_within_0_and_1() -> None:
    drawn = np.clip(np.random.default_rng(1).normal(0.97, 0.05, 500), 0, 1)
    found = intervals.share(0.97, drawn, nearest=0.001)
    assert 0 < found.low < 0.97 < found.high < 1
