"""A child process that does not outlive its parent, not even a parent that was killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
TIDY = 30  # seconds that a child which was asked to end may take


@contextlib.contextmanager
def started(
    command: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    output: IO[str] | int = subprocess.PIPE,
    last: signal.Signals = signal.SIGKILL,
) -> Iterator[subprocess.Popen[str]]:
    """Run an argv in a session of its own, output and errors as one stream.

    `last` is the signal that it gets when we leave early, by an exception or by being killed ourselves.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        preexec_fn=_bond(last),
    )
    with process:
        try:
            yield process
        except BaseException:
            end(process, last)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TIDY)
            end(process, signal.SIGKILL)
            raise


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """What the child writes, as it writes it."""
    if process.stdout is None:
        raise ValueError("the child's output is not a pipe; want one made by `started`")
    for line in process.stdout:
        yield line.rstrip("\r\n")


def end(process: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM) -> None:
    """Signal the child and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def _bond(last: signal.Signals) -> Callable[[], None] | None:
    """On Linux the kernel ends the child when its parent is gone; elsewhere it falls over its next line."""
    if sys.platform != "linux":
        return None
    return partial(
        _die_with, os.getpid(), ctypes.CDLL(None).prctl, last
    )  # looked up here: a fork must not load libraries


def _die_with(parent: int, prctl: Callable[[int, int], int], last: signal.Signals) -> None:
    if last == signal.SIGINT:  # a shell lets what it starts in the background ignore it
        signal.signal(last, signal.SIG_DFL)
    prctl(PR_SET_PDEATHSIG, last)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)
