"""A program of the product on the drill's calendar: `python -m bench.drill.clock FILE MODULE [WORDS...]`.

The product asks what time it is by `datetime.now` and `time.time`; here both answer the time of the calendar in FILE,
in the whole process. What measures durations, and the product itself, stay as they are.
A process whose parent is gone ends: a drill that was killed leaves no service behind.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import sys
import threading
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any


def set_to(file: Path, moment: datetime) -> None:
    """From now on it is this moment, and time goes on from there."""
    half = file.with_suffix(".new")
    half.write_text(repr(moment.timestamp() - time.time()), encoding="ascii")
    half.replace(file)


def go_by(file: Path) -> None:
    """Let this process go by the calendar in a file."""
    real = time.time

    def now() -> float:
        return real() + float(file.read_text(encoding="ascii"))

    def moment(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
        return cls.fromtimestamp(now(), tz)

    time.time = now
    _put(datetime, "now", classmethod(moment))


def _put(kind: type, name: str, value: Any) -> None:
    """Give a class of the interpreter another method; a class of our own in its place would be another type."""
    (members,) = (each for each in gc.get_referents(kind.__dict__) if isinstance(each, dict))
    members[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


def orphaned(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    file, name = Path(sys.argv[1]), sys.argv[2]
    sys.argv = [name, *sys.argv[3:]]
    threading.Thread(target=orphaned, args=(os.getppid(),), daemon=True).start()
    go_by(file)
    entry = importlib.import_module(name).main
    sys.exit(entry.command() if hasattr(entry, "command") else entry())


if __name__ == "__main__":
    main()
