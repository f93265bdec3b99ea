"""The newest predictions of this service, for operators: keyed ids, scores and bands; no input and no feature."""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from rounds.manifest import Facts
from serving.journal import Journal
from serving.shipping import Yard

MOST = 200  # predictions that are kept in memory, and shown at most
SEGMENTS = 8  # of the journal's folder that are read after a start, the newest first
TRIES = 3  # while segments move
TAIL = 256 * 1024  # bytes at the end of a segment that are read


class Shown(msgspec.Struct):
    """What is shown of one line of the journal."""

    id: str
    at: str
    who: str | None
    model: str
    version: int
    score: float
    band: str
    history: str


_shown = msgspec.json.Decoder(Shown).decode


class Newest:
    """A recorder in front of the journal, which remembers the last records that the journal took."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._begun = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._recent: deque[Mapping[str, Any]] = deque(maxlen=MOST)
        self._before: list[Shown] | None = None

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        self._journal.append(records)
        self._recent.extend(records[-MOST:])

    def load(self) -> None:
        """Read once what the journal's folder held when this process began. It looks at files, so use a thread."""
        if self._before is None:
            self._before = list(islice(_earlier(self._journal.yard, self._begun), MOST))

    def predictions(self, limit: int) -> list[Facts]:
        """The newest first: those of this process, then those from before its start, once these are loaded."""
        recent = [msgspec.convert(record, Shown) for record in islice(reversed(self._recent.copy()), limit)]
        newest = [*recent, *(self._before or [])]
        return [msgspec.structs.asdict(each) for each in newest[:limit]]


def _earlier(yard: Yard, begun: str) -> Iterator[Shown]:
    """The predictions from before a time, the newest segment first, each from its end."""
    seen: set[str] = set()  # a segment may lie there a second time, as the part that was packed of it
    for tail in _tails(yard):
        for line in reversed(tail.splitlines()):
            with suppress(msgspec.DecodeError, UnicodeDecodeError):  # the cut line at the beginning of a tail
                shown = _shown(line)
                if shown.at < begun and shown.id not in seen:
                    seen.add(shown.id)
                    yield shown


def _tails(yard: Yard) -> list[bytes]:
    """The ends of the newest segments; looked for again where one was packed or shipped meanwhile."""
    for _ in range(TRIES):
        paths = [*yard.written(), *yard.waiting(), *yard.shipped()]
        tails = [_tail(path) for path in sorted(paths, key=_changed, reverse=True)[:SEGMENTS]]
        if None not in tails:
            break
    return [tail for tail in tails if tail is not None]


def _tail(path: Path) -> bytes | None:
    """The last lines of a segment; None where it has moved."""
    try:
        content = path.read_bytes() if path.suffix == ".gz" else _end(path)
        return gzip.decompress(content)[-TAIL:] if path.suffix == ".gz" else content
    except FileNotFoundError:
        return None
    except (OSError, EOFError, zlib.error):  # it is damaged, or cannot be read
        return b""


def _end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
