"""The bundles in the service's cache: which stay, and what goes."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from rounds.partial_files import remove, remove_partial_files

BUNDLES = 8  # kept beside those that answer: `/explain` wants the model that made a prediction


def sweep(cache: Path) -> None:
    """Remove halves of downloads, and bundles beyond the last few. Any number of processes may share the folder.

    A bundle is read into memory when it is opened, so that its files may go while it answers.
    """
    remove_partial_files(cache)
    pointers = [path.read_text(encoding="utf-8", errors="replace") for path in cache.glob("*.json")]
    bundles = [path for path in cache.glob("bundles/*") if not any(path.name in text for text in pointers)]
    for path in sorted(bundles, key=_last_used, reverse=True)[BUNDLES:]:
        with suppress(OSError):  # another process removed it
            half = cache / f".{uuid.uuid4().hex}"
            path.rename(half)  # at once: nobody sees a part of it
            remove(half)


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
