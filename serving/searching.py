"""Finds one prediction in the journal: what is being written, what waits, what was shipped."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import Any

from rounds import recorded
from rounds.store import Store
from serving.shipping import Yard

SEARCHED = 64  # packed segments at most, here and again in the store: one asks about what was just answered


def find(yard: Yard, id: str) -> dict[str, Any] | None:
    """Its record, whichever process wrote it; there is no index, so that answering costs nothing for it."""
    for content in _contents(yard):
        if (record := recorded.search(content, id)) is not None:
            return record
    return None


def _contents(yard: Yard) -> Iterator[bytes]:
    """Segments in the order in which they move, so that one that moves meanwhile is not missed."""
    for path in reversed(yard.written()):
        with suppress(FileNotFoundError):
            yield path.read_bytes()
    here = set()
    copies = chain(reversed(yard.waiting()), reversed(yard.shipped()))
    for path in islice(copies, SEARCHED):
        with suppress(FileNotFoundError):
            yield gzip.decompress(path.read_bytes())
            here.add(path.name)
    if yard.store is not None:
        for place in islice(_elsewhere(yard.store, yard.problem, here), SEARCHED):
            yield recorded.lines(yard.store, place)


def _elsewhere(store: Store, problem: str, here: set[str]) -> Iterator[str]:
    """The parts that other instances shipped, newest day first."""
    for day in reversed(recorded.days(store, problem)):
        yield from (place for place in recorded.parts(store, problem, day) if place.rsplit("/", 1)[-1] not in here)
