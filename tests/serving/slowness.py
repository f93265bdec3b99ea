"""Servers that are slow: a proxy before a real one that passes bytes on one by one, and one that says nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """`pause` seconds before each byte of an answer to a request whose first line holds `slow`; None: as they come."""

    def __init__(self, to: int) -> None:
        self.to, self.asked = to, 0
        self.pause: float | None = None
        self.slow = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.ended = threading.Event()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                self.asked += 1
                there = socket.create_connection(("127.0.0.1", self.to))
                self._sockets += [here, there]
                said: list[bytes] = [b""]
                threading.Thread(target=self._ask, args=(here, there, said), daemon=True).start()
                threading.Thread(target=self._answer, args=(there, here, said), daemon=True).start()

    def _ask(self, one: socket.socket, other: socket.socket, said: list[bytes]) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                said[0] = data.split(b"\r\n", 1)[0]
                other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)

    def _answer(self, one: socket.socket, other: socket.socket, said: list[bytes]) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                for at in range(len(data)):
                    if self.pause is None or self.slow not in said[0]:
                        other.sendall(data[at:])
                        break
                    self.ended.wait(self.pause)
                    other.sendall(data[at : at + 1])
            other.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.ended.set()
        self._listener.close()
        for each in self._sockets:
            each.close()


@contextmanager
def proxy(to: int) -> Iterator[Proxy]:
    made = Proxy(to)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def silent() -> Iterator[int]:
    """The port of somebody who takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])
