"""Finds one prediction in the journal: what is being written, what waits, what was shipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from rounds import recorded
from rounds.errors import Refused
from rounds.evidence import Altered, open_part
from rounds.journal import ID, NIGHTLY, SCORED, made_at
from rounds.recorded import PACKED, Ledger
from serving.shipping import Yard

Found = TypeVar("Found")

SEARCHED = 16  # parts that are read at most, here and again in the store
SLACK = timedelta(minutes=5)  # that the clock of a disk or of the store may differ from the one that made the id


def find(yard: Yard, id: str) -> dict[str, Any] | None:
    """Its record, whichever process wrote it; there is no index, so that answering costs nothing for it.

    The id says when the prediction was made, so only parts that can hold it are read, the likeliest first.
    """
    if ID.fullmatch(id) is None:
        return None
    made = made_at(id)
    if made is None and not id.startswith(NIGHTLY):
        return None
    for content in _contents(yard, made):
        if (record := recorded.search(content, id)) is not None:
            return record
    return None


def _contents(yard: Yard, made: datetime | None) -> Iterator[bytes]:
    """Segments in the order in which they move, so that one that moves meanwhile is not missed."""
    here: set[str] = set()
    if made is not None:
        for path in islice(_after(((each, _age(each)) for each in yard.written()), made), SEARCHED):
            with suppress(FileNotFoundError):
                yield path.read_bytes()
        days = _days(made)
        copies = [path for path in (*yard.waiting(), *yard.shipped()) if path.parent.name in days]
        for path in islice(_after(((each, _age(each)) for each in copies), made), SEARCHED):
            with suppress(FileNotFoundError, Altered, Refused):  # the store's copy says what is wrong
                place = yard.place(path.parent.name, path.name.removesuffix(PACKED))
                yield open_part(path.read_bytes(), place, yard.problem, yard.ledger, yard.key).lines
                here.add(path.name)
    if (ledger := yard.recorded) is None:
        return
    paths = _nightly(ledger) if made is None else _elsewhere(ledger, made, here)
    trouble: Altered | Refused | None = None
    for place in islice(paths, SEARCHED):
        try:
            opened = ledger.open(place)
        except (Altered, Refused) as error:
            trouble = error  # another part may have it
            continue
        if opened is not None:
            yield opened.lines
    if trouble is not None:
        raise trouble


def _days(made: datetime) -> list[str]:
    """A part lies under the day of its first line, and an id is made a moment before its line."""
    return [(made + timedelta(days=days)).date().isoformat() for days in (-1, 0, 1)]


def _elsewhere(ledger: Ledger, made: datetime, here: set[str]) -> Iterator[str]:
    """The parts that other instances shipped in those days, by the time at which the store took them."""
    metas = [meta for day in _days(made) for meta in ledger.store.listing(f"{ledger.root}/{day}")]
    shipped = ((meta["path"], meta["last_modified"]) for meta in metas if meta["path"].endswith(PACKED))
    others = (each for each in shipped if each[0].rsplit("/", 1)[-1] not in here)
    return (path for path in _after(others, made) if not path.rsplit("/", 1)[-1].startswith(SCORED))


def _nightly(ledger: Ledger) -> Iterator[str]:
    """The parts of the nightly lists, newest day first."""
    for day in reversed(ledger.days()):
        yield from (path for path in ledger.parts(day) if path.rsplit("/", 1)[-1].startswith(SCORED))


def _after(timed: Iterable[tuple[Found, datetime]], made: datetime) -> Iterator[Found]:
    """Those that were closed or shipped after that time, the earliest first."""
    later = [each for each in timed if each[1] >= made - SLACK]
    return (path for path, _ in sorted(later, key=itemgetter(1)))


def _age(path: Path) -> datetime:
    """When a file was written last; one that has moved meanwhile is found where it moved to."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return datetime.min.replace(tzinfo=UTC)
