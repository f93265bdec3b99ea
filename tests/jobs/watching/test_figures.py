"""Weighted figures equal scikit-learn's, and their intervals those of patients drawn again and again."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from jobs.watching.figures import Answers, auc, brier, ece, observed_over_expected
from rounds.clusters import Clusters
from rounds.metrics import ece as plain_ece
from rounds.metrics import roc_auc, tally


def answers(seed: int = 1, patients: int = 300, ties: int = 40) -> Answers:
    draw = np.random.Generator(np.random.PCG64(seed))
    who = np.repeat(np.arange(patients), 3)
    score = np.round(draw.beta(2, 5, patients)[who] * ties) / ties * 0.9 + 0.05
    happened = (draw.random(len(who)) < score).astype(np.float64)
    return Answers(score, happened, np.ones(len(who)), Clusters.of(who, np.arange(len(who)) % 20))


def test_weighted_figures_are_scikit_learns() -> None:
    plain = answers()
    weight = np.random.Generator(np.random.PCG64(2)).integers(1, 9, len(plain.score)).astype(np.float64)
    found = Answers(plain.score, plain.happened, weight, plain.clusters)
    area = auc(found)
    assert area is not None
    assert area.value == pytest.approx(roc_auc_score(found.happened, found.score, sample_weight=weight))
    wanted = brier_score_loss(found.happened, found.score, sample_weight=weight)
    assert brier(found).value == pytest.approx(wanted)
    assert ece(plain, 7).value == pytest.approx(float(plain_ece(tally(plain.score, plain.happened.astype(int)))))


def test_a_row_of_weight_three_is_three_rows() -> None:
    plain = answers()
    weight = np.where(np.arange(len(plain.score)) % 5 == 0, 3, 1)
    heavy = Answers(plain.score, plain.happened, weight.astype(np.float64), plain.clusters)
    clusters = Clusters(np.repeat(plain.clusters.who, weight), np.repeat(plain.clusters.day, weight))
    columns = (np.repeat(each, weight) for each in (plain.score, plain.happened, plain.weight))
    often = Answers(*columns, clusters)
    for figure in (auc, brier, observed_over_expected):
        one, other = figure(heavy), figure(often)
        assert one is not None and other is not None
        assert (one.value, one.error.whole) == pytest.approx((other.value, other.error.whole))
    assert heavy.effective < len(heavy.score)


def test_the_interval_is_that_of_resampled_patients() -> None:
    """Where days do not differ."""
    plain = answers(patients=600)
    outcome, draw, drawn = plain.happened.astype(np.int64), np.random.default_rng(7), []
    for _ in range(1000):
        rows = (3 * draw.integers(0, 600, 600)[:, None] + np.arange(3)).ravel()
        drawn.append(float(roc_auc(tally(plain.score[rows], outcome[rows]))))
    low, high = np.quantile(drawn, [0.025, 0.975])
    area = auc(plain)
    assert area is not None
    found = area.share()
    whole = float(roc_auc(tally(plain.score, outcome)))
    assert (found.low, found.value, found.high) == pytest.approx((low, whole, high), abs=0.006)


def test_what_scores_promise_is_what_happens_where_they_are_calibrated() -> None:
    found = answers(patients=20000, ties=1000)
    promised, realised = auc(found.promised()), auc(found)
    assert promised is not None and realised is not None
    apart = realised - promised
    assert abs(apart.value) < 3 * apart.error.whole < 0.02
    assert brier(found.promised()).value == pytest.approx(brier(found).value, abs=0.003)


def test_one_outcome_alone_has_no_area() -> None:
    found = answers()
    assert auc(Answers(found.score, np.zeros(len(found.score)), found.weight, found.clusters)) is None
    assert auc(found.of(found.score > 2)) is None
