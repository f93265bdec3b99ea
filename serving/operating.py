"""The routes under /ops that only tell: facts as JSON, and the watch's reports as pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from rounds import log
from rounds.errors import StoreError
from serving import about, operations
from serving.browsers import is_loopback
from serving.keys import Denied
from serving.limits import BUSY, Problem
from serving.newest import MOST
from serving.retraining import LONGEST
from serving.state import State

# A report brings its style along, and Evidently's its scripts: in a sandbox, where they reach no service.
PAGE = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; "
)
POLICIES = {
    "report": f"{PAGE}sandbox",
    "report/evidently": f"{PAGE}script-src 'unsafe-inline' 'unsafe-eval'; sandbox allow-scripts",
}
FAILED = {"application/json": {"schema": about.FAILED}}
NO_REPORT = {404: "There is no such report yet", 503: "The store cannot be reached"}


LIMIT = 50  # of the newest predictions that are listed, where the query says nothing
HERE = {"127.0.0.1", "::1"}


def add(app: FastAPI, state: State) -> None:
    for path, (tell, summary) in operations.TOLD.items():
        if tell is operations.predictions:
            _lists(app, state, path, summary)
        else:
            _tells(app, state, path, tell, summary)
    for path, name in operations.REPORTS.items():
        _shows(app, state, path, name)


def operates(state: State, asked: Request) -> bool:
    """Whether whoever asks may know why something is not well, and where it is: operators, and who is on this machine.

    A pod is a machine of its own: what its probe is told stands in its events. A page in a browser of this machine
    whose own name leads here asks by that name.
    """
    host = asked.headers.get("host", "").encode("latin-1")
    if state.keys is None or (asked.client is not None and asked.client.host in HERE and is_loopback(host)):
        return True
    header = asked.headers.get("authorization")
    if header is None:
        return False  # a probe, which carries no key: no refused login
    try:
        state.keys.allow(header, "operate", asked.client.host if asked.client else "")
    except Denied:
        return False
    return True


def _tells(app: FastAPI, state: State, path: str, tell: Callable[[State], dict[str, Any]], summary: str) -> None:
    @app.get(f"/ops/{path}", summary=summary, tags=["operations"], operation_id=f"ops {path}")
    async def told(asked: Request) -> dict[str, Any]:
        if tell is operations.summary:
            await asyncio.to_thread(state.newest.load)
        found = tell(state)
        return found if tell is not operations.health or operates(state, asked) else operations.outline(found)


def _lists(app: FastAPI, state: State, path: str, summary: str) -> None:
    count = {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}
    limit = {"name": "limit", "in": "query", "schema": count, "description": "of the newest predictions"}
    refused: Any = {422: {"description": "Another limit than is wanted", "content": FAILED}}
    named: Any = {"operation_id": f"ops {path}", "responses": refused, "openapi_extra": {"parameters": [limit]}}

    @app.get(f"/ops/{path}", summary=summary, tags=["operations"], **named)
    async def predicted(asked: Request) -> dict[str, Any]:
        wanted = _limit(asked.query_params.multi_items())
        await asyncio.to_thread(state.newest.load)
        return operations.predictions(state, wanted)


def _limit(query: list[tuple[str, str]]) -> int:
    if not query:
        return LIMIT
    (name, value), *more = query
    if more or name != "limit":
        raise Problem(422, "The query is not what is wanted; want limit alone, and once.", fields=[])
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(MOST)) and 1 <= int(value) <= MOST):
        wanted = f"a whole number from 1 to {MOST}"
        fields = [{"field": "limit", "value": value[:LONGEST], "wanted": wanted}]
        raise Problem(422, f"limit is not what is wanted; want {wanted}.", fields=fields)
    return int(value)


def _shows(app: FastAPI, state: State, path: str, name: str) -> None:
    responses: Any = {
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **{status: {"description": text, "content": FAILED} for status, text in NO_REPORT.items()},
    }
    named: Any = {"operation_id": f"ops {path}", "response_class": HTMLResponse, "responses": responses}

    @app.get(f"/ops/{path}", summary=f"The newest {name} of the watch", tags=["operations"], **named)
    async def shown() -> Response:
        return HTMLResponse(await _report(state, name), headers={"content-security-policy": POLICIES[path]})


async def _report(state: State, name: str) -> bytes:
    try:
        found = await state.clerk.ask(state.watching.report, name)
    except StoreError as error:
        log.say(f"the watch's {name}: {error}")
        raise Problem(503, f"The {name} of the watch cannot be read from the store just now.", BUSY) from None
    if found is None:
        raise Problem(404, f"There is no {name} yet: monitor has not run, or did not write it. See /ops/health.")
    return found
