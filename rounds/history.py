"""What an entity (a patient, a neighbourhood) did before a day: for every row of a table, and for one row alone.

Everything goes by days: appointments before the cut-off day count, later ones do not, and the order of rows never matters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import polars as pl

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# Appointments before the cut-off day and how many of them were missed; the last such day and how many were missed on it.
WORDS = ("visits", "missed", "last_day", "last_missed")
NOTHING = (0, 0, -1, 0)
BLOCK = 1 << 20


class Past(NamedTuple):
    """One entity's own history: its days in order, and the visits and misses up to the end of each."""

    days: Sequence[int] = ()
    visits: Sequence[int] = ()
    missed: Sequence[int] = ()

    def before(self, cutoff: int) -> tuple[int, int, int, int]:
        """The four numbers of `WORDS`, as `history` gives them for a row of this entity."""
        at = bisect_left(self.days, cutoff) - 1
        if at < 0:
            return NOTHING
        earlier = self.missed[at - 1] if at else 0
        return self.visits[at], self.missed[at], self.days[at], self.missed[at] - earlier


def past(records: Iterable[tuple[int, int]]) -> Past:
    """The history that these (day, missed) records make."""
    days: dict[int, list[int]] = {}
    for day, missed in records:
        days.setdefault(day, []).append(missed)
    ordered = sorted(days)
    visits = accumulate(len(days[day]) for day in ordered)
    return Past(ordered, list(visits), list(accumulate(sum(days[day]) for day in ordered)))


def history(entity: pl.Series, day: Array, missed: Array, cutoff: Array) -> Array:
    """For each row, what its entity did before its cut-off day: a column each of `WORDS`."""
    if not len(day):
        return np.empty((0, len(WORDS)), np.int32)
    first, last = int(day.min()), int(day.max())
    days = last - first + 1
    if isinstance(entity.dtype, pl.Categorical) and (int(_codes(entity).max()) + 1) * (days + 1) <= len(day) + BLOCK:
        return _from_grid(_codes(entity), days, first, day, missed, cutoff)
    return _from_order(entity, days, first, day, missed, cutoff)


def _from_grid(code: Array, days: int, first: int, day: Array, missed: Array, cutoff: Array) -> Array:
    """For few entities: what is known at each day, for every entity and day."""
    shape = (int(code.max()) + 1, days)
    cell = code.astype(np.int64) * days + (day - np.int64(first))
    visits = np.bincount(cell, minlength=shape[0] * days).reshape(shape)
    misses = np.bincount(cell[missed != 0], minlength=shape[0] * days).reshape(shape)
    last = np.maximum.accumulate(np.where(visits > 0, np.arange(days), -1), axis=1)
    grid = np.empty((shape[0], days + 1, len(WORDS)), np.int32)
    grid[:, 0] = NOTHING
    grid[:, 1:, 0] = visits.cumsum(axis=1)
    grid[:, 1:, 1] = misses.cumsum(axis=1)
    grid[:, 1:, 2] = np.where(last < 0, -1, last + first)
    grid[:, 1:, 3] = np.where(last < 0, 0, np.take_along_axis(misses, last.clip(0), axis=1))
    at = code.astype(np.int64) * (days + 1) + _offset(cutoff, first, days).astype(np.int64)
    return np.asarray(grid.reshape(-1, len(WORDS)).take(at, axis=0))


def _from_order(entity: pl.Series, days: int, first: int, day: Array, missed: Array, cutoff: Array) -> Array:
    """For many entities: the rows in the order of entity and day, in which a search finds the last day before."""
    bits = np.uint64(days.bit_length())
    key, order = _ordered(entity, bits, _offset(day, first, days))
    starts = _starts(key)
    known = key[starts]
    stops = np.append(starts[1:], len(key))
    through = np.cumsum(missed[order], dtype=np.int64)[stops - 1]
    misses = np.diff(through, prepend=0)
    opening = np.zeros(len(known), np.int64)  # where the entity's own days begin
    opens = _starts(known >> bits)
    opening[opens] = opens
    np.maximum.accumulate(opening, out=opening)
    table = np.empty((len(known) + 1, len(WORDS)), np.int32)  # what is known at the end of each entity's day
    table[0] = NOTHING
    table[1:, 0] = stops - starts[opening]
    table[1:, 1] = through - (through - misses)[opening]
    table[1:, 2] = (known & _mask(bits)).astype(np.int64) + first
    table[1:, 3] = misses

    found = np.empty((len(key), len(WORDS)), np.int32)
    for start in range(0, len(key), BLOCK):  # in the order of the key, so that neighbours search the same place
        rows = order[start : start + BLOCK]
        wanted = (key[start : start + BLOCK] & ~_mask(bits)) | _offset(cutoff[rows], first, days)
        at = np.searchsorted(known, wanted)
        at[(known[at - 1] ^ wanted) >> bits != 0] = 0
        found[rows] = table.take(at, axis=0)
    return found


def _ordered(entity: pl.Series, bits: np.uint64, offset: Array) -> tuple[Array, Array]:
    """The rows' sorted keys, each the entity above and the day in the lowest bits, and the order that sorts them."""
    if isinstance(entity.dtype, pl.Categorical):
        key = _codes(entity).astype(np.uint64) << bits | offset
        order = np.argsort(key)
        return key[order], order
    key = (entity.hash(0).to_numpy() & ~_mask(bits)) | offset
    order = np.argsort(key)
    key = key[order]
    other = entity.hash(1).to_numpy()[order]
    if bool(((other[1:] != other[:-1]) & ((key[1:] ^ key[:-1]) >> bits == 0)).any()):
        # Two entities share the upper bits of their hashes; telling them apart by text takes several times as long.
        return _ordered(entity.cast(pl.Categorical(pl.Categories.random())), bits, offset)
    return key, order


def _codes(entity: pl.Series) -> Array:
    return entity.to_physical().to_numpy()


def _starts(key: Array) -> Array:
    """Where a run of equal keys begins."""
    return np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))


def _mask(bits: np.uint64) -> np.uint64:
    return (np.uint64(1) << bits) - np.uint64(1)


def _offset(day: Array, first: int, days: int) -> Array:
    """Days counted from the first; a cut-off beyond the last day is as good as the day after it."""
    return (np.clip(day.astype(np.int64), first, first + days) - first).astype(np.uint64)
