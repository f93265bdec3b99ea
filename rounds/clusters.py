"""How sure a figure is where the rows of one patient, and the rows of one day, are alike.

Each row has a pull on a figure (its influence function). Sums of pulls over whole patients and over whole days give
the error without any resampling: the variance by patients, plus that by days, less that by both (Cameron, Gelbach and
Miller 2011). What days add has the t quantile of days minus one, and is never below 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]
    Flags = NDArray[np.bool_]

NORMAL = 1.959963984540054  # the 97.5% point of the normal curve
TAIL = 0.025  # on either side of a 95% interval
FEWEST_DAYS = 8  # below, nobody can see how days differ
HALVINGS = 50  # of the room in which a quantile lies


def caution(days: int) -> str:
    """What is to be said of intervals over so few days; empty where there are enough."""
    if days >= FEWEST_DAYS:
        return ""
    return (
        f"The intervals account for patients alone: there are {days} days, and below {FEWEST_DAYS} nobody can see "
        "how days differ, so they may be too narrow."
    )


def account(days: int) -> str:
    """What the intervals account for."""
    return caution(days) or f"The intervals account for patients and for the {days} days."


def normal_quantile(risk: float) -> float:
    return NormalDist().inv_cdf(1 - risk)


def t_tail(far: float, freedom: int) -> float:
    """The chance that a number of the t distribution lies above `far`, which is 0 or more (a finite sum)."""
    angle = math.atan2(far, math.sqrt(freedom))
    square, odd = math.cos(angle) ** 2, freedom % 2
    term, terms = math.cos(angle) if odd else 1.0, []
    for step in range(1, freedom // 2 + 1):
        terms.append(term)
        term *= square * (2 * step - 1 + odd) / (2 * step + odd)
    inside = math.sin(angle) * math.fsum(terms)
    return (1 - (2 / math.pi * (angle + inside) if odd else inside)) / 2


@cache
def t_quantile(risk: float, freedom: int) -> float:
    """What a number of the t distribution exceeds with this risk, which is below one half."""
    low = high = normal_quantile(risk)
    while t_tail(high, freedom) > risk:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, freedom) > risk else (low, middle)
    return high


@dataclass(frozen=True)
class Error:
    """The standard error of a figure by patients, and what days that differ add to it, in quadrature.

    `freedom` is the number of days less one, for the t quantile of the days' part; 0 where there are too few days.
    """

    patients: float
    days: float = 0.0
    freedom: int = 0

    @property
    def whole(self) -> float:
        return math.hypot(self.patients, self.days)

    def reach(self) -> float:
        """Half the width of the 95% interval: what days add has the t quantile, the rest the normal one."""
        alone = normal_quantile(TAIL) * self.patients
        return math.hypot(alone, t_quantile(TAIL, self.freedom) * self.days) if self.freedom else alone

    def bound(self, risk: float) -> float:
        """How far chance moves the figure to one side at a small risk, for decisions: all of it has the t quantile.

        Where few days happen to look alike, what they add is seen too small, and so far out that weighs most.
        """
        return (t_quantile(risk, self.freedom) if self.freedom else normal_quantile(risk)) * self.whole

    def tail(self, distance: float) -> float:
        """The chance that the figure lies at least so far above the truth; the risk of so far a bound."""
        if math.isnan(distance) or not self.whole > 0:
            return math.nan if math.isnan(distance) else 0.0 if distance > 0 else 1.0
        far = abs(distance) / self.whole
        beyond = t_tail(far, self.freedom) if self.freedom else NormalDist().cdf(-far)
        return beyond if distance > 0 else 1 - beyond


@dataclass(frozen=True)
class Clusters:
    """Whose each row is, and of which day; both numbered from 0."""

    who: Integers
    day: Integers

    @classmethod
    def of(cls, who: Integers, day: Integers) -> Clusters:
        """Any numbers of patients and days, numbered from 0."""
        return cls(np.unique(who, return_inverse=True)[1], np.unique(day, return_inverse=True)[1])

    def part(self, rows: Flags) -> Clusters:
        return Clusters.of(self.who[rows], self.day[rows])

    @cached_property
    def patients(self) -> int:
        return int(self.who.max(initial=-1)) + 1

    @cached_property
    def days(self) -> int:
        return int(self.day.max(initial=-1)) + 1

    @property
    def enough_days(self) -> bool:
        return self.days >= FEWEST_DAYS

    @cached_property
    def _both(self) -> Integers:
        """A number for each patient on each day."""
        pairs = self.who.astype(np.int64) * max(self.days, 1) + self.day
        return np.asarray(np.unique(pairs, return_inverse=True)[1])

    def error(self, pulls: Floats) -> Error:
        by_patients = _variance(pulls, self.who)
        if not self.enough_days:
            return Error(math.sqrt(by_patients))
        excess = _variance(pulls, self.day) - _variance(pulls, self._both)
        return Error(math.sqrt(by_patients), math.sqrt(max(excess, 0.0)), self.days - 1)

    def reach(self, pulls: Floats) -> float:
        """Half the width of the 95% interval: by patients and days, and never less than by patients alone."""
        return self.error(pulls).reach()

    def stretch(self, risk: float) -> float:
        """How many times as far as the 95% interval an interval reaches to one side at this risk."""
        days = Error(0.0, 1.0, self.days - 1) if self.enough_days else Error(1.0)
        return days.bound(risk) / days.reach()

    def covariance_by_patients(self, pulls: Floats) -> Floats:
        """Of several figures, a column each."""
        return _covariance(pulls, self.who)

    def covariance(self, pulls: Floats) -> Floats:
        """By patients and days; of few days it may be no covariance, see `root`."""
        return _covariance(pulls, self.who) + _covariance(pulls, self.day) - _covariance(pulls, self._both)


def root(covariance: Floats) -> Floats:
    """The symmetrical root of a covariance; directions in which it is below 0 count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def _variance(pulls: Floats, group: Integers) -> float:
    sums = np.bincount(group, weights=pulls)
    groups = len(sums)
    return float((sums**2).sum()) * groups / (groups - 1) if groups > 1 else math.nan


def _covariance(pulls: Floats, group: Integers) -> Floats:
    sums = np.stack([np.bincount(group, weights=column) for column in pulls.T], axis=1)
    groups = len(sums)
    return np.asarray(sums.T @ sums * (groups / max(groups - 1, 1)))
