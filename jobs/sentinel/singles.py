"""Single features: how well each answers by itself, over all test rows and within parts of them.

A feature is cut into groups and each group answers with the outcome rate that it had on the earlier rows, so that a
code that does not rank is seen too. Only the lower end of an interval counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from jobs.sentinel.grouping import Grouping, group, group_by_usual
from rounds.intervals import NORMAL
from rounds.shares import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.integer]
    Floats = NDArray[np.float64]
    Matrix = NDArray[np.float32]

ROWS = 200_000  # of either side at most, evenly chosen
VALUES, GROUPS = 256, 32  # up to so many values each is a group of its own; more are cut into so many groups
FEW = 10  # patients of either outcome, below which a part says nothing
CERTAIN = 0.9  # a group that had one outcome so often is looked at again on the test rows


@dataclass(frozen=True)
class Part:
    """Rows of one part, how well a feature alone ranks them, and the lower end of that ROC-AUC."""

    part: str
    auc: float
    low: float


@dataclass(frozen=True)
class Single:
    """One feature alone: over all rows, within the part where it answers best, and where its value is the answer.

    `certain` is how many rows have a value that came with the rarer outcome nearly always, and `certain_low` the lower
    end of how often it does.
    """

    auc: float
    low: float
    best: Part | None
    certain: int
    certain_low: float

    @property
    def surely(self) -> float:
        """The larger of the lower ends."""
        return max(self.low, self.best.low if self.best else 0.0)


@dataclass(frozen=True)
class Side:
    """Rows by feature, and their outcomes; `who` numbers the patients."""

    matrix: Matrix
    outcome: Integers
    who: Integers

    def evenly(self) -> Side:
        chosen = np.unique(np.linspace(0, len(self.outcome) - 1, min(ROWS, len(self.outcome))).astype(np.int64))
        return Side(self.matrix[chosen], self.outcome[chosen], self.who[chosen])


def single_features(names: Sequence[str], earlier: Side, test: Side, smallest: int) -> dict[str, Single]:
    """Every feature alone; a part is judged if it has so many test rows, and enough patients of either outcome."""
    return _Look(tuple(names), earlier.evenly(), test.evenly(), smallest).singles()


def lower_end(share: float, count: int) -> float:
    """The lower end of the 95% interval of a share, or of a ROC-AUC by the fewer of its two outcomes.

    The variance of a ROC-AUC is never above auc * (1 - auc) over that number (Birnbaum and Klose), as of a share.
    """
    return wilson(share, count, NORMAL)[0]


@dataclass(frozen=True)
class _Look:
    names: tuple[str, ...]
    earlier: Side
    test: Side
    smallest: int

    def singles(self) -> dict[str, Single]:
        everything = self.judged(_whole(len(self.earlier.outcome), len(self.test.outcome)))
        parts = [self.judged(self.cut(at, 12, 10)) for at in range(len(self.names))]
        return {name: self._single(at, everything, parts) for at, name in enumerate(self.names)}

    def _single(self, at: int, everything: _Judged, parts: list[_Judged]) -> Single:
        feature = self.features[at]
        whole = next(iter(everything.parts(feature)), Part("", 0.5, 0.0))
        usual = group_by_usual(self.names[at], self.earlier.matrix[:, at], self.test.matrix[:, at])
        own = [self.judged(usual)] if usual is not None else []
        within = [part for cut in (*parts, *own) for part in cut.parts(feature)]
        best = max(within, key=lambda part: (part.low, part.part), default=None)
        return Single(whole.auc, whole.low, best, *self.certain(feature))

    @cached_property
    def features(self) -> list[Grouping]:
        return [self.cut(at, VALUES, GROUPS) for at in range(len(self.names))]

    def cut(self, at: int, values: int, groups: int) -> Grouping:
        return group(self.names[at], self.earlier.matrix[:, at], self.test.matrix[:, at], values, groups)

    def judged(self, parts: Grouping) -> _Judged:
        return _Judged(self, parts)

    def certain(self, feature: Grouping) -> tuple[int, float]:
        """Test rows in groups that nearly always had the rarer outcome, and the lower end of how often they have it."""
        rarer = int(2 * self.earlier.outcome.sum() <= len(self.earlier.outcome))
        with_it = np.bincount(feature.earlier[self.earlier.outcome == rarer], minlength=feature.count)
        rows = np.bincount(feature.earlier, minlength=feature.count)
        telling = (rows > 0) & (with_it >= CERTAIN * rows)
        mine = telling[feature.test]
        if not mine.any():
            return 0, 0.0
        share = float((self.test.outcome[mine] == rarer).sum() / mine.sum())
        return int(mine.sum()), lower_end(share, len(np.unique(self.test.who[mine])))


class _Judged:
    """The parts of the rows by one grouping, and how well features rank within each."""

    def __init__(self, look: _Look, by: Grouping) -> None:
        self.look, self.by = look, by
        rows = np.bincount(by.test, minlength=by.count)
        outcome, who = look.test.outcome, look.test.who
        patients = [
            np.bincount(np.unique(np.stack([by.test[mine], who[mine]]), axis=1)[0], minlength=by.count)
            for mine in (outcome == 1, outcome == 0)
        ]
        self.fewer = np.minimum(*patients)
        large = (rows >= look.smallest) | (by.count == 1)
        self.enough = np.flatnonzero(large & (self.fewer >= FEW) & by.considered)

    def parts(self, feature: Grouping) -> Iterator[Part]:
        """Each part that is large enough."""
        if not len(self.enough):
            return
        before = self._counts(self.by.earlier, feature.earlier, self.look.earlier.outcome, feature.count)
        after = self._counts(self.by.test, feature.test, self.look.test.outcome, feature.count)
        overall = (before[..., 1].sum(axis=0) + 0.5) / (before.sum(axis=(0, 2)) + 1)
        rates = (before[..., 1] + overall) / (before.sum(axis=2) + 1)
        for part in self.enough.tolist():
            ranked = after[part][np.argsort(rates[part], kind="stable")]
            plain = _auc(after[part])
            auc = max(_auc(ranked), plain, 1 - plain)
            yield Part(self.by.labels[part], auc, lower_end(auc, int(self.fewer[part])))

    def _counts(self, part: Integers, value: Integers, outcome: Integers, values: int) -> Integers:
        """Rows by part, group of the feature, and outcome."""
        cell = (part * values + value) * 2 + outcome
        return np.bincount(cell, minlength=self.by.count * values * 2).reshape(self.by.count, values, 2)


def _auc(ordered: Integers) -> float:
    """The ROC-AUC of groups in order; within a group nothing is ranked."""
    negatives, positives = ordered[:, 0], ordered[:, 1]
    below = np.cumsum(negatives) - negatives
    pairs = int((positives * (2 * below + negatives)).sum())
    return pairs / (2 * int(positives.sum()) * int(negatives.sum()))


def _whole(earlier: int, test: int) -> Grouping:
    return Grouping(np.zeros(earlier, np.int64), np.zeros(test, np.int64), ("",), np.array([True]))
