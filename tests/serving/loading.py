"""Callers who ask without pause, as an HTTP client with connections that stay does, and remember every answer."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.serving.running import ONE, Service


@dataclass
class Load:
    """`failed` are requests that a connection took and that were not answered, or by another status than 200."""

    service: Service
    rows: int = 1
    answers: list[Any] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    refused: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def caller(self, number: int) -> None:
        body = json.dumps({"appointments": [{**ONE, "age": number}] * self.rows}).encode()
        while not self.stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
            try:
                connection.connect()
            except OSError:
                self.refused += 1  # nobody listens any more: nothing was asked
                return
            try:
                while not self.stop.is_set():
                    connection.request("POST", "/predict", body)
                    found = connection.getresponse()
                    raw = found.read()
                    if found.status != 200:
                        self.failed.append(f"{found.status} {raw[:200]!r}")
                    else:
                        self.answers.append(json.loads(raw))
                    if found.getheader("connection") == "close":
                        break
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
            finally:
                connection.close()


@contextmanager
def load(service: Service, callers: int = 8, rows: int = 1) -> Iterator[Load]:
    found = Load(service, rows)
    threads = [threading.Thread(target=found.caller, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.stop.set()
        for thread in threads:
            thread.join()
