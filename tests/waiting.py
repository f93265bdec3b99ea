"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def until(met: Callable[[], Any]) -> None:
    """Return as soon as it is so; ten minutes are for a machine in trouble."""
    end = time.monotonic() + 600
    while not met():
        assert time.monotonic() < end, "it did not come within ten minutes"
        time.sleep(0.01)


def running(pid: int) -> bool:
    """Alive, and not only waiting for somebody to take note of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
