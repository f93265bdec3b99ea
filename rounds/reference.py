"""What the numbers looked like when the model was made: edges and counts that later tables are held against."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from rounds import pulls
from rounds.clusters import NORMAL, Clusters
from rounds.manifest import Facts

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
PARTS = 10


def histogram(values: Array) -> Facts:
    """Few values have a bin each, and beyond them one for what was never seen; many lie in bins of about equal size.

    Those are open at both ends: no edge is anybody's smallest or largest value. Of values that are missing it says how
    many there are, if any.
    """
    lost = np.isnan(values)
    there = values[~lost]
    finite = there[np.isfinite(there)]
    distinct = np.unique(finite).astype(np.float64)
    if not len(distinct):
        each, edges = False, np.zeros(0)
    elif each := len(distinct) <= PARTS:
        first, last = (distinct[1] - distinct[0], distinct[-1] - distinct[-2]) if len(distinct) > 1 else (1.0, 1.0)
        edges = np.array([distinct[0] - first / 2, *distinct[:-1], distinct[-1] + last / 2])
    else:
        ordered = np.sort(finite)
        edges = np.unique(ordered[[len(ordered) * part // PARTS for part in range(1, PARTS)]]).astype(np.float64)
    counted = np.bincount(bins(there, edges), minlength=len(edges) + 1)
    missing = {"missing": int(lost.sum())} if lost.any() else {}
    return {"kind": "values" if each else "parts", "edges": edges.tolist(), "counts": counted.tolist(), **missing}


def counts(made: Facts) -> list[int]:
    """How many rows a histogram holds in each bin, the missing ones last."""
    return [*made["counts"], made.get("missing", 0)]


def places(values: Array, made: Facts) -> Array:
    """The bin of each value, as `counts` has them."""
    return np.where(np.isnan(values), len(made["counts"]), bins(values, np.array(made["edges"], float)))


def bins(values: Array, edges: Array) -> Array:
    """Where each value lies: at or below an edge and above the one before, or above them all."""
    return np.searchsorted(edges, values, side="left")


def effective(where: Array, parts: int, repeats: Repeats, expected: Array | None = None) -> float:
    """How many rows these are worth, since a patient's rows are alike: Rao and Scott's first correction.

    It is the mean, over the bins, of how much more their shares vary than if every row were somebody else's: around
    the expected shares, or else their own. Around the expected, one patient's many rows in a rare bin prove nothing.
    """
    rows, counted = len(where), np.bincount(where, minlength=parts)
    share = counted / max(rows, 1) if expected is None else expected
    seen = share > 0
    if not len(repeats.rows) or seen.sum() < 2:
        return float(rows)
    again = where[repeats.rows]
    alone = np.bincount(again, minlength=parts)
    together = np.square(np.bincount(repeats.codes * parts + again, minlength=repeats.patients * parts))
    squared = together.reshape(-1, parts).sum(axis=0) + counted - alone
    weighed = np.bincount(again, repeats.sizes, minlength=parts) + counted - alone
    spread = (squared - 2 * share * weighed + share**2 * repeats.squared)[seen] / share[seen]
    return rows / max(1.0, math.fsum(spread) / (rows * (int(seen.sum()) - 1)))


class Repeats:
    """The rows of whoever has more than one, found once for all features."""

    def __init__(self, who: Array) -> None:
        _, codes, sizes = np.unique(who, return_inverse=True, return_counts=True)
        self.rows = np.flatnonzero(sizes[codes] > 1)
        self.sizes = sizes[codes[self.rows]]
        _, self.codes = np.unique(codes[self.rows], return_inverse=True)
        self.patients = int(self.codes.max(initial=-1)) + 1
        self.squared = int(np.square(sizes).sum())


def whole_weeks(days: Array) -> Array:
    """Which rows lie in the newest whole weeks of these days, so that each weekday counts alike; all, if under one."""
    age = int(days.max()) - days
    weeks = (int(age.max()) + 1) // 7
    return age < weeks * 7 if weeks else np.ones(len(days), bool)


def worth(had: Array, who: Array, day: Array) -> float:
    """How many rows the outcomes are worth, as those of one patient are alike, and those of one day."""
    by_patients, rate = effective(np.asarray(had, np.int64), 2, Repeats(who)), float(np.mean(had))
    of_days = replace(Clusters.of(who, day).error(pulls.mean(np.asarray(had, np.float64))), patients=0.0)
    of_row = rate * (1 - rate)
    return of_row / (of_row / by_patients + (of_days.reach() / NORMAL) ** 2) if of_row else by_patients


def statistics(names: tuple[str, ...], matrix: Array, scores: Array, had: Array, who: Array, day: Array) -> Facts:
    """A histogram of each feature and of the calibrated scores, and the outcomes, all of the same rows.

    Training gives those of the calibrate slice, the newest that it looks at: held against the fitting slice, the score
    of a stable simulated hospital drifts in 75% of windows of 10,000 rows, since histories have grown; here in none.
    """
    repeats = Repeats(who)

    def seen(values: Array) -> Facts:
        made = histogram(values)
        worth = effective(places(values, made), len(counts(made)), repeats)
        return {**made, "effective": round(worth, 1)}

    return {
        "features": {name: seen(matrix[:, i]) for i, name in enumerate(names)},
        "scores": seen(scores),
        "outcomes": {
            "rows": len(had),
            "true": int(np.sum(had)),
            "effective": round(worth(had, who, day), 1),
        },
    }
