"""Years in which nothing changes, looked at each day by the rules of monitor and decide: how many ask for a retrain."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import problems
from jobs.deciding import rules
from jobs.monitor import Knobs, judged_by
from jobs.watching import figures, performance
from jobs.watching.drift import Window, compare
from jobs.watching.performance import Rows
from rounds import metrics, reference
from rounds.clusters import Clusters
from rounds.intervals import measure
from rounds.manifest import Facts
from rounds.metrics import Operation

PROBLEM = problems.problem("noshow")
KNOBS = Knobs(**{field.name: getattr(PROBLEM, field.name) for field in dataclasses.fields(Knobs)})
DECIDE = PROBLEM.decide.model_copy(update={"age": None})  # an old champion asks by its age, whatever it does
ASKED = judged_by(KNOBS)
GATE = 1.0 if ASKED.ece is None else ASKED.ece
YEAR, TESTED, REFERENCE = 365, 40, 14  # days
NAMES = ("seen", "noise")
PATIENTS_TO_ROWS = 3  # as many patients as come in so many days


@dataclass(frozen=True)
class World:
    """How many rows a day has, how far days differ (log odds), and by how much scores are too sure (1: not at all)."""

    rows: int
    differ: float = 0.0
    sure: float = 1.0


WORLDS = (World(40), World(40, 0.3))


@dataclass(frozen=True)
class Year:
    """Every row of a hospital's year, of the champion's test before it and of its reference before that."""

    world: World
    day: Any
    who: Any
    seen: Any
    score: Any
    outcome: Any

    def between(self, first: int, last: int) -> Any:
        return np.flatnonzero((self.day >= first) & (self.day < last))

    def tested(self) -> Facts:
        """What evaluate found before the champion's release."""
        rows = self.between(0, TESTED)
        clusters = Clusters.of(self.who[rows], self.day[rows])
        figures = measure(self.score[rows], self.outcome[rows], clusters, Operation(0.4, 0.1), PROBLEM.evaluate.seed)
        return {name: dataclasses.asdict(figures.estimate(name)) for name in ("auc", "brier", "ece")}

    def watched(self, today: int) -> Rows:
        """What the watch reads: the rows of so many days up to today, but no day before the champion's release."""
        rows = self.between(max(TESTED, today - KNOBS.collect.days), today)
        no = np.zeros(len(rows), bool)
        window = (today - 1 - self.day[rows]) // KNOBS.collect.window
        known = self.score[rows], self.outcome[rows].astype(np.float64), no, np.full(len(rows), np.nan)
        return Rows(*known, self.who[rows], self.day[rows], window, no)

    def drift(self, today: int) -> Facts:
        """What the newest windows show beside the reference."""
        rows = self.between(TESTED - REFERENCE, TESTED)
        columns = (each[rows] for each in (self.score, self.outcome, self.who, self.day))
        statistics = reference.statistics(NAMES, self.matrix(rows), *columns)
        length = KNOBS.collect.window
        pieces = [self.between(today - (at + 1) * length, today - at * length) for at in range(KNOBS.collect.windows)]
        windows = [Window(self.matrix(each), self.score[each], self.who[each]) for each in pieces]
        target = performance.target(self.watched(today), statistics["outcomes"], ASKED)
        return {**compare(statistics, NAMES, windows, KNOBS.monitor, dict.fromkeys(NAMES, 0.5)), "target": target}

    def matrix(self, rows: Any) -> Any:
        noise = np.random.default_rng(1).permutation(len(self.day))[rows] / len(self.day)
        return np.stack([self.seen[rows], noise], axis=1).astype(np.float32)


def year(seed: int, world: World) -> Year:
    """Patients with visits of their own kind on days of their own kind, and scores that are calibrated on the whole."""
    draw = np.random.default_rng(seed)
    days, patients = TESTED + YEAR, world.rows * YEAR // PATIENTS_TO_ROWS
    day = np.repeat(np.arange(days), world.rows)
    who = draw.integers(0, patients, len(day))
    seen = 0.6 * draw.normal(size=patients)[who] + 0.8 * draw.normal(size=len(day))
    hidden = 0.6 * draw.normal(size=patients)[who] + world.differ * draw.normal(size=days)[day]
    outcome = (draw.random(len(day)) < 1 / (1 + np.exp(1.6 - 0.8 * seen - hidden))).astype(np.int64)
    flatter = 1 / np.sqrt(1 + 0.346 * (0.6**2 + world.differ**2))  # what is hidden draws the rate to one half
    score = 1 / (1 + np.exp(flatter * (1.6 - 0.8 * world.sure * seen)))
    return Year(world, day, who, seen, score, outcome)


def may_be_worse(rows: Rows, tested: Facts) -> bool:
    """Whether `judge` could call the performance worse, by its own two questions alone: that saves most of the time.

    A calibration error that is surely above the gate is above it, and so is the lower end of its 95% interval.
    """
    answers = figures.Answers(rows.score, rows.outcome, np.ones(len(rows.score)), Clusters.of(rows.who, rows.day))
    if not performance.enough(answers, ASKED.rows):
        return True
    counted = metrics.tally(rows.score, rows.outcome.astype(np.int64))
    if metrics.roc_auc(counted) <= tested["auc"]["value"] - ASKED.margin:
        against = performance.yardsticks(answers, tested["auc"], ASKED)
        if all(each.beyond(-1, ASKED) for each in against):
            return True
    return bool(metrics.ece(counted) > GATE) and figures.ece(answers, ASKED.seed).low > GATE


def looks(one: Year) -> Iterator[rules.Decision]:
    """What decide says on each day of the year that may not be calm.

    Drift is looked at where it could ask for a retrain: that takes harm, too.
    """
    tested = one.tested()
    for today in range(TESTED + 1, TESTED + YEAR + 1):
        rows = one.watched(today)
        if not may_be_worse(rows, tested):
            continue
        facts: Facts = {"performance": performance.judge(rows, tested, ASKED)}
        if rules.Watched(facts, ()).harm:
            facts["drift"] = one.drift(today)
        yield rules.judge(facts, DECIDE, KNOBS.monitor.ignore)


def asks(one: Year) -> bool:
    """Whether any day of the year asks for a retrain."""
    return any(look.verdict == "retrain" for look in looks(one))
