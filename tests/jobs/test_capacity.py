"""A capacity is a share of those who can be called: nobody phones for an appointment of the same day."""

from __future__ import annotations

import numpy as np

from jobs.judging.exam import Exam
from rounds.clusters import Clusters
from rounds.metrics import Operation


def exam(same_day_risk: float) -> Exam:
    """A thousand same-day bookings and a thousand later ones, the better half of which have the outcome."""
    generator = np.random.default_rng(1)
    can = np.arange(2000) >= 1000
    scores = np.where(can, generator.random(2000) * 0.5, same_day_risk)
    outcome = np.where(can, scores > 0.25, generator.random(2000) < 0.1).astype(np.int64)
    clusters = Clusters.of(np.arange(2000), np.arange(2000) % 20)
    return Exam(scores, outcome, clusters, can, Operation(0.4, 0.1), 1)


def test_same_day_bookings_take_no_place_in_the_capacity() -> None:
    low, high = (exam(risk).measured.estimates() for risk in (0.01, 0.9))
    assert low["precision_at_capacity"].value == 1.0
    assert high["precision_at_capacity"] == low["precision_at_capacity"]
    assert high["recall_at_capacity"] == low["recall_at_capacity"]
    assert 0.15 < low["recall_at_capacity"].low < low["recall_at_capacity"].value < 0.25
