"""The exam: the rows of the last slice of time, what the model said of them, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rounds.intervals import Resamples, resample
from rounds.metrics import Operation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Exam:
    """Scores and outcomes row by row; `who` numbers the people, whose rows are never independent."""

    scores: Floats
    outcome: Integers
    who: Integers
    use: Operation
    resamples: int
    seed: int

    def of(self, rows: Flags) -> Exam:
        """The same exam for some of the rows."""
        return self._with(self.scores[rows], self.outcome[rows], self.who[rows])

    def scored(self, scores: Floats) -> Exam:
        """The same rows, scored by something else."""
        return self._with(scores, self.outcome, self.who)

    def take(self) -> Resamples:
        """Every metric, with its resamples."""
        _, who = np.unique(self.who, return_inverse=True)
        return resample(self.scores, self.outcome, who, self.use, self.resamples, self.seed)

    @property
    def size(self) -> dict[str, int]:
        return {
            "rows": len(self.outcome),
            "with_outcome": int(self.outcome.sum()),
            "patients": len(np.unique(self.who)),
        }

    def _with(self, scores: Floats, outcome: Integers, who: Integers) -> Exam:
        return Exam(scores, outcome, who, self.use, self.resamples, self.seed)
