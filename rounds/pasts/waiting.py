"""A place that may hang: whoever asks waits so long and no longer, and what hangs holds nobody else up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Answer = TypeVar("Answer")


class Waiting:
    """Each question has a thread, so that it can be left behind; `most` may be on their way at once.

    A socket's own limit starts anew with each byte: a server that trickles would never reach it.
    """

    def __init__(self, seconds: float, most: int = 4) -> None:
        self.seconds = seconds
        self._free = threading.BoundedSemaphore(most)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """The answer, or what the question raised; TimeoutError where neither came in time."""
        if not self._free.acquire(blocking=False):
            raise TimeoutError
        answer: Future[Answer] = Future()
        threading.Thread(target=self._work, args=(question, answer), name="waiting", daemon=True).start()
        return answer.result(self.seconds)

    def _work(self, question: Callable[[], Answer], answer: Future[Answer]) -> None:
        try:
            answer.set_result(question())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was asked
            answer.set_exception(error)
        finally:
            self._free.release()
