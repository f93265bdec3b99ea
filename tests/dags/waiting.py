"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def until(met: Callable[[], bool]) -> None:
    """Return as soon as it is so; a minute is for a machine in trouble."""
    for _ in range(6000):
        if met():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come within a minute")


def running(pid: int) -> bool:
    """Alive, and not only waiting for somebody to take note of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
