"""A folder for work in progress that goes when the step ends, and also when it was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "rounds-"


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder under `TMPDIR`; what killed steps left there is swept first."""
    base = Path(tempfile.gettempdir())
    _sweep(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    lock = os.open(folder / ".new", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / ".new").rename(folder / ".lock")  # a sweeper beside us must never see it unlocked
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(base: Path) -> None:
    """Remove the folders whose owner is gone: the kernel drops a dead process's lock."""
    for folder in base.glob(f"{PREFIX}*/.lock"):
        try:
            lock = os.open(folder, os.O_RDWR)
        except OSError:
            continue  # somebody else's, or swept this instant
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder.parent, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
