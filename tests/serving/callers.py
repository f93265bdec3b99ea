"""Callers who ask a service without pause, a bounded time long, as HTTP clients with connections that stay do."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.serving.running import ONE

LONGEST = 600.0  # seconds in which they must have been told to stop
PAUSE = 0.01  # before the next try where nobody listens


@dataclass
class Callers:
    """`failed` are requests that a connection took and that were not answered, or by another status than 200."""

    port: int
    number: int = 8  # of them; each asks about a patient of an age of its own
    rows: int = 1  # of a request
    pause: float = 0.0  # of each between two requests
    key: str = ""
    answers: list[Any] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    refused: int = 0  # connections that were not had: nothing was asked
    stop: threading.Event = field(default_factory=threading.Event)
    ends: float = field(default_factory=lambda: time.monotonic() + LONGEST)

    @property
    def ids(self) -> list[str]:
        """Of the first prediction of each answer."""
        return [answer["predictions"][0]["id"] for answer in self.answers]

    def call(self, age: int) -> None:
        body = json.dumps({"appointments": [{**ONE, "age": age}] * self.rows})
        while not self.stop.is_set() and time.monotonic() < self.ends:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.connect()
            except OSError:
                self.refused += 1
                self.stop.wait(PAUSE)
                continue
            try:
                self._ask(connection, body)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
            finally:
                connection.close()

    def _ask(self, connection: http.client.HTTPConnection, body: str) -> None:
        """One request after the other, until the service asks for a new connection."""
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        while not self.stop.wait(self.pause):
            connection.request("POST", "/predict", body, headers)
            found = connection.getresponse()
            raw = found.read()
            if found.status == 200:
                self.answers.append(json.loads(raw))
            else:
                self.failed.append(f"{found.status} {raw[:200]!r}")
            if found.getheader("connection") == "close":
                return

    def more(self, requests: int = 200) -> None:
        """Wait until so many more are answered."""
        wanted = len(self.answers) + requests
        while len(self.answers) < wanted:
            assert time.monotonic() < self.ends, f"{len(self.answers)} answered, {self.failed[-3:]}"
            time.sleep(PAUSE)


@contextmanager
def calling(port: int, number: int = 8, **words: Any) -> Iterator[Callers]:
    found = Callers(port, number, **words)
    threads = [threading.Thread(target=found.call, args=(age,)) for age in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.stop.set()
        for thread in threads:
            thread.join()
