"""The exam: the rows of the last slice of time, what the model said of them, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rounds.clusters import Clusters
from rounds.intervals import Measured, measure
from rounds.metrics import Operation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]
    Flags = NDArray[np.bool_]


OF_CAPACITY = ("precision_at_capacity", "recall_at_capacity")


@dataclass(frozen=True)
class Exam:
    """Scores and outcomes row by row; the rows of one patient, and those of one day, are not independent.

    `can` marks the rows that can be called before the day: the figures at capacity are over these rows alone.
    """

    scores: Floats
    outcome: Integers
    clusters: Clusters
    can: Flags
    use: Operation
    seed: int

    def of(self, rows: Flags) -> Exam:
        """The same exam for some of the rows."""
        clusters = self.clusters.part(rows)
        return Exam(self.scores[rows], self.outcome[rows], clusters, self.can[rows], self.use, self.seed)

    def scored(self, scores: Floats) -> Exam:
        """The same rows, scored by something else."""
        return Exam(scores, self.outcome, self.clusters, self.can, self.use, self.seed)

    @cached_property
    def measured(self) -> Measured:
        """Every metric, with what its interval is made from."""
        whole = measure(self.scores, self.outcome, self.clusters, self.use, self.seed)
        if self.can.all() or not self.can.any():
            return whole
        calls, values, pulls = self.of(self.can).measured, dict(whole.values), dict(whole.pulls)
        for name in OF_CAPACITY:
            values[name] = calls.values[name]
            pulls[name] = np.zeros(len(self.scores))
            pulls[name][self.can] = calls.pulls[name]
        return replace(whole, values=values, pulls=pulls)

    @property
    def size(self) -> dict[str, int]:
        return {
            "rows": len(self.outcome),
            "with_outcome": int(self.outcome.sum()),
            "patients": self.clusters.patients,
        }
