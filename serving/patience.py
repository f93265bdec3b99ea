"""Questions whose answer takes long: that is said, and in the end they are given up, though somebody still trickles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

LONG = 3.0  # seconds without an answer that are told

Found = TypeVar("Found")


def silence(since: float, long: float = LONG) -> str:
    """That who was asked has not answered yet, once that is long; what hangs raises no error that could be told."""
    waited = time.monotonic() - since
    return f"asked {waited:.0f} s ago, no answer yet" if waited > long else ""


class TooLong(Exception):
    """There is no whole answer in time."""


class Patience:
    """Each question has a thread to itself, since nobody can end a read that gets a byte now and then.

    One that was given up goes on: a long download comes to its end. While any do, each of them doubles the time until
    the next question, so that days of trickling leave a dozen of threads.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._given_up: list[threading.Thread] = []
        self._last = 0.0
        self._turn = threading.Lock()

    def ask(self, question: Callable[[], Found]) -> Found:
        with self._turn:
            self._given_up = [each for each in self._given_up if each.is_alive()]
            if time.monotonic() < self._last + self.seconds * (2 ** len(self._given_up) - 1):
                raise TooLong
        found: Future[Found] = Future()
        asking = threading.Thread(target=_ask, args=(question, found), name="asking", daemon=True)
        asking.start()
        if not wait([found], self.seconds).done:
            with self._turn:
                self._given_up.append(asking)
                self._last = time.monotonic()
            raise TooLong
        return found.result()


def _ask(question: Callable[[], Found], found: Future[Found]) -> None:
    try:
        found.set_result(question())
    except BaseException as error:  # noqa: BLE001 - whoever asks gets it
        found.set_exception(error)
