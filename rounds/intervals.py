"""From pulls to 95% intervals that cover the truth about as often as they say, on small tables too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rounds import pulls
from rounds.clusters import NORMAL as NORMAL
from rounds.clusters import Clusters, root
from rounds.metrics import METRICS, Operation, tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LOW, HIGH = 0.025, 0.975
# The scale on which a figure lies about normally: shares are cramped by 0 and 1, losses and ratios by 0.
SHARES = {"auc", "pr_auc", "f1", "accuracy", "brier", "precision_at_capacity", "recall_at_capacity"}
RATIOS = {"log_loss", "observed_over_expected"}
DRAWS = 1000  # of the noise of the calibration error


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """Every metric of a table, and how far each row pulls it; `rarer` counts the outcomes of the rarer kind."""

    values: Mapping[str, float]
    pulls: Mapping[str, Floats]
    gaps: Floats
    gap_pulls: Floats
    clusters: Clusters
    rarer: int
    seed: int

    def estimate(self, metric: str) -> Estimate:
        value = self.values[metric]
        if metric == "ece":
            return Estimate(value, *calibration_interval(self.gaps, self.gap_pulls, self.clusters, self.seed))
        reach = self.clusters.reach(self.pulls[metric])
        if metric in SHARES:
            return share(value, reach, self.rarer)
        return ratio(value, reach) if metric in RATIOS else plain(value, reach)

    def estimates(self) -> dict[str, Estimate]:
        return {metric: self.estimate(metric) for metric in self.values}

    def less(self, other: Measured, metric: str) -> Estimate:
        """How far a metric lies above that of another score of the same rows."""
        reach = self.clusters.reach(self.pulls[metric] - other.pulls[metric])
        return plain(self.values[metric] - other.values[metric], reach)


def measure(scores: Floats, outcome: NDArray[np.integer], clusters: Clusters, use: Operation, seed: int) -> Measured:
    """Every metric on a table, with what its interval is made from."""
    table = pulls.Table(scores, outcome.astype(np.float64))
    counted = tally(scores, outcome)
    values = {name: float(metric(counted, use)) for name, metric in METRICS.items()}
    expected = float(scores.sum())
    values["observed_over_expected"] = table.positive / expected if expected else math.nan
    values["calibration_slope"], steep = pulls.slope(table)
    gaps, gap_pulls = pulls.gaps(table)
    every = {**pulls.every(table, use), "calibration_slope": steep}
    rarer = int(min(table.positive, table.rows - table.positive))
    return Measured(values, every, gaps, gap_pulls, clusters, rarer, seed)


def plain(value: float, reach: float) -> Estimate:
    """Around a figure that may take any value, such as a difference."""
    return Estimate(value, value - reach, value + reach)


def share(value: float, reach: float, rarer: int) -> Estimate:
    """Around a share, on the scale of log odds. At 0 or 1 that scale ends: there it says how far a share could lie from
    it that so many rows show nothing of.
    """
    if value in {0.0, 1.0}:
        unseen = 1 - LOW ** (1 / max(rarer, 1))
        return Estimate(value, 0.0, unseen) if value == 0 else Estimate(value, 1 - unseen, 1.0)
    if not 0 < value < 1:
        return Estimate(value, math.nan, math.nan)
    centre, far = math.log(value / (1 - value)), reach / (value * (1 - value))
    return Estimate(value, _from_odds(centre - far), _from_odds(centre + far))


def ratio(value: float, reach: float) -> Estimate:
    """Around a loss or a ratio, which is above 0 and has no upper end, on the scale of its logarithm."""
    if not value > 0:
        return Estimate(value, math.nan, math.nan)
    factor = math.exp(min(reach / value, 500.0))
    return Estimate(value, value / factor, value * factor)


def _from_odds(log_odds: float) -> float:
    return 1 / (1 + math.exp(-min(max(log_odds, -500.0), 500.0)))


def calibration_interval(gaps: Floats, gap_pulls: Floats, clusters: Clusters, seed: int) -> tuple[float, float]:
    """Of the calibration error: what patients alone leave open, and what patients and days do.

    More noise moves both ends down, for noise makes the error that is seen larger. So the ends are the farthest of
    three: by patients, by both, and by patients with what days add drawn from the t distribution.
    """
    draw = np.random.Generator(np.random.PCG64(seed))
    normal, other = draw.standard_normal((2, DRAWS, len(gaps)))
    patients = clusters.covariance_by_patients(gap_pulls)
    noises = [normal @ root(patients)]
    if clusters.enough_days:
        freedom, both = clusters.days - 1, clusters.covariance(gap_pulls)
        wider = np.sqrt(freedom / draw.chisquare(freedom, DRAWS))[:, None]
        noises += [normal @ root(both), noises[0] + wider * other @ root(both - patients)]
    lows, highs = zip(*(calibration_error(gaps, gaps + noise) for noise in noises), strict=True)
    return min(lows), max(highs)


def calibration_error(gaps: Floats, drawn: Floats) -> tuple[float, float]:
    """The true calibration errors that would make the one that was seen neither too small nor too large to expect.

    The plain bootstrap fails here: noise makes a gap wider whichever way it points, so even a perfect score shows an
    error. The noise is taken from draws, the shape of the true gaps from those seen, drawn to their mean as
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


def _quantile(drawn: Floats, chance: float) -> float:
    place = rank(chance, len(drawn))
    return float(np.partition(drawn, place)[place])


def rank(chance: float, draws: int) -> int:
    """The place of a quantile among the sorted draws, as far from the one end as its opposite from the other."""
    return min(max(round(chance * (draws + 1)) - 1, 0), draws - 1)
