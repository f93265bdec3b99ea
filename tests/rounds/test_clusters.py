"""Standard errors by patients and days, and the quantiles that belong to them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rounds.clusters import FEWEST_DAYS, Clusters, Error, account, caution, t_quantile, t_tail


@pytest.mark.parametrize("freedom", [7, 8, 29, 364])
def test_the_t_distribution_is_scipys(freedom: int) -> None:
    for far in (0.0, 0.5, 3.0, 8.0):
        assert t_tail(far, freedom) == pytest.approx(stats.t.sf(far, freedom), abs=1e-12)
    for risk in (0.025, 0.05 / 60, 1e-5):
        assert t_quantile(risk, freedom) == pytest.approx(stats.t.isf(risk, freedom), rel=1e-6)


@pytest.mark.parametrize("error", [Error(0.01), Error(0.01, 0.02, 9), Error(0.01, 0.0, 9)])
def test_a_tail_is_the_risk_of_so_far_a_bound(error: Error) -> None:
    for risk in (0.3, 0.025, 0.001):
        assert error.tail(error.bound(risk)) == pytest.approx(risk, rel=1e-6)
        assert error.tail(-error.bound(risk)) == pytest.approx(1 - risk, rel=1e-6)


def test_days_that_differ_widen_an_interval_and_never_narrow_it() -> None:
    draw = np.random.default_rng(1)
    who, day = np.arange(2000), draw.integers(0, 20, 2000)
    clusters = Clusters.of(who, day)
    alike, apart = draw.normal(size=2000), draw.normal(size=2000) + draw.normal(size=20)[day]
    alone = Clusters.of(who, np.zeros(2000, int))
    for pulls in (alike - alike.mean(), apart - apart.mean()):
        assert clusters.reach(pulls) >= alone.reach(pulls)
    assert clusters.reach(apart - apart.mean()) > 3 * alone.reach(apart - apart.mean())


def test_below_eight_days_there_is_a_sentence_and_no_part_of_days() -> None:
    pulls, who = np.tile([1.0, -1.0], 50), np.arange(100)
    few, enough = (Clusters.of(who, who % days).error(pulls) for days in (FEWEST_DAYS - 1, FEWEST_DAYS))
    assert few.freedom == 0 and enough.freedom == FEWEST_DAYS - 1
    assert "there are 7 days" in caution(7) == account(7)
    assert caution(8) == "" and account(8) == "The intervals account for patients and for the 8 days."
