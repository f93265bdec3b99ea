"""How often a year in which nothing changes asks for a retrain, and for whom the uncalled stand."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from jobs.monitor import of_one_look
from jobs.watching.weights import weigh
from rounds.watched import Collect, Monitor

YEARS = 4000


def alarms(wrong_look: float, days: int) -> float:
    """The share of still years in which either of two figures, looked at each day over so many days, seems worse."""
    reach = NormalDist().inv_cdf(1 - wrong_look / 2)
    noise = np.random.default_rng(5).normal(size=(YEARS, 2, 365 + days)).astype(np.float32)
    sums = np.cumsum(noise, axis=2)
    means = (sums[:, :, days:] - sums[:, :, :-days]) / np.sqrt(days)
    return float((means > reach).any(axis=(1, 2)).mean())


def test_false_retrains_are_set_by_the_year() -> None:
    monitor = Monitor()
    for days in (28, 60, 90):
        collect = Collect(days=days, window=7, windows=4)
        assert alarms(of_one_look(monitor, collect), days) <= monitor.false_retrains + 0.004
    assert alarms(monitor.false_alarms, 60) > 0.08, "by the look it was far more than asked"


def test_the_share_of_the_called_for_whom_somebody_stands_is_told() -> None:
    """Half of the called were called for certain but for the record, so nobody like them was left."""
    known, no = np.ones(2000, bool), np.zeros(2000, bool)
    acted = np.arange(2000) < 1000
    chance = np.where(acted, 0.99, 0.5)
    chance[1600:] = 1.0
    found = weigh(known, acted, no, chance)
    assert found.method == "inverse probability"
    assert found.represented == 0.6 and "stand for 60% of those who were called" in found.says
    assert "Nobody stands for the others" in found.says
    whole = weigh(known, acted, no, np.where(acted, 0.5, 0.5))
    assert whole.represented == 1.0 and "Nobody stands" not in whole.says
    assert weigh(known, no, no, chance).represented == 1.0
