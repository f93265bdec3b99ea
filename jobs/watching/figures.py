"""How well a score did, weighted, and how sure that is: each row's pull on a figure, over whole patients and days.

No resampling: the pulls (the figure's influence function) give the same error as drawing patients again and again,
in one pass, also of a difference between two figures on the same rows, and a million rows take a second.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rounds import intervals
from rounds.clusters import Clusters, Error
from rounds.intervals import Estimate
from rounds.metrics import BINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """Row by row: the score, what happened (0, 1, or the chance of it), for how many rows it stands, and whose it is
    on which day.
    """

    score: Floats
    happened: Floats
    weight: Floats
    clusters: Clusters

    def of(self, rows: Flags) -> Answers:
        return Answers(self.score[rows], self.happened[rows], self.weight[rows], self.clusters.part(rows))

    def promised(self) -> Answers:
        """The same rows, if each happened as often as its score says."""
        return replace(self, happened=self.score)

    @cached_property
    def total(self) -> float:
        return float(self.weight.sum())

    @property
    def effective(self) -> int:
        """How many rows of equal weight would say as much (Kish)."""
        return round(self.total**2 / float((self.weight**2).sum())) if self.total else 0

    @cached_property
    def rarer(self) -> int:
        """How many rows are of the rarer outcome."""
        having = int((self.happened > 0.5).sum())
        return min(having, len(self.happened) - having)


@dataclass(frozen=True)
class Figure:
    """A figure, and how far each row pulls it from what it would be without it."""

    value: float
    pulls: Floats
    answers: Answers

    def __sub__(self, other: Figure) -> Figure:
        return Figure(self.value - other.value, self.pulls - other.pulls, self.answers)

    @cached_property
    def error(self) -> Error:
        return self.answers.clusters.error(self.pulls)

    def share(self) -> Estimate:
        """The 95% interval of a share."""
        return intervals.share(self.value, self.error.reach(), self.answers.rarer)

    def ratio(self) -> Estimate:
        """The 95% interval of a ratio."""
        return intervals.ratio(self.value, self.error.reach())


def auc(answers: Answers) -> Figure | None:
    """The chance that a row with the outcome scores higher than one without; none where one of the two is missing."""
    order = np.argsort(answers.score, kind="stable")
    score = answers.score[order]
    having = (answers.weight * answers.happened)[order]
    lacking = (answers.weight * (1 - answers.happened))[order]
    with_outcome, without = float(having.sum()), float(lacking.sum())
    if not (with_outcome > 0 and without > 0):
        return None
    tie = np.cumsum(np.diff(score, prepend=-np.inf) > 0) - 1
    below, above = (np.bincount(tie, weights=mass) for mass in (lacking, having))
    beaten = ((np.cumsum(below) - below / 2) / without)[tie]
    beating = ((with_outcome - np.cumsum(above) + above / 2) / with_outcome)[tie]
    value = float((having * beaten).sum()) / with_outcome
    pulls = np.empty(len(order))
    pulls[order] = having / with_outcome * (beaten - value) + lacking / without * (beating - value)
    return Figure(value, pulls, answers)


def brier(answers: Answers) -> Figure:
    """The mean squared distance between score and outcome."""
    losses = answers.score**2 - 2 * answers.score * answers.happened + answers.happened
    return mean(answers, losses)


def mean(answers: Answers, values: Floats, around: float | None = None) -> Figure:
    """The pulls are from the mean itself, or from what is held to be the truth: of few patients these are surer."""
    found = float((answers.weight * values).sum()) / answers.total
    centre = found if around is None else around
    return Figure(found, answers.weight * (values - centre) / answers.total, answers)


def observed_over_expected(answers: Answers) -> Figure:
    """How often it happened, as a multiple of how often the scores said it would."""
    expected = float((answers.weight * answers.score).sum())
    value = float((answers.weight * answers.happened).sum()) / expected
    return Figure(value, answers.weight * (answers.happened - value * answers.score) / expected, answers)


def ece(answers: Answers, seed: int) -> Estimate:
    """Expected calibration error, in groups of like scores and equal weight; chance is taken out of its interval."""
    group = groups(answers)
    off = answers.weight * (answers.happened - answers.score) / answers.total
    gaps: Floats = np.bincount(group, weights=off).astype(np.float64)
    pulls = np.zeros((len(group), len(gaps)))
    pulls[np.arange(len(group)), group] = off
    pulls -= gaps * (answers.weight / answers.total)[:, None]
    ends = intervals.calibration_interval(gaps, pulls, answers.clusters, seed)
    return Estimate(float(np.abs(gaps).sum()), *ends)


def groups(answers: Answers) -> Integers:
    """The group of each row, from high scores to low; rows of one score are never parted."""
    distinct, tie = np.unique(-answers.score, return_inverse=True)
    weight = np.bincount(tie, weights=answers.weight, minlength=len(distinct))
    before = np.cumsum(weight) - weight
    tenth = np.minimum(np.floor(before * BINS / weight.sum()), BINS - 1)
    return np.asarray(np.unique(tenth, return_inverse=True)[1][tie])
