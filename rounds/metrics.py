"""How good a score is: every metric as a function of counts by score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# The groups of the expected calibration error, tenths as clinicians know them: more of them show more noise than error.
BINS = 10
# A score of exactly 0 or 1 that is wrong would cost infinitely much; scikit-learn clips at the same distance.
CLIP = 2.0**-52


@dataclass(frozen=True)
class Scale:
    """The distinct scores of a table from high to low, how many rows have each, and what each costs when wrong."""

    scores: Floats
    rows: Floats

    @cached_property
    def squares(self) -> tuple[Floats, Floats]:
        """The squared distance to an outcome, and to none."""
        return (1 - self.scores) ** 2, self.scores**2

    @cached_property
    def surprises(self) -> tuple[Floats, Floats]:
        """The surprise at an outcome, and at none, in nats."""
        clipped = np.clip(self.scores, CLIP, 1 - CLIP).tolist()
        # numpy's logarithm differs in the last digit between processors, the standard library's does not.
        return np.array([-math.log(score) for score in clipped]), np.array([-math.log1p(-score) for score in clipped])

    @cached_property
    def bins(self) -> NDArray[np.intp]:
        """Where each group of equal size begins; rows of one score are never parted."""
        before = np.cumsum(self.rows) - self.rows
        group = np.floor(before * BINS / self.rows.sum())
        return np.flatnonzero(np.diff(group, prepend=-1.0))


@dataclass(frozen=True)
class Tally:
    """Rows counted by score: how many of each score had the outcome and how many had not.

    The counts are whole numbers kept as floats: sums are exact.
    """

    scale: Scale
    positives: Floats
    negatives: Floats

    @cached_property
    def caught(self) -> Floats:
        """Rows with the outcome that score at least this high."""
        return np.cumsum(self.positives)

    @cached_property
    def disturbed(self) -> Floats:
        """Rows without the outcome that score at least this high."""
        return np.cumsum(self.negatives)

    @property
    def positive(self) -> Floats:
        return self.caught[..., -1]

    @property
    def negative(self) -> Floats:
        return self.disturbed[..., -1]

    @property
    def rows(self) -> Floats:
        return self.positive + self.negative


@dataclass(frozen=True)
class Operation:
    """How the score is used: rows at or above the threshold are called, and a share of all rows can be."""

    threshold: float
    capacity: float


def tally(scores: Floats, outcome: NDArray[np.integer]) -> Tally:
    """Count a table's rows by score."""
    distinct, where = np.unique(-scores, return_inverse=True)
    positives = np.bincount(where[outcome == 1], minlength=len(distinct))
    negatives = np.bincount(where[outcome == 0], minlength=len(distinct))
    scale = Scale(-distinct, (positives + negatives).astype(np.float64))
    return Tally(scale, positives.astype(np.float64), negatives.astype(np.float64))


def ratio(part: Floats, whole: Floats) -> Floats:
    """A share, and not a number where there is nothing to have a share of."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def roc_auc(counted: Tally) -> Floats:
    """The chance that a row with the outcome scores higher than one without; a tie counts half."""
    pairs = counted.negatives * (2 * counted.caught - counted.positives)
    return ratio(pairs.sum(), 2 * counted.positive * counted.negative)


def pr_auc(counted: Tally) -> Floats:
    """Average precision: the precision at each score, weighted by the recall gained there."""
    precision = ratio(counted.caught, counted.caught + counted.disturbed)
    gained = np.where(counted.positives > 0, counted.positives * precision, 0.0)
    return ratio(gained.sum(), counted.positive)


def brier(counted: Tally) -> Floats:
    """The mean squared distance between score and outcome."""
    return _mean_loss(counted, counted.scale.squares)


def log_loss(counted: Tally) -> Floats:
    """The mean surprise at the outcome, in nats."""
    return _mean_loss(counted, counted.scale.surprises)


def _mean_loss(counted: Tally, costs: tuple[Floats, Floats]) -> Floats:
    losses = counted.positives * costs[0] + counted.negatives * costs[1]
    return ratio(losses.sum(), counted.rows)


def ece(counted: Tally) -> Floats:
    """Expected calibration error: in groups of like scores and equal size, how far the mean outcome lies from the
    mean score; the mean of these distances, weighted by the rows of the group.
    """
    total: Floats = np.abs(calibration_gaps(counted)).sum()
    return total


def calibration_gaps(counted: Tally) -> Floats:
    """Of each group of like scores: outcomes less scores, summed, as a share of all rows."""
    off = counted.positives - (counted.positives + counted.negatives) * counted.scale.scores
    sums = np.add.reduceat(off, counted.scale.bins)
    return ratio(sums, np.broadcast_to(counted.rows, sums.shape))


def called(counted: Tally, threshold: float) -> tuple[Floats, Floats]:
    """Rows at or above the threshold, with the outcome and without."""
    last = int(np.searchsorted(-counted.scale.scores, -threshold, side="right")) - 1
    if last < 0:
        return np.zeros_like(counted.positive), np.zeros_like(counted.negative)
    return counted.caught[..., last], counted.disturbed[..., last]


def f1(counted: Tally, threshold: float) -> Floats:
    """The harmonic mean of precision and recall of calling at the threshold; 0 where nobody is called rightly."""
    caught, disturbed = called(counted, threshold)
    return ratio(2 * caught, caught + disturbed + counted.positive)


def accuracy(counted: Tally, threshold: float) -> Floats:
    """The share of rows rightly called or rightly left alone."""
    caught, disturbed = called(counted, threshold)
    return ratio(caught + counted.negative - disturbed, counted.rows)


def net_benefit(counted: Tally, threshold: float) -> Floats:
    """Outcomes caught a row, less the vain calls at the price that the threshold puts on one."""
    caught, disturbed = called(counted, threshold)
    return ratio(caught - disturbed * (threshold / (1 - threshold)), counted.rows)


def caught_within(counted: Tally, shares: Floats) -> Floats:
    """Rows with the outcome among the highest scores that make up each of these shares of all rows.

    The last tie is shared in proportion: its rows are called at random.
    """
    so_far = counted.caught + counted.disturbed
    room = so_far[-1] * shares
    at = np.minimum(np.searchsorted(so_far, room), len(so_far) - 1)
    beyond = np.maximum(so_far[at] - room, 0.0)
    last = ratio(beyond, counted.positives[at] + counted.negatives[at])
    return np.asarray(counted.caught[at] - counted.positives[at] * last)


def recalls(counted: Tally, shares: Floats) -> Floats:
    """The recall at each of several capacities."""
    found = caught_within(counted, shares)
    return ratio(found, np.broadcast_to(counted.positive, found.shape))


def precision_at_capacity(counted: Tally, capacity: float) -> Floats:
    """The share with the outcome among those called, when the highest scores are called as far as capacity goes."""
    return ratio(caught_within(counted, np.array([capacity]))[0], capacity * counted.rows)


def recall_at_capacity(counted: Tally, capacity: float) -> Floats:
    """The share of all with the outcome that are among those called, when capacity decides how many are."""
    return recalls(counted, np.array([capacity]))[..., 0]


Metric = Callable[[Tally, Operation], "Floats"]

METRICS: Mapping[str, Metric] = {
    "auc": lambda counted, _: roc_auc(counted),
    "pr_auc": lambda counted, _: pr_auc(counted),
    "f1": lambda counted, use: f1(counted, use.threshold),
    "accuracy": lambda counted, use: accuracy(counted, use.threshold),
    "brier": lambda counted, _: brier(counted),
    "log_loss": lambda counted, _: log_loss(counted),
    "ece": lambda counted, _: ece(counted),
    "precision_at_capacity": lambda counted, use: precision_at_capacity(counted, use.capacity),
    "recall_at_capacity": lambda counted, use: recall_at_capacity(counted, use.capacity),
    "net_benefit": lambda counted, use: net_benefit(counted, use.threshold),
}
