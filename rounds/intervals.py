"""From resamples to 95% intervals that cover the truth about as often as they say, on small tables too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rounds.bootstrap import tallies
from rounds.metrics import METRICS, Operation, calibration_gaps, tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LOW, HIGH = 0.025, 0.975
NORMAL = 1.959963984540054  # the same two points of the normal curve
# The scale on which the resamples of a figure lie about normally: shares are cramped by 0 and 1, losses by 0.
SHARES = {"auc", "pr_auc", "f1", "accuracy", "brier", "precision_at_capacity", "recall_at_capacity"}
LOSSES = {"log_loss"}


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Resamples:
    """Every metric of a table, once as it is and once for each resample."""

    values: Mapping[str, float]
    drawn: Mapping[str, Floats]
    gaps: Floats
    drawn_gaps: Floats
    rows: int

    def estimate(self, metric: str) -> Estimate:
        value, drawn = self.values[metric], self.drawn[metric]
        if metric == "ece":
            return Estimate(value, *calibration_error(self.gaps, self.drawn_gaps))
        nearest = 0.5 / self.rows
        if metric in SHARES:
            return share(value, drawn, nearest)
        return loss(value, drawn, nearest) if metric in LOSSES else plain(value, drawn)

    def estimates(self) -> dict[str, Estimate]:
        return {metric: self.estimate(metric) for metric in self.values}


def resample(
    scores: Floats,
    outcome: NDArray[np.integer],
    who: NDArray[np.intp],
    use: Operation,
    resamples: int,
    seed: int,
) -> Resamples:
    """Every metric on a table and on its resamples; tables of the same patients and seed are drawn alike, so that
    the resamples of two scores may be compared one by one.
    """
    counted = tally(scores, outcome)
    drawn: dict[str, list[Floats]] = {name: [] for name in METRICS}
    gaps = []
    for block in tallies(scores, outcome, who, resamples, seed):
        gaps.append(calibration_gaps(block))
        for name, metric in METRICS.items():
            drawn[name].append(metric(block, use))
    return Resamples(
        {name: float(metric(counted, use)) for name, metric in METRICS.items()},
        {name: np.concatenate(blocks) for name, blocks in drawn.items()},
        calibration_gaps(counted),
        np.concatenate(gaps),
        len(scores),
    )


def plain(value: float, drawn: Floats) -> Estimate:
    """Around a figure that may take any value, such as a difference."""
    reach = NORMAL * _spread(drawn[np.isfinite(drawn)].tolist())
    return Estimate(value, value - reach, value + reach)


def share(value: float, drawn: Floats, nearest: float) -> Estimate:
    """Around a share, on the scale of log odds; at 0 or 1 that scale ends, and the resamples speak for themselves."""
    if not 0 < value < 1:
        return _quantiles(value, drawn)
    odds = [_log_odds(min(max(other, nearest), 1 - nearest)) for other in drawn[np.isfinite(drawn)].tolist()]
    centre, reach = _log_odds(value), NORMAL * _spread(odds)
    return Estimate(value, 1 / (1 + math.exp(reach - centre)), 1 / (1 + math.exp(-reach - centre)))


def loss(value: float, drawn: Floats, nearest: float) -> Estimate:
    """Around a loss, which is above 0 and has no upper end, on the scale of its logarithm."""
    if not value > 0:
        return _quantiles(value, drawn)
    reach = NORMAL * _spread([math.log(max(other, nearest)) for other in drawn[np.isfinite(drawn)].tolist()])
    return Estimate(value, value * math.exp(-reach), value * math.exp(reach))


def calibration_error(gaps: Floats, drawn: Floats) -> tuple[float, float]:
    """The true calibration errors that would make the one that was seen neither too small nor too large to expect.

    The plain bootstrap fails here: noise makes a gap wider whichever way it points, so even a perfect score shows an
    error. The noise is taken from the resamples, the shape of the true gaps from those seen, drawn to their mean as
    far as noise explains them, and only the size of the true gaps is asked for.
    """
    seen, noise = math.fsum(np.abs(gaps)), drawn - gaps
    shape = _calmed(gaps, noise)
    low, high = (_size(seen, shape, noise, chance) for chance in (HIGH, LOW))
    whole = math.fsum(np.abs(shape))
    return low * whole, high * whole


def _calmed(gaps: Floats, noise: Floats) -> Floats:
    """The gaps less what noise adds to their differences (DerSimonian and Laird's moments)."""
    variance = np.maximum((noise**2).mean(axis=0), np.finfo(np.float64).tiny)
    weight = 1 / variance
    mean = (weight * gaps).sum() / weight.sum()
    excess = (weight * (gaps - mean) ** 2).sum() - (len(gaps) - 1)
    room = weight.sum() - (weight**2).sum() / weight.sum()
    between = max(0.0, excess / room) if room > 0 else 0.0
    return np.asarray(mean + (gaps - mean) * between / (between + variance))


def _size(seen: float, shape: Floats, noise: Floats, chance: float) -> float:
    """How many times the shape the true gaps are, if what was seen lies where this share of chances is below it."""

    def expected(size: float) -> float:
        return _quantile(np.abs(size * shape + noise).sum(axis=1), chance)

    if not shape.any() or expected(0.0) >= seen:
        return 0.0
    low, high = 0.0, 1.0
    while expected(high) < seen:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) < seen else (low, middle)
    return high


def _quantiles(value: float, drawn: Floats) -> Estimate:
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Estimate(value, math.nan, math.nan)
    return Estimate(value, _quantile(drawn, LOW), _quantile(drawn, HIGH))


def _quantile(drawn: Floats, chance: float) -> float:
    return float(np.sort(drawn)[rank(chance, len(drawn))])


def rank(chance: float, resamples: int) -> int:
    """The place of a quantile among the sorted resamples, as far from the one end as its opposite from the other."""
    return min(max(round(chance * (resamples + 1)) - 1, 0), resamples - 1)


def _spread(values: list[float]) -> float:
    if len(values) < 2:
        return math.nan
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))
