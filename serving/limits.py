"""What one request may take: bytes, time, a place in the queue; whoever asks for more is told at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import msgspec

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]
Body: TypeAlias = bytes | bytearray
Content: TypeAlias = bytes | list[bytes]  # a long answer is a list of pieces

# A page of ours loads its own files and nothing else, in no frame; an answer about a patient is kept by nobody.
SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"cache-control", b"no-store"),
]
JSON = (b"content-type", b"application/json")
BUSY = [(b"retry-after", b"1")]
_encode = msgspec.json.Encoder().encode


class Problem(Exception):
    """An answer that is not the one that was hoped for: its status and its sentence."""

    def __init__(self, status: int, text: str, headers: Headers | None = None, **more: Any) -> None:
        super().__init__(text)
        self.status, self.text, self.headers, self.more = status, text, headers or [], more

    @property
    def body(self) -> bytes:
        return _encode({"error": self.text, **self.more})


FREE = 64 * 1024  # bytes of a body that no budget counts, so that large bodies do not keep small ones out


class Budget:
    """How much is being worked on by now, of what may be."""

    def __init__(self, requests: int, bytes: int) -> None:
        self.requests, self.bytes = requests, bytes

    def enter(self) -> None:
        if self.requests <= 0:
            raise Problem(503, "The service has as many requests as it can take; try again in a second.", BUSY)
        self.requests -= 1

    def leave(self) -> None:
        self.requests += 1

    def grow(self, before: int, after: int) -> None:
        """Take what a body needs that has grown."""
        size = counted(after) - counted(before)
        if size > self.bytes:
            raise Problem(503, "The service has as many bytes as it can take; try again in a second.", BUSY)
        self.bytes -= size

    def give(self, size: int) -> None:
        """Give back what a body of this size has taken."""
        self.bytes += counted(size)


def counted(size: int) -> int:
    return size if size > FREE else 0


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a header, of which there is one."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


async def body(scope: Scope, receive: Receive, most: int, budget: Budget) -> Body:
    """The whole body, within its limit; the caller gives its size back to the budget."""
    told = header(scope, b"content-length")
    if told is not None and told.isdigit() and int(told) > most:
        raise too_large(most)
    content = bytearray()
    size = 0
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            part: bytes = message.get("body", b"")
            if size + len(part) > most:
                raise too_large(most)
            budget.grow(size, size + len(part))
            whole = not size
            size += len(part)
            if not message.get("more_body", False):
                return part if whole else _joined(content, part)
            content += part
    except BaseException:
        budget.give(size)
        raise


def _joined(content: bytearray, part: bytes) -> Body:
    """A large body stays as it is: a copy would take its memory twice."""
    content += part
    return bytes(content) if len(content) <= FREE else content


def too_large(most: int) -> Problem:
    return Problem(413, f"The body is larger than {most} bytes; send it in several requests.", CLOSE)


CLOSE: Headers = [(b"connection", b"close")]


async def answer(send: Send, status: int, content: Content, headers: Headers) -> None:
    """Send one whole answer; each piece of a long one is let go of once it is sent."""
    pieces = [content] if isinstance(content, bytes) else content
    length = (b"content-length", str(sum(map(len, pieces))).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    pieces.reverse()
    while len(pieces) > 1:
        await send({"type": "http.response.body", "body": pieces.pop(), "more_body": True})
    content = pieces.pop()
    await send({"type": "http.response.body", "body": content})
