"""What anybody could say without a model: the base rate, or the rate at this lead time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]

# Lead times are pooled into groups of about equal size, so that each has a rate worth the name.
GROUPS = 20


def base_rate(earlier: Integers, rows: int) -> Floats:
    """The same answer for everybody: how often it happened before."""
    return np.full(rows, int(earlier.sum()) / len(earlier))


def nobody(outcome: Integers) -> dict[str, float]:
    """The figures of acting on nobody: this is right for every row without the outcome."""
    return {"accuracy": 1 - int(outcome.sum()) / len(outcome), "net_benefit": 0.0}


def lead_time(lead: Integers, outcome: Integers, asked: Integers) -> Floats:
    """How often it happened before to rows that were booked about as long ahead."""
    ordered = np.sort(lead)
    edges = np.unique(ordered[[len(ordered) * part // GROUPS for part in range(1, GROUPS)]])
    group = np.searchsorted(edges, lead, side="right")
    rows = np.bincount(group, minlength=len(edges) + 1)
    happened = np.bincount(group[outcome == 1], minlength=len(edges) + 1)
    overall = int(outcome.sum()) / len(outcome)
    rate = np.where(rows > 0, happened / np.maximum(rows, 1), overall)
    return np.asarray(rate[np.searchsorted(edges, asked, side="right")])
