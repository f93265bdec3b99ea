"""Compare two models on the same rows: how far each row pulls the difference, over patients and days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from rounds.clusters import Clusters, Error
from rounds.manifest import Facts
from rounds.metrics import METRICS, Operation, tally
from rounds.modelling import LESS_IS_BETTER, Register
from rounds.pulls import Table, every
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
    """The gain over another model, above 0 if the challenger is better, and how uncertain it is."""

    rule: Rule
    gain: float
    error: Error
    risk: float

    @property
    def at_least(self) -> float:
        """The lower bound of the gain at this risk."""
        return self.gain - self.error.bound(self.risk)

    @property
    def chance(self) -> float:
        """How often a model whose true gain is just what the rule asks for shows as much as this one, or more."""
        return self.error.tail(self.gain - self.rule.least)

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
        error, bound = self.error.whole, self.error.bound(self.risk)
        if not error > 0:
            return {"power": 1.0, "rows_wanted": rows}
        wanted = rows * ((bound + NormalDist().inv_cdf(POWER) * error) / self.rule.by) ** 2
        power = NormalDist().cdf((self.rule.by - bound) / error)
        return dict(rounded({"power": power, "rows_wanted": math.ceil(wanted)}))

    @property
    def facts(self) -> Facts:
        reach = self.error.reach()
        figures = {
            "metric": self.rule.metric,
            "must": self.rule.must,
            "by": self.rule.by,
            "surely": self.rule.surely,
            "gain": self.gain,
            "low": self.gain - reach,
            "high": self.gain + reach,
            "chance": self.chance,
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
    """The outcomes of the rows that both models scored; rows of one patient, and of one day, are alike."""

    outcome: Integers
    clusters: Clusters

    def measured(self, model: Scored, metric: str) -> tuple[float, Floats]:
        """The metric, and how far each row pulls it."""
        value = METRICS[metric](tally(model.scores, self.outcome), model.use)
        return float(value), every(Table(model.scores, self.outcome.astype(np.float64)), model.use)[metric]


def compare(challenger: Scored, other: Scored, rows: Rows, rule: Rule, risk: float) -> Paired:
    """Hold a challenger against another model; one that is worse by the margin passes with this chance at most."""
    sign = -1 if rule.metric in LESS_IS_BETTER else 1
    mine, my_pulls = rows.measured(challenger, rule.metric)
    theirs, their_pulls = rows.measured(other, rule.metric)
    return Paired(rule, sign * (mine - theirs), rows.clusters.error(my_pulls - their_pulls), risk)
