"""How well a score did, weighted, and how sure that is: each row's pull on a figure, summed over whole patients.

No resampling: the pulls (the figure's influence function) give the same error as drawing patients again and again,
in one pass, also of a difference between two figures on the same rows, and a million rows take a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rounds.intervals import NORMAL, Estimate, calibration_error
from rounds.metrics import BINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]
    Flags = NDArray[np.bool_]

RIDGE = 1e-18  # on the diagonal of a covariance: a group that never varies has none
DRAWS = 1000


@dataclass(frozen=True)
class Answers:
    """Row by row: the score, what happened (0, 1, or the chance of it), for how many rows it stands, and whose it is.

    `who` numbers the patients from 0.
    """

    score: Floats
    happened: Floats
    weight: Floats
    who: Integers

    def of(self, rows: Flags) -> Answers:
        return Answers(self.score[rows], self.happened[rows], self.weight[rows], self.who[rows])

    def promised(self) -> Answers:
        """The same rows, if each happened as often as its score says."""
        return Answers(self.score, self.score, self.weight, self.who)

    @cached_property
    def total(self) -> float:
        return float(self.weight.sum())

    @cached_property
    def patients(self) -> int:
        return len(np.unique(self.who))

    @property
    def effective(self) -> int:
        """How many rows of equal weight would say as much (Kish)."""
        return round(self.total**2 / float((self.weight**2).sum())) if self.total else 0


@dataclass(frozen=True)
class Figure:
    """A figure, and how far each patient pulls it from what it would be without them."""

    value: float
    pulls: Floats

    def __sub__(self, other: Figure) -> Figure:
        return Figure(self.value - other.value, self.pulls - other.pulls)

    @property
    def error(self) -> float:
        patients = np.count_nonzero(self.pulls)
        return math.sqrt(float((self.pulls**2).sum()) * patients / (patients - 1)) if patients > 1 else math.nan

    def share(self) -> Estimate:
        """The 95% interval of a share, on the scale of log odds."""
        if not 0 < self.value < 1:
            return Estimate(self.value, math.nan, math.nan)
        centre = math.log(self.value / (1 - self.value))
        reach = NORMAL * self.error / (self.value * (1 - self.value))
        low, high = (1 / (1 + math.exp(-centre - end)) for end in (-reach, reach))
        return Estimate(self.value, low, high)

    def ratio(self) -> Estimate:
        """The 95% interval of a ratio, on the scale of its logarithm."""
        if not self.value > 0:
            return Estimate(self.value, math.nan, math.nan)
        factor = math.exp(NORMAL * self.error / self.value)
        return Estimate(self.value, self.value / factor, self.value * factor)


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
    return _figure(value, pulls, answers)


def brier(answers: Answers) -> Figure:
    """The mean squared distance between score and outcome."""
    losses = answers.score**2 - 2 * answers.score * answers.happened + answers.happened
    return mean(answers, losses)


def mean(answers: Answers, values: Floats, around: float | None = None) -> Figure:
    """The pulls are from the mean itself, or from what is held to be the truth: of few patients these are surer."""
    found = float((answers.weight * values).sum()) / answers.total
    centre = found if around is None else around
    return _figure(found, answers.weight * (values - centre) / answers.total, answers)


def observed_over_expected(answers: Answers) -> Figure:
    """How often it happened, as a multiple of how often the scores said it would."""
    expected = float((answers.weight * answers.score).sum())
    value = float((answers.weight * answers.happened).sum()) / expected
    return _figure(value, answers.weight * (answers.happened - value * answers.score) / expected, answers)


def ece(answers: Answers, seed: int) -> Estimate:
    """Expected calibration error, in groups of like scores and equal weight; chance is taken out of its interval."""
    group = groups(answers)
    off = answers.weight * (answers.happened - answers.score) / answers.total
    gaps: Floats = np.bincount(group, weights=off).astype(np.float64)
    share = answers.weight / answers.total
    pulls = [
        _by_patient(np.where(group == at, off, 0.0) - gap * share, answers) for at, gap in enumerate(gaps.tolist())
    ]
    covariance = np.array([[float((one * other).sum()) for other in pulls] for one in pulls])
    root = np.linalg.cholesky(covariance + RIDGE * np.eye(len(pulls)))
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal((DRAWS, len(pulls))) @ root.T
    return Estimate(float(np.abs(gaps).sum()), *calibration_error(gaps, gaps + noise))


def groups(answers: Answers) -> Integers:
    """The group of each row, from high scores to low; rows of one score are never parted."""
    distinct, tie = np.unique(-answers.score, return_inverse=True)
    weight = np.bincount(tie, weights=answers.weight, minlength=len(distinct))
    before = np.cumsum(weight) - weight
    tenth = np.minimum(np.floor(before * BINS / weight.sum()), BINS - 1)
    return np.asarray(np.unique(tenth, return_inverse=True)[1][tie])


def _figure(value: float, pulls: Floats, answers: Answers) -> Figure:
    return Figure(value, _by_patient(pulls, answers))


def _by_patient(pulls: Floats, answers: Answers) -> Floats:
    return np.bincount(answers.who, weights=pulls).astype(np.float64)
