"""One trial: the knobs that were tried and how they did on each fold."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rounds.manifest import Facts

# How each score is read: 1 where more is better.
SIGNS = {"roc_auc": 1, "log_loss": -1}


@dataclass(frozen=True)
class Trial:
    knobs: Facts
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        return math.fsum(self.scores) / len(self.scores)

    @property
    def deviation(self) -> float:
        return math.sqrt(math.fsum((score - self.mean) ** 2 for score in self.scores) / len(self.scores))


def ranked(trials: list[Trial], score: str) -> list[tuple[int, int, Trial]]:
    """Rank, number and trial, the best first; equal means share a rank, and the one tried first leads."""
    sign = SIGNS[score]
    order = sorted(enumerate(trials, 1), key=lambda item: (-sign * item[1].mean, item[0]))
    return [
        (1 + sum(sign * other.mean > sign * trial.mean for other in trials), number, trial) for number, trial in order
    ]


def table(trials: list[Trial], score: str) -> list[Facts]:
    """The trials as JSON, the best first."""
    return [
        {
            "rank": rank,
            "number": number,
            "knobs": trial.knobs,
            "scores": list(trial.scores),
            "mean": trial.mean,
            "deviation": trial.deviation,
        }
        for rank, number, trial in ranked(trials, score)
    ]
