"""The journal as it lies in the store: read back by days, or searched for one prediction."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from rounds.store import Store


def days(store: Store, problem: str) -> list[str]:
    """The days (UTC) that have a part of the journal, in order."""
    return store.folders(f"{problem}/.journal")


def parts(store: Store, problem: str, day: str) -> list[str]:
    """The paths of a day's parts, in order."""
    return [path for path in store.paths(f"{problem}/.journal/{day}") if path.endswith(".jsonl.gz")]


def lines(store: Store, path: str) -> bytes:
    """What a part says; nothing where it went by its age meanwhile."""
    packed = store.read(path)
    return b"" if packed is None else gzip.decompress(packed)


def records(store: Store, problem: str, first: date, last: date) -> Iterator[dict[str, Any]]:
    """Every prediction that was answered on these days, both included, part by part."""
    # A part lies under the day of its first record; one that was begun just before midnight holds the next day too.
    around = ((first - timedelta(days=1)).isoformat(), (last + timedelta(days=1)).isoformat())
    for day in (day for day in days(store, problem) if around[0] <= day <= around[1]):
        for path in parts(store, problem, day):
            for line in lines(store, path).splitlines():
                record = json.loads(line)
                if first.isoformat() <= record["at"][:10] <= last.isoformat():
                    yield record


def search(content: bytes, id: str) -> dict[str, Any] | None:
    """The record of one prediction among lines, of which the last may be torn."""
    needle = json.dumps(id).encode()
    at = content.find(needle)
    while at >= 0:
        start, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
        if end < 0:
            return None
        record: dict[str, Any] = json.loads(content[start:end])
        if record["id"] == id:
            return record
        at = content.find(needle, end)
    return None
