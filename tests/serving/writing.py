"""A small program that journals: it says each id on its output only after `append` has returned."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from rounds.store import open_store
from serving.journal import Journal, JournalFull
from serving.shipping import Yard

DAY = "2026-11-21"
KEY = b"a secret of these tests that is long enough"


def line(id: str, at: str = f"{DAY}T10:00:00.000Z", **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "at": at,
        "format": 1,
        "problem": "noshow",
        "input": {"neighbourhood": "CENTRO é\n"},
        "score": 0.25,
        **more,
    }


def id_of(name: str, at: str = f"{DAY}T10:00:00.000+00:00") -> str:
    """An id as the service makes them, of a prediction at that time."""
    milliseconds = round(datetime.fromisoformat(at).timestamp() * 1000)
    return f"{milliseconds:012x}{hashlib.blake2b(name.encode(), digest_size=10).hexdigest()}"


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def journal(folder: str, store: str, **bounds: Any) -> Journal:
    """Small segments and short turns, so that closing, packing and shipping go on all the time."""
    made = Journal(
        Path(folder),
        "noshow",
        open_store(store) if store != "-" else None,
        key=KEY,
        **{"segment_bytes": 4000, "segment_seconds": 0.05, "turn": 0.01, **bounds},
    )
    made.start()
    return made


def write(folder: str, store: str, prefix: str, mode: str) -> None:
    """Batches of one to thirty lines until SIGTERM."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    target = journal(folder, store, durable=mode == "durable")
    number = itertools.count()
    while not ended:
        ids = [f"{prefix}-{next(number)}" for _ in range(random.randint(1, 30))]
        target.append([line(id) for id in ids])
        say(ids=ids)
    target.close()


def fill(folder: str, store: str, ballast: str) -> None:
    """Write until the disk is full; then take the ballast away, or wait for the store to take what lies there."""
    weight = Path(folder) / "ballast"
    weight.write_bytes(bytes(int(ballast)))
    target = journal(folder, store, segment_bytes=1 << 30, segment_seconds=3600)  # no shipped copy gives room
    number = itertools.count()
    _until(lambda: _append(target, number) == "full")
    say(full=store != "-" or target.state().full)  # the store may have made room already
    if store == "-":
        say(again=[_append(target, number) for _ in range(5)])
        weight.unlink()
    _until(lambda: not target.state().full)  # by itself: whoever is said to be full is asked nothing
    say(kept=_append(target, number))
    target.close()
    say(found=[target.find(id_of("n-0")) is not None])


def limited(folder: str, store: str, most: str) -> None:
    """As if the disk were full in the midst of a write: no file may be larger than this."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
    target = journal(folder, store, segment_bytes=1 << 30, segment_seconds=3600)
    number = itertools.count()
    _until(lambda: _append(target, number) == "full")
    say(full=True)
    _until(lambda: _append(target, number) == "kept")
    target.close()


def tidy(folder: str, store: str) -> None:
    Yard(Path(folder), "noshow", open_store(store), 1 << 30, 0, 0, key=KEY).tidy()


def _append(target: Journal, number: itertools.count[int]) -> str:
    ids = [id_of(f"n-{next(number)}") for _ in range(7)]
    try:
        target.append([line(id) for id in ids])
    except JournalFull:
        return "full"
    say(ids=ids)
    return "kept"


def _until(true: Callable[[], bool], seconds: float = 600.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end


if __name__ == "__main__":
    verbs: dict[str, Callable[..., None]] = {"write": write, "fill": fill, "limited": limited, "tidy": tidy}
    verbs[sys.argv[1]](*sys.argv[2:])
