"""The copies of published histories on this machine: who has one open, and which may go.

A copy holds identifiers, so copies must not pile up. Several processes may share the folder.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from rounds.partial_files import remove_partial_files

SUFFIX = ".sqlite"
SPARE = 1  # copies that are kept beside those in use


def hold(path: Path) -> int:
    """A descriptor that marks the copy as in use, for as long as it is open.

    Raises FileNotFoundError where the copy was removed meanwhile.
    """
    file = os.open(path, os.O_RDONLY)
    with suppress(OSError):  # a file system without locks: then `sweep` removes nothing either
        fcntl.flock(file, fcntl.LOCK_SH)
    if not os.fstat(file).st_nlink:
        os.close(file)
        raise FileNotFoundError(f"{path} was removed")
    return file


def sweep(folder: Path) -> None:
    """Remove the copies that nobody has open and no pointer names, but for the one that was in use last."""
    remove_partial_files(folder)
    pointers = [path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("*.json")]
    copies = [path for path in folder.glob(f"*{SUFFIX}") if not any(path.stem in text for text in pointers)]
    for path in sorted(copies, key=_last_used, reverse=True)[SPARE:]:
        _remove_unused(path)


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process removed it
        return 0.0


def _remove_unused(path: Path) -> None:
    with suppress(OSError):  # in use, or removed already
        file = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(file)
