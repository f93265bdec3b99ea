"""What an entity (a patient, a neighbourhood) did before a day: for every row of a table, and for one row alone.

Everything goes by days: appointments before the cut-off day count, later ones do not; the order of rows never matters.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import polars as pl

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

# Appointments before the cut-off day, how many of them were missed; the last such day, how many were missed on it.
WORDS = ("visits", "missed", "last_day", "last_missed")
NOTHING = (0, 0, -1, 0)
PART = 1 << 21  # rows at a time: bounds the memory, and a part's numbers stay near the processor


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


class Span(NamedTuple):
    """The days of a table, counted from the first."""

    first: int
    days: int

    def offset(self, day: Array) -> Array:
        """A cut-off outside is as good as the first day, or the day after the last."""
        return (np.clip(day.astype(np.int64), self.first, self.first + self.days) - self.first).astype(np.uint64)

    @property
    def bits(self) -> np.uint64:
        return np.uint64(self.days.bit_length())


def history(entity: pl.Series, day: Array, missed: Array, cutoff: Array) -> Array:
    """For each row, what its entity did before its cut-off day: a column each of `WORDS`."""
    if not len(day):
        return np.empty((0, len(WORDS)), np.int32)
    span = Span(int(day.min()), int(day.max()) - int(day.min()) + 1)
    if not isinstance(entity.dtype, pl.Categorical):
        low, check = entity.hash(0).to_numpy(), entity.hash(1).to_numpy()
        found = _in_parts(low, low >> span.bits, check, span, day, missed, cutoff)
        if found is not None:
            return found
        # Two entities look alike by their hashes; telling them apart by their text takes several times as long.
        entity = entity.cast(pl.Categorical(pl.Categories.random()))
    code = entity.to_physical().to_numpy().astype(np.uint64)
    if (int(code.max()) + 1) * (span.days + 1) <= len(day) + PART:
        return _from_grid(code.astype(np.int64), span, day, missed, cutoff)
    found = _in_parts(code, code, code, span, day, missed, cutoff)
    assert found is not None
    return found


def _from_grid(code: Array, span: Span, day: Array, missed: Array, cutoff: Array) -> Array:
    """For few entities: what is known at each day, for every entity and day."""
    shape = (int(code.max()) + 1, span.days)
    cell = code * span.days + (day - np.int64(span.first))
    visits = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    misses = np.bincount(cell[missed != 0], minlength=shape[0] * shape[1]).reshape(shape)
    last = np.maximum.accumulate(np.where(visits > 0, np.arange(span.days), -1), axis=1)
    grid = np.empty((shape[0], span.days + 1, len(WORDS)), np.int32)
    grid[:, 0] = NOTHING
    grid[:, 1:, 0] = visits.cumsum(axis=1)
    grid[:, 1:, 1] = misses.cumsum(axis=1)
    grid[:, 1:, 2] = np.where(last < 0, NOTHING[2], last + span.first)
    grid[:, 1:, 3] = np.where(last < 0, NOTHING[3], np.take_along_axis(misses, last.clip(0), axis=1))
    at = code * (span.days + 1) + span.offset(cutoff).astype(np.int64)
    return np.asarray(grid.reshape(-1, len(WORDS)).take(at, axis=0))


def _in_parts(
    low: Array, name: Array, check: Array, span: Span, day: Array, missed: Array, cutoff: Array
) -> Array | None:
    """For many entities, some of them at a time; nothing if two entities have one name."""
    found = np.empty((len(day), len(WORDS)), np.int32)
    part = (low & np.uint64((1 << (len(day) // PART).bit_length()) - 1)).astype(np.uint16)
    by_part, ends = np.argsort(part, kind="stable"), np.cumsum(np.bincount(part))
    for rows in np.split(by_part, ends[:-1]):
        key = name[rows] << span.bits | span.offset(day[rows])
        order = np.argsort(key)
        key, ordered = key[order], rows[order]
        if _mixed(key >> span.bits, check[ordered]):
            return None
        if len(rows):
            found[ordered] = _from_order(key, span, missed[ordered], span.offset(cutoff[ordered]))
    return found


def _from_order(key: Array, span: Span, missed: Array, cutoff: Array) -> Array:
    """With each row's entity and day in a sorted key, a search finds the last day before its cut-off."""
    starts = _starts(key)
    known = key[starts]
    stops = np.append(starts[1:], len(key))
    through = np.cumsum(missed, dtype=np.int64)[stops - 1]
    misses = np.diff(through, prepend=0)
    opening = np.zeros(len(known), np.int64)  # where the entity's own days begin
    opens = _starts(known >> span.bits)
    opening[opens] = opens
    np.maximum.accumulate(opening, out=opening)
    table = np.empty((len(known) + 1, len(WORDS)), np.int32)  # what is known at the end of each entity's day
    table[0] = NOTHING
    table[1:, 0] = stops - starts[opening]
    table[1:, 1] = through - (through - misses)[opening]
    table[1:, 2] = (known & ~(~np.uint64(0) << span.bits)).astype(np.int64) + span.first
    table[1:, 3] = misses
    wanted = (key >> span.bits << span.bits) | cutoff
    at = np.searchsorted(known, wanted)
    at[(known[at - 1] ^ wanted) >> span.bits != 0] = 0
    return table.take(at, axis=0)


def _mixed(name: Array, check: Array) -> bool:
    return bool(((check[1:] != check[:-1]) & (name[1:] == name[:-1])).any())


def _starts(key: Array) -> Array:
    """Where a run of equal keys begins."""
    return np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
