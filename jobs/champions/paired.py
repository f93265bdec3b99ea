"""Is one model no worse than another? Both score the same rows; patients are drawn again and again, alike for both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from rounds.bootstrap import tallies
from rounds.metrics import roc_auc, tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

# How often a challenger that is worse by exactly the margin may pass: what a two-sided interval of 95% leaves below.
RISK = 0.025


@dataclass(frozen=True)
class Paired:
    """The gain in ROC-AUC over another model, how uncertain it is, and the least that it may be in truth."""

    gain: float
    error: float
    risk: float
    margin: float

    @property
    def at_least(self) -> float:
        return self.gain - NormalDist().inv_cdf(1 - self.risk) * self.error

    @property
    def passed(self) -> bool:
        return self.at_least > -self.margin


@dataclass(frozen=True)
class Rows:
    """The outcomes of the rows that both models scored, and whose they are, numbered from 0.

    `beat` is called while they are resampled, which takes long.
    """

    outcome: Integers
    who: Integers
    resamples: int
    seed: int
    beat: Callable[[], None] = lambda: None

    def areas(self, scores: Floats) -> Floats:
        """The ROC-AUC of every resample; equal rows and seeds give the same resamples to every model."""
        found = []
        for block in tallies(scores, self.outcome, self.who, self.resamples, self.seed):
            found.append(roc_auc(block))
            self.beat()
        return np.concatenate(found)


def compare(challenger: Floats, other: Floats, rows: Rows, margin: float, tests: int = 1) -> Paired:
    """Hold a challenger against another model, for the n-th time: each further test asks for more certainty.

    A standard error and the normal distribution serve where a percentile does not: the risk of the fiftieth test
    is one in two thousand, which no thousand resamples can show.
    """
    gain = float(roc_auc(tally(challenger, rows.outcome)) - roc_auc(tally(other, rows.outcome)))
    gains = (rows.areas(challenger) - rows.areas(other)).tolist()
    known = [each for each in gains if math.isfinite(each)]
    mean = math.fsum(known) / len(known)
    error = math.sqrt(math.fsum((each - mean) ** 2 for each in known) / (len(known) - 1))
    return Paired(gain, error, RISK / tests, margin)
