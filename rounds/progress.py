"""How far long work is: a bar on a terminal, a few plain lines with counts elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rounds import log
from rounds.settings import settings

LINES = 10


class Tick(Protocol):
    def __call__(self) -> None: ...


@contextmanager
def progress(what: str, total: int) -> Iterator[Tick]:
    """Call what this gives once a piece."""
    if sys.stdout.isatty() and settings().log == "text":
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)
        return
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if done * LINES // total > (done - 1) * LINES // total:
            log.say(f"{what} {done} of {total}")

    yield tick
