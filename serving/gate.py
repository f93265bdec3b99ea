"""The door of the service: who may ask what, within which limits; every answer leaves through here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from msgspec import UNSET

from rounds import log
from rounds.errors import Refused
from serving import bodies, browsers
from serving.asking import Asking
from serving.inputs import fault
from serving.journal import JournalFull
from serving.keyring import Scope as KeyScope
from serving.keys import Denied
from serving.limits import (
    BUSY,
    CLOSE,
    JSON,
    SECURITY,
    Body,
    Budget,
    Content,
    Message,
    Problem,
    Receive,
    Scope,
    Send,
    answer,
    body,
    header,
)
from serving.operations import READ
from serving.outcomes import Telling
from serving.queries import wants_reasons
from serving.refusals import address
from serving.retraining import Retraining
from serving.state import State

App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
CLERK = {"/metrics", *READ}  # pages that want a key for operators
SMALL = 16 * 1024  # bytes of a body without rows


@dataclass(frozen=True)
class Route:
    """What answers bodies, which key it wants, and whether its bodies hold rows."""

    scope: KeyScope
    answer: Callable[[Any, bytes], Awaitable[Content]]
    rows: bool


class Gate:
    """ASGI: the routes about patients are answered here, all else by `pages`."""

    def __init__(self, state: State, pages: App) -> None:
        settings, asking, retraining = state.settings, Asking(state), Retraining(state)
        self.state, self.pages = state, pages
        self.routes = {
            "/predict": Route("predict", asking.predict, rows=True),
            "/explain": Route("explain", asking.explain, rows=False),
            "/outcomes": Route("outcome", Telling(state).tell, rows=True),
            "/ops/retrain": Route("operate", retraining.ask, rows=False),
        }
        self.budget = Budget(settings.concurrent, 2 * settings.body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.pages(scope, receive, send)
            return
        begun, path = time.perf_counter(), scope["path"]
        found = self.routes.get(path)
        try:
            if found is None:
                status = await self._page(scope, receive, send)
            else:
                status = await self._route(found, scope, receive, send)
        except asyncio.CancelledError:
            status = 499  # whoever asked is gone
        shown = path if found or path in KNOWN else "other"
        self.state.metrics.request(shown, status, time.perf_counter() - begun)

    async def _route(self, route: Route, scope: Scope, receive: Receive, send: Send) -> int:
        size = 0
        try:
            try:
                self.budget.enter()
                try:
                    self._check(route, scope)
                    async with asyncio.timeout(self.state.settings.seconds):
                        sent = await self._body(route, scope, receive)
                        size = len(sent)
                        answering = route.answer(sent, scope["query_string"])
                        del sent  # the route lets go of it as soon as it has been read
                        content = await answering
                finally:
                    self.budget.leave()
            except Exception as error:  # noqa: BLE001 - whatever it is, the answer is a sentence without a traceback
                problem = _problem(error)
                await answer(send, problem.status, problem.body, [JSON, *problem.headers, *self._fixed()])
                return problem.status
            await answer(send, 200, content, [JSON, *self._fixed()])
            return 200
        finally:
            self.budget.give(size)  # a long answer is as large as its body: others wait until it is sent

    def _check(self, route: Route, scope: Scope) -> None:
        """Everything that can be refused before the body is read."""
        browsers.check(scope, self.state.keys is not None)
        self._allowed(scope, route.scope)
        if route.scope == "predict" and wants_reasons(scope["query_string"]):
            self._allowed(scope, "explain")
        if scope["method"] != "POST":
            raise Problem(405, "Want POST.", [(b"allow", b"POST")])
        browsers.check_body(scope)

    async def _body(self, route: Route, scope: Scope, receive: Receive) -> Body:
        most = self.state.settings.body_bytes
        if route.rows:
            return await body(scope, receive, most, self.budget)
        sent = await body(scope, receive, min(most, SMALL), self.budget)
        if key := bodies.repeated(bytes(sent)):
            fields = [fault(key, UNSET, f"{key} once")]
            raise Problem(422, "The body has a key twice.", fields=fields)
        return sent

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> int:
        status, begun = 500, False

        async def dressed(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                given = {name for name, _ in message.get("headers", [])}
                message["headers"] = [
                    *message.get("headers", []),
                    *(pair for pair in self._fixed() if pair[0] not in given),
                ]
            await send(message)

        try:
            browsers.check(scope, self.state.keys is not None)
            if scope["path"] in CLERK:
                self._allowed(scope, "metrics" if scope["path"] == "/metrics" else "operate")
            await self.pages(scope, receive, dressed)
        except Exception as error:  # noqa: BLE001
            problem = _problem(error)
            if begun:
                return 500
            status = problem.status
            await answer(send, status, problem.body, [JSON, *problem.headers, *self._fixed()])
        return status

    def _allowed(self, scope: Scope, wanted: Any) -> None:
        if self.state.keys is not None:
            self.state.keys.allow(header(scope, b"authorization"), wanted, address(scope))

    def _fixed(self) -> list[tuple[bytes, bytes]]:
        """While the service ends, every answer asks its caller to come back by a new connection."""
        return [*SECURITY, *CLOSE] if self.state.draining else SECURITY


KNOWN = {"/", "/health", "/healthz", "/readyz", "/version", "/model", "/schema", "/metrics", "/docs", "/openapi.json"}
KNOWN |= {"/ops/health", "/watch", *READ}


def _problem(error: Exception) -> Problem:
    """What is answered; the error lets go of the frames that it passed, and so of the body in them."""
    found = _told(error)
    error.__traceback__ = error.__context__ = None
    return found


def _told(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, Denied):
        return Problem(error.status, str(error), [(b"www-authenticate", b"Bearer")] if error.status == 401 else [])
    if isinstance(error, JournalFull):
        return Problem(503, "The journal takes no record just now, and nothing is answered unrecorded.", BUSY)
    if isinstance(error, TimeoutError):
        return Problem(408, "The request took too long to arrive or to be answered.", CLOSE)
    log.fail(str(error) if isinstance(error, Refused) else log.withheld(error))
    return Problem(500, "Something went wrong here; the log of the service says where.")
