"""What the rows of some days look like in the bins of the champion's reference."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from jobs.watching.chance import Differences, chance
from rounds.manifest import Facts
from rounds.reference import Repeats, bins, effective
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
        self.edges = [np.array(facts["edges"]) for facts in self.facts]
        self.width = max(len(edges) for edges in self.edges) + 2
        counts = np.zeros((len(self.names), self.width))
        for row, facts in enumerate(self.facts):
            own, rows = np.array(facts["counts"], float), sum(facts["counts"])
            counts[row, : len(own)] = own * (facts.get("effective", rows) / rows)
        self.counts = counts
        self.shares = counts / counts.sum(axis=-1, keepdims=True)
        place = np.arange(self.width)
        self.real = np.array([(place <= len(edges)) | (place == self.width - 1) for edges in self.edges])
        self.judged = np.array([name not in ignore for name in self.names])

    def count(self, window: Window) -> tuple[Array, Array]:
        """A window's counts, worth as many rows as it has independent ones, and the share that is missing."""
        repeats, columns = Repeats(window.who), [*(window.matrix[:, at] for at in self.columns), window.scores]
        counts, missing = np.zeros(self.counts.shape), np.zeros(len(columns))
        for row, (values, edges) in enumerate(zip(columns, self.edges, strict=True)):
            where = bins(values, edges)
            lost = np.isnan(values)
            where[lost] = self.width - 1
            worth = effective(where, self.width, repeats, self.shares[row])
            counts[row] = np.bincount(where, minlength=self.width) * (worth / len(values))
            missing[row] = int(lost.sum()) / len(values)
        return counts, missing

    def judge(self, window: Window, asked: Monitor) -> Judged | None:
        """One window beside the reference; with too few rows the figures stand without a judgement."""
        if not len(window.scores):
            return None
        counts, missing = self.count(window)
        found = Differences.between(counts, self.counts, self.real)
        p, bounds = np.full(len(self.names), np.nan), np.full((3, len(self.names)), np.nan)
        if window.seen(asked.rows) == "enough" and (on := self.judged).any():
            expected = chance(self.counts[on], counts[on].sum(axis=-1), self.real[on], asked.resamples, asked.seed)
            p[on] = expected.p(expected.far(Differences(*(each[on] for each in found))))
            bounds[:, on] = np.array(expected.bound(asked.false_alarms))
        return Judged(found, counts, missing, p, Differences(*bounds), p <= asked.false_alarms)
