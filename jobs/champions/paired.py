"""Compare two models on the same rows: patients are drawn again and again, alike for both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from rounds.bootstrap import tallies
from rounds.intervals import NORMAL
from rounds.manifest import Facts
from rounds.metrics import METRICS, Operation, tally
from rounds.modelling import LESS_IS_BETTER, Register
from rounds.rounding import rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

POWER = 0.8  # how often a model should pass that is as good as the other


@dataclass(frozen=True)
class Rule:
    """What a challenger must show against one other model."""

    must: str
    metric: str
    by: float
    surely: bool

    @property
    def least(self) -> float:
        """The gain that is asked for; below 0 it is a loss that is tolerated."""
        return self.by if self.must == "improve" else -self.by


def against_champion(register: Register) -> Rule:
    return Rule(register.must, register.metric, register.least_difference, register.surely)


def against_anchor(register: Register) -> Rule:
    """The same for every rule against the champion: many small losses of AUC must not add up."""
    return Rule("not_worse", "auc", register.margin, surely=False)


@dataclass(frozen=True)
class Paired:
    """The gain over another model, above 0 if the challenger is better, and how uncertain it is.

    `share` is the share of resamples in which the gain is at least what the rule asks for.
    """

    rule: Rule
    gain: float
    error: float
    share: float
    risk: float

    @property
    def at_least(self) -> float:
        """The lower bound of the gain at this risk."""
        return self.gain - NormalDist().inv_cdf(1 - self.risk) * self.error

    @property
    def passed(self) -> bool:
        """`improve` asks the gain, or with `surely` its lower bound; `not_worse` always asks the lower bound."""
        if self.rule.must == "improve" and not self.rule.surely:
            return self.gain >= self.rule.least
        return self.at_least > self.rule.least

    def power(self, rows: int) -> Facts:
        """How often an equal model passes so many rows; if in fewer than 80% of tests, the rows that it would take."""
        if self.rule.must == "improve":
            return {}
        if not self.error > 0:
            return {"power": 1.0, "rows_wanted": rows}
        certain, spare = NormalDist().inv_cdf(1 - self.risk), self.rule.by / self.error
        wanted = rows * ((certain + NormalDist().inv_cdf(POWER)) / spare) ** 2
        return dict(rounded({"power": NormalDist().cdf(spare - certain), "rows_wanted": math.ceil(wanted)}))

    @property
    def facts(self) -> Facts:
        reach = NORMAL * self.error
        figures = {
            "metric": self.rule.metric,
            "must": self.rule.must,
            "by": self.rule.by,
            "surely": self.rule.surely,
            "gain": self.gain,
            "low": self.gain - reach,
            "high": self.gain + reach,
            "share": self.share,
            "at_least": self.at_least,
            "risk": self.risk,
            "passed": self.passed,
        }
        return dict(rounded(figures))


@dataclass(frozen=True)
class Scored:
    """One model's scores of the rows, and the threshold and capacity at which it is used."""

    scores: Floats
    use: Operation


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

    def value(self, model: Scored, metric: str) -> float:
        return float(METRICS[metric](tally(model.scores, self.outcome), model.use))

    def resampled(self, model: Scored, metric: str) -> Floats:
        """The metric of every resample; equal rows and seeds give the same resamples to every model."""
        values = []
        for block in tallies(model.scores, self.outcome, self.who, self.resamples, self.seed):
            values.append(METRICS[metric](block, model.use))
            self.beat()
        return np.concatenate(values)


@dataclass(frozen=True)
class Comparison:
    """A challenger and another model on the same rows, by one metric."""

    challenger: Scored
    other: Scored
    rows: Rows
    metric: str

    @property
    def sign(self) -> int:
        return -1 if self.metric in LESS_IS_BETTER else 1

    @cached_property
    def gain(self) -> float:
        difference = self.rows.value(self.challenger, self.metric) - self.rows.value(self.other, self.metric)
        return self.sign * difference

    @cached_property
    def gains(self) -> list[float]:
        """The gain in every resample that has one."""
        challenger = self.rows.resampled(self.challenger, self.metric)
        other = self.rows.resampled(self.other, self.metric)
        return [gain for gain in (self.sign * (challenger - other)).tolist() if math.isfinite(gain)]

    @property
    def error(self) -> float:
        mean = math.fsum(self.gains) / len(self.gains)
        return math.sqrt(math.fsum((gain - mean) ** 2 for gain in self.gains) / (len(self.gains) - 1))


def compare(challenger: Scored, other: Scored, rows: Rows, rule: Rule, risk: float) -> Paired:
    """Hold a challenger against another model; one that is worse by the margin passes with this chance at most.

    A standard error and the normal distribution serve where a percentile does not: the risk of one test of many is
    one in a thousand, which no thousand resamples can show.
    """
    both = Comparison(challenger, other, rows, rule.metric)
    share = sum(gain >= rule.least for gain in both.gains) / len(both.gains)
    return Paired(rule, both.gain, both.error, share, risk)
