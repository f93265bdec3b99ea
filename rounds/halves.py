"""Half-made files and folders, which a process that was killed leaves behind."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

HALF = f".{'[0-9a-f]' * 32}"  # the name of what is not whole yet
DAY = 86400.0


def remove_halves(folder: Path) -> None:
    """Remove the halves of ended processes: no process that lives takes a day for one."""
    for half in folder.glob(HALF):
        with suppress(OSError):  # another process may be removing it too
            if time.time() - half.stat().st_mtime > DAY:
                remove(half)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
