"""How far each row pulls a figure: the influence functions of every metric, exact derivatives by the row's weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rounds.metrics import BINS, CLIP, Operation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]

NEAR = 0.02  # of the rows, on either side: those from which the share at the edge of a capacity is taken
FEWEST_NEAR = 25
STEPS = 50  # of Newton's method


@dataclass(frozen=True)
class Table:
    """Scores and what happened, row by row."""

    scores: Floats
    happened: Floats

    @cached_property
    def rows(self) -> int:
        return len(self.scores)

    @cached_property
    def positive(self) -> float:
        return float(self.happened.sum())

    @cached_property
    def tie(self) -> Integers:
        """The number of each row's score, the highest first."""
        return np.unique(-self.scores, return_inverse=True)[1]

    @cached_property
    def with_outcome(self) -> Floats:
        return np.bincount(self.tie, weights=self.happened).astype(np.float64)

    @cached_property
    def size(self) -> Floats:
        """How many rows have each score."""
        return np.bincount(self.tie).astype(np.float64)

    @cached_property
    def group(self) -> Integers:
        """The tenth of each row; rows of one score are never parted."""
        before = np.cumsum(self.size) - self.size
        tenth = np.floor(before * BINS / self.rows)
        numbers: Integers = np.unique(tenth, return_inverse=True)[1]
        return numbers[self.tie]


def mean(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / len(values))


def share(part: Floats, whole: Floats) -> Floats:
    """Of the sum of one column over that of another."""
    total = float(whole.sum())
    if not total:
        return np.full(len(part), np.nan)
    return (part - float(part.sum()) / total * whole) / total


def auc(table: Table) -> Floats:
    negative = table.size - table.with_outcome
    lacking, having = float(negative.sum()), table.positive
    if not (lacking and having):
        return np.full(table.rows, np.nan)
    beaten = (lacking - np.cumsum(negative) + negative / 2) / lacking
    beating = (np.cumsum(table.with_outcome) - table.with_outcome / 2) / having
    value = float((table.with_outcome * beaten).sum()) / having
    own = np.where(table.happened > 0, (beaten[table.tie] - value) / having, (beating[table.tie] - value) / lacking)
    return np.asarray(own)


def pr_auc(table: Table) -> Floats:
    if not table.positive:
        return np.full(table.rows, np.nan)
    called = np.cumsum(table.size)
    precision = np.cumsum(table.with_outcome) / called
    value = float((table.with_outcome * precision).sum()) / table.positive
    # A row also changes the precision at its own score and at every lower one.
    below = np.cumsum((table.with_outcome / called)[::-1])[::-1]
    lost = np.cumsum((table.with_outcome * precision / called)[::-1])[::-1]
    own = table.happened * (precision[table.tie] - value)
    return np.asarray((own + table.happened * below[table.tie] - lost[table.tie]) / table.positive)


def losses(table: Table) -> tuple[Floats, Floats]:
    """The squared error and the surprise of each row."""
    clipped = np.clip(table.scores, CLIP, 1 - CLIP)
    surprise = -np.where(table.happened > 0, np.log(clipped), np.log1p(-clipped))
    return (table.happened - table.scores) ** 2, surprise


def f1(table: Table, threshold: float) -> Floats:
    called = (table.scores >= threshold).astype(np.float64)
    return share(2 * called * table.happened, called + table.happened)


def right(table: Table, threshold: float) -> Floats:
    """Whether each row is rightly called or rightly left alone."""
    return np.asarray((table.scores >= threshold) == (table.happened > 0), np.float64)


def benefit(table: Table, threshold: float) -> Floats:
    """What calling each row is worth, if it is called."""
    price = threshold / (1 - threshold)
    return np.where(table.scores >= threshold, table.happened - (1 - table.happened) * price, 0.0)


def caught(table: Table, capacity: float) -> tuple[float, Floats]:
    """Rows with the outcome within a capacity, and how far each row moves that: one that comes in puts another out."""
    room = capacity * table.rows
    ends = np.cumsum(table.size)
    last = min(int(np.searchsorted(ends, room)), len(ends) - 1)
    part = 1 - max(float(ends[last]) - room, 0.0) / table.size[last]
    within = np.where(table.tie < last, 1.0, np.where(table.tie == last, part, 0.0))
    edge = _edge(table, last, room)
    value = float((within * table.happened).sum())
    return value, within * (table.happened - edge) + capacity * edge


def _edge(table: Table, last: int, room: float) -> float:
    """The share with the outcome among the rows about the last one that is called."""
    near = max(FEWEST_NEAR, NEAR * table.rows)
    ends = np.cumsum(table.size)
    close = (ends >= room - near) & (ends - table.size <= room + near)
    close[last] = True
    return float(table.with_outcome[close].sum() / table.size[close].sum())


def precision_at(table: Table, capacity: float) -> Floats:
    value, moved = caught(table, capacity)
    return (moved - value / table.rows) / (capacity * table.rows)


def recall_at(table: Table, capacity: float) -> Floats:
    if not table.positive:
        return np.full(table.rows, np.nan)
    value, moved = caught(table, capacity)
    return (moved - value / table.positive * table.happened) / table.positive


def gaps(table: Table) -> tuple[Floats, Floats]:
    """Of each tenth: outcomes less scores as a share of all rows; and the pulls, a column each."""
    off = (table.happened - table.scores) / table.rows
    values = np.bincount(table.group, weights=off).astype(np.float64)
    columns = np.zeros((table.rows, len(values)))
    columns[np.arange(table.rows), table.group] = off
    return values, columns - values / table.rows


def slope(table: Table) -> tuple[float, Floats]:
    """The calibration slope, and its pulls: 1 is right, below 1 the scores are too far apart."""
    clipped = np.clip(table.scores, CLIP, 1 - CLIP)
    logit = np.log(clipped) - np.log1p(-clipped)
    nothing = math.nan, np.full(table.rows, np.nan)
    if not 0 < table.positive < table.rows or logit.min() == logit.max():
        return nothing
    middle = float(logit.mean())
    x = logit - middle
    level, steep = 0.0, 1.0
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(level + steep * x + middle, -500, 500)))
        weight, off = chance * (1 - chance), table.happened - chance
        a, b, c = float(weight.sum()), float((weight * x).sum()), float((weight * x * x).sum())
        room = a * c - b * b
        if not room > 0:
            return nothing
        first, second = float(off.sum()), float((off * x).sum())
        move, turn = (c * first - b * second) / room, (a * second - b * first) / room
        level, steep = level + move, steep + turn
        if abs(move) + abs(turn) < 1e-10:
            return steep, off * (a * x - b) / room
    return nothing


def every(table: Table, use: Operation) -> dict[str, Floats]:
    """The pulls of every metric but the calibration error and slope, by name."""
    squared, surprise = losses(table)
    return {
        "auc": auc(table),
        "pr_auc": pr_auc(table),
        "f1": f1(table, use.threshold),
        "accuracy": mean(right(table, use.threshold)),
        "brier": mean(squared),
        "log_loss": mean(surprise),
        "precision_at_capacity": precision_at(table, use.capacity),
        "recall_at_capacity": recall_at(table, use.capacity),
        "net_benefit": mean(benefit(table, use.threshold)),
        "observed_over_expected": share(table.happened, table.scores),
    }
