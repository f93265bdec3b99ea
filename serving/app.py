"""The service as one ASGI application: `create_app(settings)`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from rounds import log
from rounds.errors import RoundsError
from rounds.settings import ROOT
from serving import about, documentation, operating, operations
from serving.gate import Gate
from serving.limits import Problem
from serving.metrics import TYPE
from serving.settings import Settings
from serving.state import State

WEB = ROOT / "serving" / "web"
NOT_YET = {503: {"description": "No model answers yet", "content": {"application/json": {"schema": about.FAILED}}}}


def create_app(settings: Settings) -> Gate:
    state = State(settings)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        try:
            state.start()
        except RoundsError as error:
            log.fail(str(error))
            state.refusal = error
            raise
        yield
        state.stop()

    title = f"Rounds: {state.problem.title}"
    # A redirect would send the caller to the Host that it named itself.
    app = FastAPI(title=title, lifespan=life, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(Exception, _unforeseen)  # it is raised again, and the gate says it to the log
    app.add_exception_handler(405, _not_allowed)
    _probes(app, state)
    _facts(app, state)
    operating.add(app, state)
    _pages(app, state)
    return Gate(state, app)


def _probes(app: FastAPI, state: State) -> None:
    @app.get("/health", summary="The same as /healthz", tags=["operation"], operation_id="health")
    @app.get("/healthz", summary="Whether the process lives", tags=["operation"])
    async def healthz() -> about.Healthy:
        return about.Healthy(alive=True)

    refused = {503: {"model": about.Ready, "description": "Not ready, and why"}}

    @app.get("/readyz", summary="Whether predictions are answered, and what is not well", responses=refused)  # type: ignore[arg-type]
    async def readyz(asked: Request) -> about.Ready:
        found = state.described() if operating.operates(state, asked) else operations.ready(state)
        told = about.Ready(**found)
        return told if told.ready else JSONResponse(told.model_dump(), 503)  # type: ignore[return-value]

    metrics = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response, responses=metrics)  # type: ignore[arg-type]
    async def metrics_page() -> Response:
        return Response(about.counted(state), media_type=TYPE)


def _facts(app: FastAPI, state: State) -> None:
    @app.get("/version", summary="Which code, model, histories and journal answer", tags=["model"])
    async def version() -> about.Version:
        return about.version(state)

    @app.get("/model", summary="The model's card", tags=["model"], responses=NOT_YET)  # type: ignore[arg-type]
    async def model() -> about.Model:
        return about.model(_live(state), state)

    @app.get("/schema", summary="What an appointment looks like, as JSON schema", tags=["model"], responses=NOT_YET)  # type: ignore[arg-type]
    async def schema() -> dict[str, Any]:
        return about.schema(_live(state).inputs, state.problem)


def _pages(app: FastAPI, state: State) -> None:
    documents = documentation.Documents(app, state)

    @app.get("/openapi.json", include_in_schema=False)
    async def described() -> Response:
        return Response((await documents.read()).openapi, media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse((await documents.read()).page)

    if WEB.is_dir():
        app.mount("/web", StaticFiles(directory=WEB), name="web")

        @app.get("/", include_in_schema=False)
        async def page() -> FileResponse:
            return FileResponse(WEB / "index.html")

        @app.get("/watch", include_in_schema=False)
        async def watch() -> FileResponse:
            return FileResponse(WEB / "watch.html")


def _live(state: State) -> Any:
    if state.live is None:
        raise Problem(503, "No model answers yet; see /readyz.", [(b"retry-after", b"1")])
    return state.live


async def _problem(_: Any, error: Any) -> Response:
    headers = {name.decode(): value.decode() for name, value in error.headers}
    return Response(error.body, error.status, headers, "application/json")


async def _not_found(_: Any, __: Exception) -> Response:
    return JSONResponse({"error": "There is nothing here; see /docs."}, 404)


async def _unforeseen(_: Any, __: Exception) -> Response:
    return JSONResponse({"error": "Something went wrong here; the log of the service says where."}, 500)


async def _not_allowed(_: Any, error: Any) -> Response:
    return JSONResponse({"error": "Want another method; see /docs."}, 405, headers=error.headers)
