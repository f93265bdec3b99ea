"""What each feature is worth: how much the ranking loses when its values are shuffled (permutation, not SHAP)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from rounds.metrics import roc_auc, tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROWS, TIMES = 8000, 3


def importance(
    names: tuple[str, ...],
    matrix: NDArray[np.float32],
    outcome: NDArray[np.integer],
    score: Callable[[NDArray[np.float32]], Floats],
    seed: int,
) -> dict[str, float]:
    """For each feature, the mean loss of ROC-AUC over a few shuffles of it, on an even sample of the rows."""
    chosen = np.unique(np.linspace(0, len(outcome) - 1, min(ROWS, len(outcome))).astype(np.int64))
    sample, happened = matrix[chosen], outcome[chosen]
    whole = float(roc_auc(tally(score(sample), happened)))
    generator = np.random.Generator(np.random.PCG64(seed))
    orders = [generator.permutation(len(chosen)) for _ in range(TIMES)]
    lost = {}
    for column, name in enumerate(names):
        shuffled = sample.copy()
        found = 0.0
        for order in orders:
            shuffled[:, column] = sample[order, column]
            found += float(roc_auc(tally(score(shuffled), happened)))
        lost[name] = whole - found / TIMES
    return lost
