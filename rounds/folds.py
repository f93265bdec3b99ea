"""Folds of time: learn from what came earlier, be judged on the days that followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from rounds.errors import Refused

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@dataclass(frozen=True)
class Fold:
    """Row numbers: those to learn from, all of earlier days, and those to be judged on."""

    learn: Array
    judge: Array


def folds(days: Array, who: Array, count: int, *, apart: bool) -> list[Fold]:
    """Expanding folds over whole days; `apart` leaves out of learning whoever is judged."""
    distinct, rows = np.unique(days, return_counts=True)
    before = np.cumsum(rows) - rows
    block_of_day = before * (count + 1) // max(len(days), 1)
    if len(np.unique(block_of_day)) <= count:
        raise Refused(
            f"tune.folds is {count}, which wants {count + 1} blocks of whole days of about equal size, and the fit "
            f"slice has {len(distinct)} days that do not divide so. Ask for fewer folds, or bring a table of more days."
        )
    block = block_of_day[np.searchsorted(distinct, days)]
    made = []
    for number in range(1, count + 1):
        learn, judge = np.flatnonzero(block < number), np.flatnonzero(block == number)
        if apart:
            learn = learn[~np.isin(who[learn], who[judge])]
        made.append(Fold(learn, judge))
    return made
