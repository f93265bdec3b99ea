"""The service described for programs (OpenAPI) and for people (one page, which loads nothing from elsewhere)."""

from __future__ import annotations

import asyncio
import html
import json
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from rounds.journal import ID as WANTED
from rounds.outcomes import ACTIONS
from serving import about
from serving.asking import EXPLAINED
from serving.gate import CLERK
from serving.limits import Problem
from serving.models import Live
from serving.outcomes import KINDS
from serving.retraining import LONGEST
from serving.state import State

JSON = "application/json"
ID = "0199c0ffee00a1b2c3d4e5f60718293a"
_TEXT: dict[str, Any] = {"type": "string"}
_REASON = {
    "type": "object",
    "required": ["text", "effect"],
    "properties": {"text": _TEXT, "effect": {"enum": ["raises the risk", "lowers the risk"]}},
}
_BAND = {"enum": ["low", "medium", "high"]}
_REASONS = {"type": "array", "items": _REASON}
_MODEL: dict[str, Any] = {"model": _TEXT, "version": {"type": "integer"}, "bundle": _TEXT}
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
PREDICTION = {
    "type": "object",
    "required": ["id", "probability", "band", "call", "history", "unknown", "reasons"],
    "properties": {
        "id": {**_TEXT, "description": "under which this prediction is on record; for /explain"},
        "probability": {**_PROBABILITY, "description": "calibrated"},
        "band": _BAND,
        "call": {"type": "boolean", "description": "whether it is inside the calling capacity"},
        "history": {
            "enum": ["known", "unknown", "down", "none"],
            "description": "of the patient: found, not found, not available just now, or not used by the model",
        },
        "unknown": {"type": "array", "items": _TEXT, "description": "fields whose value the model does not know"},
        "reasons": {**_REASONS, "description": "by SHAP values, the strongest first; empty unless explain=true"},
    },
}
PREDICTED = {
    "type": "object",
    "required": [*_MODEL, "history_as_of", "predictions"],
    "properties": {
        **_MODEL,
        "history_as_of": {"type": ["string", "null"], "description": "the last day whose outcomes are known"},
        "predictions": {"type": "array", "items": PREDICTION, "description": "in the order of the appointments"},
    },
}
EXPLANATION = {
    "type": "object",
    "required": ["id", *_MODEL, "probability", "band", "reasons"],
    "properties": {"id": _TEXT, **_MODEL, "probability": _PROBABILITY, "band": _BAND, "reasons": _REASONS},
}
_FAULT = {
    "type": "object",
    "required": ["field", "wanted"],
    "properties": {"field": _TEXT, "wanted": _TEXT, "row": {"type": "integer"}, "value": {}},
}
WRONG = {
    "type": "object",
    "required": ["error", "fields"],
    "properties": {"error": _TEXT, "fields": {"type": "array", "items": _FAULT}},
}
_STATUSES = {
    401: "No key, or one that is not known or has expired",
    400: "No Host header, or several",
    403: "The key is not for this, or a page of another site asks",
    405: "Another method than is wanted",
    408: "The request took too long",
    413: "The body is too large",
    415: "The body is not declared as application/json",
    503: "Too much at once, no model yet, or a journal that takes no record; try again after Retry-After",
}


@dataclass(frozen=True)
class Made:
    """The description of one model's service, for programs and for people."""

    live: Live | None
    openapi: bytes
    page: bytes


class Documents:
    """Made once for each model, in a thread, and kept: to make them takes a hundred times as long as a prediction."""

    def __init__(self, app: FastAPI, state: State) -> None:
        self._app, self._state = app, state
        self._lock = asyncio.Lock()
        self._made: Made | None = None

    async def read(self) -> Made:
        if not self._state.settings.docs:
            raise Problem(404, "The description of this service is closed: its setting DOCS is 'closed'.")
        async with self._lock:
            if self._made is None or self._made.live is not self._state.live:
                self._made = await asyncio.to_thread(self._make)
            return self._made

    def _make(self) -> Made:
        live = self._state.live
        openapi = described(self._app, self._state)
        text = json.dumps(openapi, ensure_ascii=False, separators=(",", ":"))
        return Made(live, text.encode(), page(openapi).encode())


def described(app: FastAPI, state: State) -> dict[str, Any]:
    """OpenAPI of all routes; those about patients are written down here, for they are not FastAPI's."""
    found = get_openapi(title=app.title, version=about.version(state).service, routes=app.routes, description=_ABOUT)
    found["paths"] = {**_asked(state), **_told(state), **found["paths"], **_retrain(state)}
    for item in found["paths"].values():
        for operation in item.values():
            if state.keys is not None:
                operation["responses"].setdefault("401", _failed(401))
                operation["responses"].setdefault("403", _failed(403))
    if state.keys is not None:
        kinds = found.setdefault("components", {}).setdefault("securitySchemes", {})
        kinds["key"] = {"type": "http", "scheme": "bearer"}
        for path in ("/predict", "/explain", "/outcomes", "/ops/retrain"):
            found["paths"][path]["post"]["security"] = [{"key": []}]
        for path in CLERK:
            found["paths"][path]["get"]["security"] = [{"key": []}]
    return found


_ABOUT = (
    "A probability for each appointment that it is missed, calibrated, on record before it is answered. "
    "A value that cannot be right is a 422 which names field, value and what is wanted; "
    "an unknown category, an unknown patient and a missing optional field are answered, and marked. "
    "A field may also be called as in the raw table (x-from in /schema)."
)


def _asked(state: State) -> dict[str, Any]:
    rows, live = state.settings.rows, state.live
    one = about.schema(live.inputs, state.problem) if live else {"type": "object"}
    one.pop("$schema", None)
    examples: Any = one.get("examples", [{}])
    example: dict[str, Any] = examples[0]
    body = {
        "type": "object",
        "required": ["appointments"],
        "additionalProperties": False,
        "properties": {"appointments": {"type": "array", "minItems": 1, "maxItems": rows, "items": one}},
    }
    explain = {
        "name": "explain",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "enum": ["true", "false"]},
        "description": f"also say why (SHAP), for at most {EXPLAINED} appointments",
    }
    reasons = {"text": "booked 34 days ahead", "effect": "raises the risk"}
    said = {"id": ID, "probability": 0.412, "band": "high", "call": True, "history": "known", "unknown": []}
    model = {"model": state.settings.model.name, "version": 7, "bundle": "92df2466c43cae5c"}
    answer = {**model, "history_as_of": "2026-03-28", "predictions": [{**said, "reasons": [reasons]}]}
    told = {"id": ID, **model, "probability": 0.412, "band": "high", "reasons": [reasons]}
    id = {**_TEXT, "pattern": f"^{WANTED.pattern}$"}
    asked = {"type": "object", "required": ["id"], "additionalProperties": False, "properties": {"id": id}}
    predict = _post("predict", "Predict one appointment or many", body, {"appointments": [example]}, PREDICTED, answer)
    why = "Why a prediction on record came out as it did (SHAP)"
    explained = _post("explain", why, asked, {"id": ID}, EXPLANATION, told)
    predict["parameters"] = [explain]
    explained["responses"]["404"] = _failed(404, "No prediction of this id is on record here, or not its model")
    return {"/predict": {"post": predict}, "/explain": {"post": explained}}


def _told(state: State) -> dict[str, Any]:
    whole = [_TEXT, {"type": "integer"}]
    shapes: dict[str, Any] = {
        "id": {"anyOf": whole},
        "appointment": {"anyOf": whole},
        "outcome": {"type": "boolean"},
        "action": {"enum": list(ACTIONS)},
        "propensity": _PROBABILITY,
        "observed": {**_TEXT, "format": "date-time"},
    }
    fields = {name: {**shape, "description": KINDS[name][1]} for name, shape in shapes.items()}
    fields["propensity"]["description"] += ": with which the policy would have taken that action"
    fields["observed"]["description"] += ": when it was known at its source, else when it comes here; the later counts"
    some = {name: about.or_nothing(field) for name, field in fields.items()}
    one = {"type": "object", "additionalProperties": False, "properties": some}
    rows = {"type": "array", "minItems": 1, "maxItems": state.settings.rows, "items": one}
    body = {"type": "object", "required": ["outcomes"], "additionalProperties": False, "properties": {"outcomes": rows}}
    example = {
        "outcomes": [{"id": ID, "outcome": True, "action": "none"}, {"appointment": "5642903", "outcome": False}]
    }
    entries = {"type": "array", "items": _TEXT, "description": "under which they are on record, in order"}
    answer = {
        "type": "object",
        "required": ["received", "entries"],
        "properties": {"received": {"type": "integer"}, "entries": entries},
    }
    said = {"received": 2, "entries": [ID, ID[::-1]]}
    summary = "Tell what happened: an outcome, what was done about it, or both; known or not, late or corrected"
    return {"/outcomes": {"post": {**_post("outcomes", summary, body, example, answer, said), "tags": ["outcomes"]}}}


def _retrain(state: State) -> dict[str, Any]:
    dag = f"train_{state.settings.problem}"
    reason = {**_TEXT, "minLength": 1, "maxLength": LONGEST, "pattern": r"\S"}
    asked = {"type": "object", "required": ["reason"], "additionalProperties": False, "properties": {"reason": reason}}
    names = ("key", "dag", "training", "state", "says")
    answer = {"type": "object", "required": names, "properties": dict.fromkeys(names, _TEXT)}
    key = "3f2a9c01d4e5b677"
    said = {"key": key, "dag": dag, "training": f"retrain-operator-{key}", "state": "queued", "says": "Started."}
    example = {"reason": "a new clinic joined"}
    told = _post(
        "ops retrain", f"Start {dag}, once for each reason; without Airflow, say how", asked, example, answer, said
    )
    told["tags"] = ["operations"]
    told["responses"]["409"] = _failed(409, "Another training is under way")
    told["responses"]["502"] = _failed(502, "Airflow did not let us in, or has no such DAG")
    told["responses"]["503"] = _failed(503, "Airflow or the store is away, or no model answers yet; ask again")
    return {"/ops/retrain": {"post": told}}


def _post(name: str, summary: str, body: Any, example: Any, answer: Any, answered: Any) -> dict[str, Any]:
    wrong = {"schema": WRONG, "example": {"error": "Some fields are not what is wanted.", "fields": [_EXAMPLE]}}
    return {
        "operationId": name,
        "tags": ["predictions"],
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": body, "example": example}}},
        "responses": {
            "200": {"description": "Answered", "content": {JSON: {"schema": answer, "example": answered}}},
            "422": {"description": "What cannot be answered, field by field", "content": {JSON: wrong}},
            **{str(status): _failed(status) for status in (400, 403, 405, 408, 413, 415, 503)},
        },
    }


_EXAMPLE = {"row": 0, "field": "age", "value": 200, "wanted": "a whole number from 0 to 120"}


def _failed(status: int, text: str = "") -> dict[str, Any]:
    return {"description": text or _STATUSES[status], "content": {JSON: {"schema": about.FAILED}}}


def page(found: dict[str, Any]) -> str:
    """The same for people: every route, its example and its answers."""
    parts = [
        _operation(path, verb, operation) for path, item in found["paths"].items() for verb, operation in item.items()
    ]
    title = html.escape(found["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/web/style.css"></head>'
        f"<body><main><h1>{title}</h1><p>{html.escape(found['info']['description'])}</p>"
        f'<p>For programs: <a href="/openapi.json">/openapi.json</a>.</p>{"".join(parts)}</main></body></html>'
    )


def _operation(path: str, verb: str, operation: dict[str, Any]) -> str:
    asked = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
    answers = "".join(
        f"<tr><td>{status}</td><td>{html.escape(answer['description'])}{_example(answer.get('content', {}).get(JSON))}"
        "</td></tr>"
        for status, answer in operation["responses"].items()
    )
    sent = f"<h3>To send</h3>{_example(asked)}" if asked else ""
    return (
        f"<section><h2>{verb.upper()} {html.escape(path)}</h2><p>{html.escape(operation.get('summary', ''))}</p>{sent}"
        f"<h3>Answers</h3><table><tbody>{answers}</tbody></table></section>"
    )


def _example(content: dict[str, Any] | None) -> str:
    if not content or "example" not in content:
        return ""
    return f"<pre>{html.escape(json.dumps(content['example'], indent=1, ensure_ascii=False))}</pre>"
