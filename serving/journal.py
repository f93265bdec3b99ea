"""The journal: every answered prediction is a line on disk before its caller sees it, and later a line in the store.

The ledger of outcomes is kept by the same code.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rounds import log
from rounds.errors import Refused, RoundsError
from rounds.journal import LEDGER, key_note, same_key
from rounds.store import Store
from serving import searching
from serving.patience import silence
from serving.segments import Segment, begin, make, put
from serving.shipping import Yard

MEGABYTE = 1024 * 1024
FORGET = 6 * 3600.0
AUDIT = 300.0  # seconds between two looks at whether the store still holds what was shipped
LONG = 10.0  # seconds after which a store that is still taking a segment is told
REST = 30.0  # seconds that a store which failed is left alone

_log = logging.getLogger("rounds.journal")


class JournalFull(RoundsError):
    """The journal takes no record just now, so there must be no answer."""


class State(NamedTuple):
    """How far the store is behind: segments that it lacks, their bytes, seconds since the oldest's last line."""

    waiting: int
    bytes: int
    lag: float
    full: bool  # the last append was refused
    trouble: str  # why nothing could be shipped; empty when all is well


class Journal:
    """Appended to by any thread of this process; other processes may have the same folder."""

    def __init__(
        self,
        folder: Path,
        problem: str,
        store: Store | None,
        *,
        key: bytes,
        ledger: str = LEDGER,
        durable: bool = True,
        days: int = 0,
        store_days: int = 0,
        segment_bytes: int = 16 * MEGABYTE,
        segment_seconds: float = 300.0,
        keep_bytes: int = 1024 * MEGABYTE,
        turn: float = 1.0,
    ) -> None:
        self.durable = durable
        self.yard = Yard(
            folder / problem, problem, store, keep_bytes, days, store_days, ledger=ledger, asks=self._asks, key=key
        )
        self._bounds = (segment_bytes, segment_seconds)
        self._every = turn  # seconds between two looks at what there is to close and to ship
        self._instance, self._number = secrets.token_hex(6), 0
        self._segment: Segment | None = None
        self._day, self._begun = "", 0.0
        self._turn = threading.Lock()  # held for a write and its sync
        self._stop = threading.Event()
        self._full, self._trouble, self._rest, self._forget = False, "", 0.0, 0.0
        self._audit = 0.0
        self.lacking: list[str] = []  # what the store lost of what was shipped from here, at the last look
        self._asked = math.inf  # since when the store has been taking a segment
        self._encode = msgspec.json.Encoder().encode_lines
        self._shipper = threading.Thread(target=self._ship, name="journal", daemon=True)

    def start(self) -> None:
        """Mend what dead processes left, then close and ship in the background."""
        try:
            make(self.yard.folder)
        except OSError as error:
            told = f"{self.yard.folder.parent} cannot be made: {error.strerror}. Want a folder that may be written."
            raise Refused(f"JOURNAL_FOLDER {told}") from error
        self._same_key()
        self.yard.mend()
        self._shipper.start()

    def close(self, seconds: float = 10.0) -> None:
        """Close the segment and give the store this long to take it; what it does not take stays for the next start."""
        self._stop.set()
        self._shipper.join(seconds)
        with self._turn:
            self._retire()

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Returns when all of them are on disk (`fast`: given to the system); raises `JournalFull`, and none is."""
        if not records:
            return
        lines = self._encode(records)
        with self._turn:
            try:
                self._ready(str(records[0]["at"])[:10]).write(lines)
            except OSError as error:
                self._full = True
                raise JournalFull(
                    f"the journal in {self.yard.folder} takes no record: {os.strerror(error.errno or 0)}. "
                    "Nothing is answered unrecorded: free room there, or see that it may be written."
                ) from error
            self._full = False

    def find(self, id: str) -> dict[str, Any] | None:
        """The record of one prediction: in this folder, whichever process wrote it, or lately in the store."""
        return searching.find(self.yard, id)

    def state(self) -> State:
        """For metrics and /readyz; looks at the folder, not at the store."""
        found = []
        for path in (*self.yard.written(), *self.yard.waiting()):
            with suppress(FileNotFoundError):
                found.append(path.stat())
        found = [each for each in found if each.st_size]
        oldest = min((each.st_mtime for each in found), default=None)
        lag = 0.0 if oldest is None else max(0.0, time.time() - oldest)
        ended = not (self._stop.is_set() or self._shipper.is_alive())
        waits = silence(self._asked, LONG)
        trouble = f"the store was {waits}" if waits else self._trouble
        trouble = "what ships the journal has ended: start the service again" if ended else trouble
        return State(len(found), sum(each.st_size for each in found), lag, self._full, trouble)

    def _same_key(self) -> None:
        """A folder is written with one key: another one is refused, and the first is noted."""
        note = self.yard.folder / "key.json"
        try:
            if note.exists():
                return same_key(note.read_bytes(), str(self.yard.folder), self.yard.key)
            put(note, key_note(self.yard.key))
        except OSError as error:
            raise Refused(f"JOURNAL_FOLDER {self.yard.folder} cannot be used: {error.strerror}.") from error

    def evidence(self) -> str:
        """What the store lost of what was shipped from here, looked for now and then; called by no request."""
        if time.monotonic() >= self._audit:
            self.lacking = self.yard.lacking()
            self._audit = time.monotonic() + AUDIT
        return ". ".join(self.lacking)

    def _ready(self, day: str) -> Segment:
        """The segment that takes the next lines: a new one when the old is large, old, of another day or unsound."""
        if self._segment is not None and (self._due() or day != self._day or not self._segment.sound):
            self._retire()
        if self._segment is None:
            self._segment = begin(self.yard.folder, self._instance, self._number + 1, self.durable)
            self._number += 1
            self._day, self._begun = day, time.monotonic()
        return self._segment

    def _due(self) -> bool:
        size, seconds = self._bounds
        assert self._segment is not None
        return self._segment.size >= size or time.monotonic() - self._begun >= seconds

    def _retire(self) -> None:
        if self._segment is not None:
            self._segment.close()
            if self._segment.size == 0:
                self._number -= 1  # nothing was written: a number that is left out would look like a part that is lost
            self._segment = None

    def _ship(self) -> None:
        """Until the end, and once more then: whatever goes wrong here must not end it."""
        ending = False
        while not ending:
            ending = self._stop.wait(self._every)
            with self._turn:
                if self._segment is not None and (ending or self._full or self._due()):
                    self._retire()
            if ending or self._full or time.monotonic() >= self._rest:
                self._tidy(ending)

    def _tidy(self, ending: bool) -> None:
        forget = time.monotonic() >= self._forget
        try:
            self.yard.tidy(wait=ending, full=self._full, forget=forget)
            self._forget = time.monotonic() + FORGET if forget else self._forget
            self._say("")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the thread that ships must not end
            self._rest = time.monotonic() + REST
            self._say(self._reason(error))
        if self._full:  # nobody may ask again while it is said to be full, so look for room
            with suppress(OSError):
                put(self.yard.folder / ".room", bytes(MEGABYTE))
                (self.yard.folder / ".room").unlink()
                self._full = False

    def _reason(self, error: Exception) -> str:
        if isinstance(error, RoundsError):
            return str(error)
        return f"{self.yard.folder}: {error.strerror}" if isinstance(error, OSError) else log.withheld(error)

    def _asks(self, begins: bool) -> None:
        self._asked = time.monotonic() if begins else math.inf

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.warning(f"the journal is not shipped: {trouble}" if trouble else "the journal is shipped again")
        self._trouble = trouble
