"""Guards this machine's own Airflow, which asks for no password: only this machine's pages may use it.

Airflow takes any Host header, so a page whose name leads here (DNS rebinding) would be an administrator.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Send], Awaitable[None]]

LOOPBACK = re.compile(rb"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
REFUSED = b"This Airflow answers the pages of this machine alone: open it as http://127.0.0.1 or http://localhost."


class Guard:
    """ASGI middleware: refuses a foreign Host, a foreign Origin, and what another site sends."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        if scope["type"] == "lifespan" or is_own(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(REFUSED))]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": REFUSED})
        else:
            await send({"type": "websocket.close", "code": 1008})


def is_own(scope: Scope) -> bool:
    """Whether a request comes from this machine's own pages or programs."""
    hosts = _values(scope, b"host")
    if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):
        return False
    if b"cross-site" in _values(scope, b"sec-fetch-site") and not _navigates(scope):
        return False
    own = {b"http://" + hosts[0].lower(), b"https://" + hosts[0].lower()}
    return all(origin.lower() in own for origin in _values(scope, b"origin"))


def _navigates(scope: Scope) -> bool:
    """A link or a bookmark that opens a page; the other site sees nothing of it."""
    return scope.get("method") == "GET" and _values(scope, b"sec-fetch-mode") == [b"navigate"]


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


class Loopback(AirflowPlugin):
    name = "loopback"
    fastapi_root_middlewares: list[Any] = [{"name": "loopback", "middleware": Guard}]  # noqa: RUF012
