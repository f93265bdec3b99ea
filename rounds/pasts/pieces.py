"""An entity's past as one piece of bytes: for each of its days the day, and the visits and misses up to its end.

Three whole numbers of 32 bits a day, little end first, days rising.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from rounds.history import NOTHING, WORDS, Past

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Asked: TypeAlias = Mapping[str, Sequence[str | None]]
Pieces: TypeAlias = Mapping[str, Sequence[bytes | None]]

ENTITY, DAY, MISSED = "entity", "day", "missed"
NUMBER = "<i4"
EMPTY = Past()


def cut(rows: pl.LazyFrame) -> Iterator[tuple[str, bytes]]:
    """Each entity and its piece, in order; `rows` has the columns entity, day (since 1970-01-01) and missed."""
    by_day = rows.group_by(ENTITY, DAY).agg(pl.len().cast(pl.Int32).alias("visits"), pl.col(MISSED).sum())
    found = by_day.sort(ENTITY, DAY).collect()
    entity = found.get_column(ENTITY)
    starts = np.flatnonzero((entity != entity.shift()).fill_null(True).to_numpy())
    lengths = np.diff(np.append(starts, len(entity)))
    numbers = np.empty((len(entity), 3), NUMBER)
    numbers[:, 0] = found.get_column(DAY).to_numpy()
    for at, name in ((1, "visits"), (2, MISSED)):
        through = np.cumsum(found.get_column(name).to_numpy(), dtype=np.int64)
        numbers[:, at] = through - np.repeat(np.append(0, through)[starts], lengths)
    whole, size = numbers.tobytes(), numbers.itemsize * 3
    for name, start, length in zip(
        entity.gather(starts), (starts * size).tolist(), (lengths * size).tolist(), strict=True
    ):
        yield name, whole[start : start + length]


def past(piece: bytes | None) -> Past:
    """A piece as a definition's history reads it."""
    if not piece:
        return EMPTY
    numbers = array("i", piece)
    if sys.byteorder == "big":
        numbers.byteswap()
    return Past(numbers[0::3], numbers[1::3], numbers[2::3])


def before(found: Sequence[bytes | None], entity: Array, cutoff: Array) -> Array:
    """For each row what its entity (by its place in `found`) did before its cut-off day: as `Past.before`, at once."""
    numbers = np.frombuffer(b"".join(piece or b"" for piece in found), NUMBER).reshape(-1, 3).astype(np.int64)
    lengths = np.array([len(piece or b"") // 12 for piece in found], np.int64)
    table = np.empty((len(numbers) + 1, len(WORDS)), np.int32)
    table[0] = NOTHING
    if not len(numbers):
        return table.take(np.zeros(len(cutoff), np.int64), axis=0)
    opening = np.repeat(np.append(0, lengths.cumsum()[:-1]), lengths)
    first = opening == np.arange(len(numbers))
    earlier = np.where(first, 0, np.append(0, numbers[:-1, 2]))
    table[1:] = np.stack([numbers[:, 1], numbers[:, 2], numbers[:, 0], numbers[:, 2] - earlier], axis=1)
    low = int(numbers[:, 0].min())
    days = int(numbers[:, 0].max()) - low + 2
    key = np.repeat(np.arange(len(found)), lengths) * days + (numbers[:, 0] - low)
    wanted = entity.astype(np.int64) * days + np.clip(cutoff.astype(np.int64) - low, 0, days - 1)
    at = np.searchsorted(key, wanted)  # the last day before the cut-off, counted from 1
    at[(at == 0) | (key[at - 1] // days != entity)] = 0
    return table.take(at, axis=0)
