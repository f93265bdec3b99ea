"""A connection with a caller: uvicorn's own, with limits where uvicorn has none.

By itself it waits for a request's line and headers for ever, takes any number of their bytes and of connections, and
keeps an answer for a caller that does not read it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.limits import BUSY, CLOSE, Headers, Problem

HEAD_BYTES = 64 * 1024
AHEAD = 16  # requests that a caller may send before it is answered


class Connection(HttpToolsProtocol):
    """Closed when no whole request has begun in time; who comes when all places are taken is told so."""

    most: int  # connections at once
    seconds: float  # until a request's headers are there
    reading: float  # seconds until an answer that waits for its caller has been read

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._heading, self._head = True, 0  # whether a request's line and headers are awaited, and their bytes
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None  # `cycle` is the one whose request came last

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(b"503 Service Unavailable", "The service has as many connections as it can take.", BUSY)
        else:
            self._wait(self.seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        self._read()
        self._stop_running()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._heard()
            return
        if self._heading:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                text = f"The headers are larger than {HEAD_BYTES} bytes."
                self._refuse(b"431 Request Header Fields Too Large", text, [])
        self._wait(self.seconds if self._heading else self.timeout_keep_alive)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reader()
        elif not self.flow.write_paused:
            self._read()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)
            self._await_reader()

    def timeout_keep_alive_handler(self) -> None:
        """To close waits for what was not read yet, and a caller that says nothing may never read it."""
        if self.transport.get_write_buffer_size():
            self._abort()
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._heading = True

    def on_headers_complete(self) -> None:
        self._heading = False
        if not self.flow.write_paused:
            self._read()
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # the parser takes nothing more from this connection
        if len(self.pipeline) > AHEAD:
            self._abort()
            raise ConnectionAbortedError  # so that the rest of what came is not read

    @property
    def unheard(self) -> bool:
        """Its caller's first request, or the headers of a later one, are still to come."""
        return not self.transport.is_closing() and (self.cycle is None or self._head > 0)

    def _wait(self, seconds: float) -> None:
        if self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _heard(self) -> None:
        self._head = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _await_reader(self) -> None:
        """Give up a caller that does not read; it has this long for the whole of an answer, however it reads."""
        if self._unread is None and self in self.connections:
            self._unread = self.loop.call_later(self.reading, self._drop)

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _drop(self) -> None:
        self._unread = None
        if self.flow.write_paused or self.transport.get_write_buffer_size():
            self._abort()

    def _abort(self) -> None:
        self._stop_running()
        self.transport.abort()

    def _stop_running(self) -> None:
        """What is answered now writes to nobody; of itself uvicorn tells that the last request alone."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _refuse(self, status: bytes, text: str, headers: Headers) -> None:
        """Before there is a request that the application could answer."""
        if self.transport.is_closing():
            return
        content = Problem(0, text).body
        told = [*headers, *CLOSE, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        lines = [b"HTTP/1.1 " + status, *(name + b": " + value for name, value in told), b"", content]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()
        self._await_reader()


def connections(places: int, wait: float, read: float) -> type[Connection]:
    """What uvicorn makes for each caller."""

    class Limited(Connection):
        most = places
        seconds = wait
        reading = read

    return Limited
