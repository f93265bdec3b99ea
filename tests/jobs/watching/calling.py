"""A clinic that calls: calibrated scores, a truth that nobody sees, and calls that turn most misses into visits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from jobs.watching.performance import Rows

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@dataclass(frozen=True)
class Called:
    """What the watch sees, and what would have happened to everybody without a call."""

    rows: Rows
    truth: Array


def clinic(
    seed: int,
    patients: int = 4000,
    *,
    capacity: float = 0.2,
    chance: float = 0.8,
    works: float = 0.8,
    off: float = 0.0,
    noise: float = 0.0,
) -> Called:
    """Two rows a patient, alike; `off` moves the truth away from the scores, `noise` makes them rank worse."""
    draw = np.random.Generator(np.random.PCG64(seed))
    who = np.repeat(np.arange(patients), 2)
    margin = draw.normal(-1.5, 1.0, patients)[who] + draw.normal(0, 0.4, 2 * patients)
    score = 1 / (1 + np.exp(-margin))
    risk = 1 / (1 + np.exp(-(margin + off + draw.normal(0, noise, 2 * patients))))
    truth = (draw.random(2 * patients) < risk).astype(np.float64)
    asked = score >= np.quantile(score, 1 - capacity)
    acted = asked & (draw.random(2 * patients) < chance)
    outcome = np.where(acted & (draw.random(2 * patients) < works), 0.0, truth)
    propensity = np.where(asked, np.where(acted, chance, 1 - chance), 1.0)
    none = np.zeros(len(who), dtype=np.int64)
    day = np.arange(len(who)) % 40
    return Called(Rows(score, outcome, acted, propensity, who, day, none, none > 0), truth)
