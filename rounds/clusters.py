"""How sure a figure is where the rows of one patient, and the rows of one day, are alike.

Each row has a pull on a figure (its influence function). Sums of pulls over whole patients and over whole days give
the error without any resampling: the variance by patients, plus that by days, less that by both (Cameron, Gelbach and
Miller 2011), with the t quantile of days minus one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]
    Flags = NDArray[np.bool_]

NORMAL = 1.959963984540054  # the 97.5% point of the normal curve
FEWEST_DAYS = 8  # below, nobody can see how days differ


def t_quantile(freedom: int) -> float:
    """The 97.5% point of the t distribution, from 7 degrees of freedom on (Cornish and Fisher's expansion)."""
    if freedom < FEWEST_DAYS - 1:
        raise ValueError(f"freedom is {freedom}; want at least {FEWEST_DAYS - 1}")
    z = NORMAL
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))


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

    def reach(self, pulls: Floats) -> float:
        """Half the width of the 95% interval: by patients and days, and never less than by patients alone."""
        alone = NORMAL * math.sqrt(_variance(pulls, self.who))
        if not self.enough_days:
            return alone
        return max(alone, t_quantile(self.days - 1) * math.sqrt(max(self._two_way(pulls), 0.0)))

    def error(self, pulls: Floats) -> float:
        """The standard error to which the normal curve belongs: half the width, over that of the normal curve."""
        return self.reach(pulls) / NORMAL

    def _two_way(self, pulls: Floats) -> float:
        return _variance(pulls, self.who) + _variance(pulls, self.day) - _variance(pulls, self._both)

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
