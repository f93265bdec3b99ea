"""Refused logins in the log: one line a minute for each caller, so that a flood does not fill the disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from serving.limits import Scope

MINUTE = 60.0
CALLERS = 20  # that get a line in one minute; the others are counted


class Refusals:
    """At most `CALLERS` lines a minute, and one that counts what was left out."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._seen: set[tuple[str, str]] = set()
        self._omitted = 0
        self._ends = 0.0

    def log(self, name: str, address: str, reason: str) -> None:
        """`name` is that of the key, empty where it is not known; the key itself never comes here."""
        self._turn_page()
        caller = (name, address)
        if caller in self._seen or len(self._seen) >= CALLERS:
            self._omitted += 1
            return
        self._seen.add(caller)
        self._log.warning(f"a login from {address or 'an unknown address'} was refused: {reason}")

    def _turn_page(self) -> None:
        now = self._clock()
        if now < self._ends:
            return
        if self._omitted:
            self._log.warning(f"{self._omitted} more logins were refused and not logged one by one")
        self._seen.clear()
        self._omitted = 0
        self._ends = now + MINUTE


def address(scope: Scope) -> str:
    """Where a request came from; empty where the server cannot tell."""
    client = scope.get("client")
    return str(client[0]) if client else ""
