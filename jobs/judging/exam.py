"""The exam: the rows of the last slice of time, what the model said of them, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Exam:
    """Scores and outcomes row by row; the rows of one patient, and those of one day, are not independent."""

    scores: Floats
    outcome: Integers
    clusters: Clusters
    use: Operation
    seed: int

    def of(self, rows: Flags) -> Exam:
        """The same exam for some of the rows."""
        return Exam(self.scores[rows], self.outcome[rows], self.clusters.part(rows), self.use, self.seed)

    def scored(self, scores: Floats) -> Exam:
        """The same rows, scored by something else."""
        return Exam(scores, self.outcome, self.clusters, self.use, self.seed)

    @cached_property
    def measured(self) -> Measured:
        """Every metric, with what its interval is made from."""
        return measure(self.scores, self.outcome, self.clusters, self.use, self.seed)

    @property
    def size(self) -> dict[str, int]:
        return {
            "rows": len(self.outcome),
            "with_outcome": int(self.outcome.sum()),
            "patients": self.clusters.patients,
        }
