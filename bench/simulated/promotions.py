"""Champion tests between models whose true AUC is known: one that is worse by the margin, and one that is equal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from jobs.champions.paired import Paired, Rows, Rule, Scored, compare
from rounds.clusters import Clusters
from rounds.metrics import Operation
from rounds.modelling import Register

REGISTER = Register()
MARGIN, BEST = REGISTER.margin, 0.73
NO_LOSS = Rule("not_worse", "auc", MARGIN, surely=False)
USE = Operation(threshold=0.5, capacity=0.1)
IN_A_ROW = 50
WORLDS = (  # days; how far they differ in the outcome's rate, and in how well each model does
    (8, 0.0, 0.0),
    (8, 0.4, 0.02),
    (8, 0.4, 0.1),
    (12, 0.4, 0.1),
    (30, 0.0, 0.0),
    (30, 0.4, 0.02),
    (30, 0.4, 0.1),
    (60, 0.4, 0.1),
)
ALIKE = 0.98  # what two models have in common of what they say of a row


@dataclass(frozen=True)
class World:
    """How many patients and days a slice has; how far days differ in the rate (log odds), and in how well each model
    does on them.
    """

    patients: int
    days: int
    rate: float = 0.0
    models: float = 0.0


@dataclass(frozen=True)
class Slice:
    """Rows of patients; what a row's scores have in common they have in every pair of models."""

    seed: int
    world: World
    rows: Rows
    common: Any

    def scored(self, auc: float, seed: int) -> Scored:
        """The scores of a model of this true AUC: two normal distributions, as far apart as that takes, and on some
        days further than on others.
        """
        draw = np.random.default_rng([self.seed, seed])
        own, clusters = draw.normal(size=len(self.common)), self.rows.clusters
        spread = self.world.models
        apart = NormalDist().inv_cdf(auc) * (2 + spread**2) ** 0.5 + spread * draw.normal(size=clusters.days)
        noise = ALIKE**0.5 * self.common + (1 - ALIKE) ** 0.5 * own
        return Scored(apart[clusters.day] * self.rows.outcome + noise, USE)


def slice_of(seed: int, world: World) -> Slice:
    """Patients of one to four rows, which resemble each other."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(world.patients), draw.integers(1, 5, world.patients))
    day = draw.integers(0, world.days, len(who))
    odds = np.log(0.25) + world.rate * draw.normal(size=world.days)[day]
    outcome = (draw.random(len(who)) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    common = 0.6 * draw.normal(size=world.patients)[who] + 0.8 * draw.normal(size=len(who))
    return Slice(seed, world, Rows(outcome, Clusters.of(who, day)), common)


def tests(auc: float, world: World, count: int, first: int = 0) -> Iterator[Paired]:
    """So many champion tests of a challenger of this AUC against a champion of the best, each on a slice of its own."""
    for seed in range(first, first + count):
        one = slice_of(seed, world)
        yield compare(one.scored(auc, 1), one.scored(BEST, 2), one.rows, NO_LOSS, REGISTER.risk)


def promoted(world: World, chains: int, first: int = 0) -> tuple[int, int]:
    """Of so many rows of 50 tests of a model worse by the margin, in how many one passed; and how many tests passed."""
    passed = np.array([each.passed for each in tests(BEST - MARGIN, world, chains * IN_A_ROW, first)])
    return int(passed.reshape(chains, IN_A_ROW).any(axis=1).sum()), int(passed.sum())


@dataclass(frozen=True)
class Power:
    """Of an equal model: the share of tests that it passes, what the tests said of it, and the rows they wanted."""

    rows: int
    passed: float
    said: float
    wanted: int


def power(world: World, count: int, first: int = 0) -> Power:
    rows = round(2.5 * world.patients)
    results = list(tests(BEST, world, count, first))
    powers = [result.power(rows) for result in results]
    stated = float(np.median([float(str(each["power"])) for each in powers]))
    rows_needed = float(np.median([float(str(each["rows_wanted"])) for each in powers]))
    return Power(rows, float(np.mean([result.passed for result in results])), stated, round(rows_needed))
