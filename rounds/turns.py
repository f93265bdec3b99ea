"""One at a time: whoever changes what lies outside the store claims a turn in it, and a killed holder's turn ends."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rounds import log
from rounds.errors import RegistryError
from rounds.store import Store

LEASE = 120.0  # seconds without a sign of life, as whoever waits has seen it: clocks of two machines need not agree
BEAT = 10.0
GLANCE = 0.1


@dataclass
class Turn:
    """The right to act; `left` is what the holder before had noted and not finished."""

    store: Store
    path: str
    left: str = ""
    noted: str = ""
    beaten: float = field(default_factory=time.monotonic)

    def note(self, text: str) -> None:
        """Say what is begun, for whoever comes after if this process is killed."""
        self._still_ours()
        self.noted = text
        self.store.write(self.path, _claim(text))
        self.beaten = time.monotonic()

    def beat(self) -> None:
        """A sign of life, where the last one is some time ago."""
        if time.monotonic() - self.beaten > BEAT:
            self.note(self.noted)

    def _still_ours(self) -> None:
        """Whoever was silent for longer than the lease may have been passed: then nothing more is written."""
        folder = self.path.rpartition("/")[0]
        if max(self.store.paths(folder)) > self.path:
            raise RegistryError("another run took its turn at the registry meanwhile. Run this step again.")


@contextmanager
def at_the_registry(store: Store, problem: str) -> Iterator[Turn]:
    """Nobody else writes to MLflow for this problem meanwhile."""
    with turn(store, f"{problem}/.registry/turns") as held:
        yield held


@contextmanager
def turn(store: Store, folder: str, lease: float = LEASE) -> Iterator[Turn]:
    """Wait until nobody else holds it. Claims are numbered and never taken back, so that two cannot take one over."""
    held = _wait(store, folder, lease)
    try:
        yield held
    except BaseException:
        store.write(held.path, _claim(held.noted, ended=True))
        raise
    store.write(held.path, _claim("", ended=True))
    store.delete([path for path in store.paths(folder) if path < held.path])


def _wait(store: Store, folder: str, lease: float) -> Turn:
    seen, since, told = b"", time.monotonic(), False
    while True:
        last = max(store.paths(folder), default=None)
        raw = store.read(last) if last else b""
        if raw is None:
            continue  # it has just ended, and a later one has removed it
        if raw != seen:
            seen, since = raw, time.monotonic()
        before: dict[str, Any] = json.loads(raw) if raw else {"ended": True}
        if before["ended"] or _is_dead(before) or time.monotonic() - since > lease:
            taken = _take(store, folder, last, str(before.get("note", "")))
            if taken is not None:
                return taken
        else:
            if not told:
                log.say("waits for another run that is at the registry")
            told = True
            time.sleep(GLANCE)


def _take(store: Store, folder: str, last: str | None, note: str) -> Turn | None:
    """The claim after the last one, unless others went past it while we looked."""
    path = f"{folder}/{int(Path(last).stem) + 1 if last else 1:08d}.json"
    if not store.claim(path, _claim(note)):
        return None
    if max(store.paths(folder)) == path:
        return Turn(store, path, note, note)
    store.delete([path])
    return None


def _claim(note: str, *, ended: bool = False) -> bytes:
    holder = {"where": _where(), "process": os.getpid(), "beat": time.time_ns()}
    return json.dumps({**holder, "note": note, "ended": ended}).encode()


def _where() -> str:
    """This machine, and the container on it: process numbers mean something only within."""
    try:
        return f"{platform.node()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    if holder["where"] != _where():
        return False
    try:
        os.kill(holder["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
