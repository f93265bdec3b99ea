"""Rows in groups by the value of one feature; where to cut is learnt from the earlier rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.integer]
    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Grouping:
    """The group of each earlier row and of each test row, what each group is called, and which are judged as parts."""

    earlier: Integers
    test: Integers
    labels: tuple[str, ...]
    considered: NDArray[np.bool_]

    @property
    def count(self) -> int:
        return len(self.labels)


def group(name: str, earlier: Floats, test: Floats, values: int, groups: int) -> Grouping:
    """Each value a group of its own, or groups of about equal size where there are more values than that."""
    distinct = np.unique(earlier)
    if len(distinct) <= values:
        edges = distinct[1:]
        labels = tuple(f"{name} {value:g}" for value in distinct.tolist())
    else:
        ordered = np.sort(earlier)
        edges = np.unique(ordered[[len(ordered) * part // groups for part in range(1, groups)]])
        labels = tuple(_ranges(name, edges.tolist()))
    before, tested = (np.searchsorted(edges, side, side="right") for side in (earlier, test))
    return Grouping(before, tested, labels, np.ones(len(labels), bool))


def group_by_usual(name: str, earlier: Floats, test: Floats) -> Grouping | None:
    """The rows that have not the usual value, where more than half have it: a leak may be filled in for a few only."""
    distinct, rows = np.unique(earlier, return_counts=True)
    most = int(np.argmax(rows))
    if 2 * int(rows[most]) <= len(earlier):
        return None
    before, tested = ((side != distinct[most]).astype(np.int64) for side in (earlier, test))
    labels = (f"{name} {distinct[most]:g}", f"{name} other than {distinct[most]:g}")
    return Grouping(before, tested, labels, np.array([False, True]))


def _ranges(name: str, edges: list[float]) -> Iterator[str]:
    yield f"{name} below {edges[0]:g}"
    for low, high in pairwise(edges):
        yield f"{name} from {low:g} to below {high:g}"
    yield f"{name} from {edges[-1]:g}"
