"""Callers who ask a service without pause, a bounded time long, as HTTP clients with connections that stay do."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.serving.running import ONE

LONGEST = 120.0  # seconds in which they must have been told to stop
PAUSE = 0.01


@dataclass
class Callers:
    """`failed` are requests that a connection took and that were not answered, or by another status than 200."""

    port: int
    key: str
    number: int  # of them
    answered: list[str] = field(default_factory=list)  # the predictions' ids
    failed: list[str] = field(default_factory=list)
    refused: int = 0  # connections that were not had: nothing was asked
    stop: threading.Event = field(default_factory=threading.Event)
    ends: float = field(default_factory=lambda: time.monotonic() + LONGEST)

    def call(self) -> None:
        while not self.stop.is_set() and time.monotonic() < self.ends:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.connect()
            except OSError:
                self.refused += 1
                time.sleep(PAUSE)
                continue
            try:
                self._ask(connection)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
            finally:
                connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        """One request after the other, until the service asks for a new connection."""
        body, headers = json.dumps({"appointments": [ONE]}), {"Authorization": f"Bearer {self.key}"}
        while not self.stop.wait(PAUSE):
            connection.request("POST", "/predict", body, headers)
            found = connection.getresponse()
            raw = found.read()
            if found.status == 200:
                self.answered.append(json.loads(raw)["predictions"][0]["id"])
            else:
                self.failed.append(f"{found.status} {raw[:200]!r}")
            if found.getheader("connection") == "close":
                return

    def more(self, requests: int = 200) -> None:
        """Wait until so many more are answered."""
        wanted = len(self.answered) + requests
        while len(self.answered) < wanted:
            assert time.monotonic() < self.ends, f"{len(self.answered)} answered, {self.failed[-3:]}"
            time.sleep(PAUSE)


@contextmanager
def calling(port: int, key: str, number: int) -> Iterator[Callers]:
    found = Callers(port, key, number)
    threads = [threading.Thread(target=found.call) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.stop.set()
        for thread in threads:
            thread.join()
