"""`python -m serving`: the service until it is told to end; then it answers what it has, and ends."""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
import socket
import struct
import sys
import time
from types import FrameType
from typing import NoReturn

import uvicorn

from rounds import log
from rounds.errors import RoundsError
from rounds.private import keep_private
from serving.app import create_app
from serving.connections import connections
from serving.settings import read
from serving.state import State

IDLE = 75  # seconds that a connection may say nothing
LAST = 0.2  # seconds in which the last callers in the queue are taken and answered
LOOKS = 200  # at who is in the queue, or connected and has not asked yet, before they are given up
LOOK = 0.01  # seconds between two of them
MMAP_THRESHOLD, ARENA_MAX = -3, -8  # of glibc's mallopt
LARGE = 128 * 1024  # bytes; said once it no longer grows by itself
ATTACH_FILTER = 26  # the option that gives a socket of Linux a filter
NOBODY_NEW = (  # its instructions: a caller's first packet is dropped, all else of those who knocked before passes
    (0x30, 0, 0, 13),  # load the byte of flags from the packet's TCP header
    (0x45, 0, 1, 0x02),  # is SYN among them? if not, skip one
    (0x06, 0, 0, 0),  # let nothing pass
    (0x06, 0, 0, 0xFFFFFFFF),  # let all pass
)


class Server(uvicorn.Server):
    """Told to end it goes on answering for a while, each answer asking its caller to come back by a new connection."""

    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self.state, self._end = state, float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.state.draining:
            super().handle_exit(sig, frame)  # told twice: now
            return
        self.state.draining = True
        self._end = time.monotonic() + self.state.settings.drain
        log.say(f"told to end: answering for {self.state.settings.drain:g} seconds more")

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or time.monotonic() >= self._end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Nobody new; who came in last is answered before idle connections are closed."""
        listeners = [listener.fileno() for server in self.servers for listener in server.sockets]
        for listener in listeners:
            deafen(listener)
        await asyncio.sleep(LAST)
        for _ in range(LOOKS):  # counted, not timed: a machine that stood still meanwhile cuts nobody off
            if not await self._awaits(listeners):
                break
            await asyncio.sleep(LOOK)
        await super().shutdown(sockets)
        leave()

    async def _awaits(self, listeners: list[int]) -> bool:
        """Whether somebody is in the queue, or connected and has not asked."""
        if select.select(listeners, [], [], 0)[0]:
            return True
        await asyncio.sleep(0)  # those just taken from the queue are made connections, and what has come is read
        return any(connection.unheard for connection in self.server_state.connections)  # type: ignore[union-attr]


def leave() -> NoReturn:
    """All is done: what is left are threads that wait for a registry or a store, which may take days to answer."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def deafen(listener: int) -> None:
    """Let a listening socket hear no new callers, while those who wait in its queue are taken.

    Closed at once it would reset them: each believes that it is connected, and may have asked already.
    """
    if sys.platform != "linux":
        return
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in NOBODY_NEW))
    with socket.socket(fileno=os.dup(listener)) as found:
        program = struct.pack("HL", len(NOBODY_NEW), ctypes.addressof(steps))
        try:
            found.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, program)
        except OSError:  # some kernels allow it to nobody in a container: then a queue of one, to lose few
            found.listen(0)


def thrifty() -> None:
    """Let glibc give large blocks back as soon as they are free, and threads share two heaps.

    By itself it keeps what the bodies and answers of long lists took, and more after each of them.
    """
    if sys.platform == "linux" and (tell := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        tell(MMAP_THRESHOLD, LARGE)
        tell(ARENA_MAX, 2)


def main() -> int:
    keep_private()
    thrifty()
    log.start("serving", "", "text")
    try:
        settings = read()
        log.start("serving", "", settings.log)
        app = create_app(settings)
    except RoundsError as error:
        log.fail(str(error))
        return error.exit_code
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=connections(settings.connections, settings.head_seconds, settings.answer_seconds),
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        date_header=False,
        log_config=None,
        backlog=2048,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=int(settings.seconds) + 1,
    )
    try:
        Server(config, app.state).run()
    except SystemExit:  # how uvicorn ends where the start fails
        if app.state.refusal is None:
            raise
        return app.state.refusal.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
