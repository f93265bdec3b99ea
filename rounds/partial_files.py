"""Partial files and folders: what a killed process leaves of a download or a write."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

PARTIAL = f".{'[0-9a-f]' * 32}"  # the name of a file or folder that is not whole yet
DAY = 86400.0


def remove_partial_files(folder: Path) -> None:
    """Remove what ended processes left: no living process takes a day for one file."""
    for partial in folder.glob(PARTIAL):
        with suppress(OSError):  # another process may be removing it too
            if time.time() - partial.stat().st_mtime > DAY:
                remove(partial)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
