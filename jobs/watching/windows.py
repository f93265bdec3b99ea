"""What the rows of some days look like in the bins of the champion's reference."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from jobs.watching.chance import Differences, chance
from rounds.manifest import Facts
from rounds.reference import Repeats, counts, effective, places
from rounds.watched import Monitor

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
SCORE = "score"


@dataclass(frozen=True)
class Window:
    """The rows of some days: a column a feature, the score of each row, and a number for whoever it is."""

    matrix: Array
    scores: Array
    who: Array

    def seen(self, rows: int) -> str:
        return "enough" if len(self.scores) >= rows else "little" if len(self.scores) else "nothing"


@dataclass(frozen=True)
class Judged:
    """What one window shows of every feature of the table, in its order."""

    found: Differences
    counts: Array
    rows: Array  # the same, before rows of one patient are made to count as fewer
    missing: Array
    p: Array  # no number where nothing can be said: too few rows, or a feature that is not judged
    bound: Differences
    drifted: Array


class Table:
    """The reference's counts as one array: a row a feature, a column a bin, the last but one for missing values."""

    def __init__(self, reference: Facts, names: Sequence[str], ignore: Collection[str]) -> None:
        known = {name: reference["features"][name] for name in names if name in reference["features"]}
        self.names = (*known, SCORE)
        self.facts = (*known.values(), reference["scores"])
        self.columns = [names.index(name) for name in known]
        self.edges = [np.array(facts["edges"], float) for facts in self.facts]
        self.width = max(len(edges) for edges in self.edges) + 2
        self.rows = np.array([self._wide(np.array(counts(facts))) for facts in self.facts], float)
        sizes = self.rows.sum(axis=-1)
        worth = [facts.get("effective", size) for facts, size in zip(self.facts, sizes, strict=True)]
        self.shares = self.rows / sizes[:, None]
        self.counts = self.shares * np.array(worth, float)[:, None]
        place = np.arange(self.width)
        self.real = np.array([(place <= len(edges)) | (place == self.width - 1) for edges in self.edges])
        self.judged = np.array([name not in ignore for name in self.names])

    def _wide(self, own: Array) -> Array:
        """Counts of bins and of missing values, with as many empty bins between them as the widest feature asks."""
        return np.concatenate([own[:-1], np.zeros(self.width - len(own), own.dtype), own[-1:]])

    def count(self, window: Window) -> tuple[Array, Array]:
        """A window's rows in each bin, and what they count for: as many rows as are independent."""
        repeats, columns = Repeats(window.who), [*(window.matrix[:, at] for at in self.columns), window.scores]
        found, worth = np.zeros(self.rows.shape), np.zeros((len(columns), 1))
        for row, (values, facts) in enumerate(zip(columns, self.facts, strict=True)):
            where = places(values, facts)
            where[where == len(facts["counts"])] = self.width - 1
            worth[row] = effective(where, self.width, repeats, self.shares[row]) / len(values)
            found[row] = np.bincount(where, minlength=self.width)
        return found, found * worth

    def judge(self, window: Window, asked: Monitor) -> Judged | None:
        """One window beside the reference; with too few rows the figures stand without a judgement."""
        if not len(window.scores):
            return None
        rows, counted = self.count(window)
        found, missing = Differences.between(counted, self.counts, self.real), rows[:, -1] / len(window.scores)
        p, bounds = np.full(len(self.names), np.nan), np.full((3, len(self.names)), np.nan)
        if window.seen(asked.rows) == "enough" and (on := self.judged).any():
            expected = chance(self.counts[on], counted[on].sum(axis=-1), self.real[on], asked.resamples, asked.seed)
            p[on] = expected.p(expected.far(Differences(*(each[on] for each in found))))
            bounds[:, on] = np.array(expected.bound(asked.false_alarms))
        return Judged(found, counted, rows, missing, p, Differences(*bounds), p <= asked.false_alarms)
