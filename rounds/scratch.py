"""A folder for work in progress that goes when the step ends, and also when it was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rounds.errors import StoreError

PREFIX = "rounds-"


@contextmanager
def scratch() -> Iterator[Path]:
    """A new folder under `TMPDIR`; what killed steps left there is swept first."""
    # Without a word tempfile goes elsewhere, at last to the working folder, when TMPDIR is full.
    base = Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
    _sweep(base)
    try:
        folder, lock = _locked(base)
    except OSError as error:
        raise StoreError(
            f"no scratch folder can be made in {base}: {error.strerror}. Make room there, or name another in TMPDIR."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(base: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        with suppress(FileNotFoundError):  # swept by a step beside us before it was locked
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _sweep(base: Path) -> None:
    """Remove the folders whose owner is gone: the kernel drops a dead process's lock."""
    for folder in base.glob(f"{PREFIX}*/"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # somebody else's, or swept this instant
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
