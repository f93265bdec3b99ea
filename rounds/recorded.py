"""A ledger as it lies in the store: its parts by days, read back as records or as tables, or searched for one."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from rounds.errors import StoreError
from rounds.journal import LEDGER, place
from rounds.limits import PART, TooLarge, unpack
from rounds.store import Store

PACKED = ".jsonl.gz"
CHUNK = 64 * 1024
LEVEL = 1  # of gzip


def days(store: Store, problem: str, ledger: str = LEDGER) -> list[str]:
    """The days (UTC) that have a part of a ledger, in order."""
    return store.folders(f"{problem}/.{ledger}")


def parts(store: Store, problem: str, day: str, ledger: str = LEDGER) -> list[str]:
    """The paths of a day's parts, in order."""
    return [path for path in store.paths(f"{problem}/.{ledger}/{day}") if path.endswith(PACKED)]


def between(store: Store, problem: str, first: date, last: date, ledger: str = LEDGER) -> list[str]:
    """The paths of the parts that may hold a line of these days, both included, in order."""
    # A part lies under the day of its first line; one that was begun just before midnight holds the next day too.
    around = ((first - timedelta(days=1)).isoformat(), (last + timedelta(days=1)).isoformat())
    found = (day for day in days(store, problem, ledger) if around[0] <= day <= around[1])
    return [path for day in found for path in parts(store, problem, day, ledger)]


def lines(store: Store, path: str) -> bytes:
    """What a part says; nothing where it went by its age meanwhile."""
    packed = store.read(path)
    try:
        return b"" if packed is None else unpack(packed, PART.bytes)
    except TooLarge as error:
        raise StoreError(f"{path} unpacks to {PART}. See who wrote it.") from error


def records(store: Store, problem: str, first: date, last: date, ledger: str = LEDGER) -> Iterator[dict[str, Any]]:
    """Every line of these days, both included, part by part."""
    for path in between(store, problem, first, last, ledger):
        for line in lines(store, path).splitlines():
            record = json.loads(line)
            if first.isoformat() <= record["at"][:10] <= last.isoformat():
                yield record


def ship(
    records: Iterable[pl.DataFrame],
    store: Store,
    problem: str,
    name: str,
    ledger: str = LEDGER,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Put lines into a ledger, part by part, unless a try before did; answers how many are new."""
    there = {
        path.rsplit("/", 1)[-1] for day in days(store, problem, ledger) for path in parts(store, problem, day, ledger)
    }
    new = 0
    for number, part in enumerate(records):
        at = clock()
        path = place(problem, at.date().isoformat(), f"{name}-{number:06d}", ledger)
        if path.rsplit("/", 1)[-1] in there:
            continue
        timed = part.with_columns(pl.lit(at.isoformat(timespec="milliseconds")).alias("at"))
        store.write(path, gzip.compress(timed.write_ndjson().encode(), LEVEL, mtime=0))
        new += part.height
    return new


class Part(NamedTuple):
    """A part as a table; `trouble` says what could not be read of it, and is empty when all could."""

    table: pl.DataFrame
    trouble: str


def table(store: Store, path: str, schema: pl.Schema) -> Part:
    """The fields of a part that a schema asks for, from every line that can be read."""
    packed = store.read(path)
    if packed is None:
        return Part(pl.DataFrame(schema=schema), f"{path} is gone")
    try:
        content, whole = _unpacked(packed)
    except TooLarge:
        return Part(pl.DataFrame(schema=schema), f"{path} unpacks to {PART}")
    found, lost = _read(content, schema)
    told = [] if whole else ["ends early or is damaged"]
    told += [f"has {lost} lines that cannot be read"] if lost else []
    return Part(found, f"{path} {' and '.join(told)}" if told else "")


def moment(text: pl.Expr) -> pl.Expr:
    """When a line was written; that is always said in UTC."""
    plain = text.str.slice(0, 23).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    return plain.dt.replace_time_zone("UTC")


def _unpacked(packed: bytes) -> tuple[bytes, bool]:
    """The whole lines of a part, and whether that is all of it."""
    most = PART.bytes
    try:
        content, whole = unpack(packed, most), True
    except (EOFError, OSError, zlib.error):
        content, whole = b"", False
        reader = zlib.decompressobj(wbits=31)
        with suppress(zlib.error):
            for start in range(0, len(packed), CHUNK):
                content += reader.decompress(packed[start : start + CHUNK], most + 1 - len(content))
                if len(content) > most:
                    raise TooLarge from None
    end = content.rfind(b"\n") + 1
    return content[:end], whole and end == len(content)


def _read(content: bytes, schema: pl.Schema) -> tuple[pl.DataFrame, int]:
    """By halves where not every line can be read, so that all others are; and how many those are."""
    try:
        return pl.read_ndjson(content, schema=schema) if content else pl.DataFrame(schema=schema), 0
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        middle = content.find(b"\n", len(content) // 2) + 1
        if middle in {0, len(content)}:
            middle = content.rfind(b"\n", 0, len(content) - 1) + 1
        if middle == 0:
            return pl.DataFrame(schema=schema), 1
        (first, lost), (last, more) = _read(content[:middle], schema), _read(content[middle:], schema)
        return pl.concat([first, last]), lost + more


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
