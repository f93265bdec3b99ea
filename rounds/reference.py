"""What the numbers looked like when the model was made: edges and counts that later tables are held against."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from rounds.manifest import Facts

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
PARTS = 10


def histogram(values: Array) -> Facts:
    """Rows in bins of about equal size, open at both ends: no edge is anybody's smallest or largest value."""
    distinct = np.unique(values)
    if len(distinct) <= PARTS:
        edges = distinct[:-1]
    else:
        ordered = np.sort(values)
        edges = np.unique(ordered[[len(ordered) * part // PARTS for part in range(1, PARTS)]])
    return {"edges": edges.astype(np.float64).tolist(), "counts": counts(values, edges).tolist()}


def counts(values: Array, edges: Array) -> Array:
    """How many values lie at or below each edge and above the one before; the last count is of those above all."""
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)


def statistics(names: tuple[str, ...], matrix: Array, scores: Array) -> Facts:
    """A histogram of each feature on the fitting slice, and of the calibrated scores on the slice after it."""
    return {
        "features": {name: histogram(matrix[:, i]) for i, name in enumerate(names)},
        "scores": histogram(scores),
    }
