"""What the service says of itself: versions, the model's card, and what an appointment looks like."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from rounds.decoding import LONGEST
from rounds.knobs import Column, Problem
from serving import disk, examples
from serving.inputs import WHOLE, Inputs, wanted
from serving.models import Live
from serving.state import State

FAILED: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}


class Healthy(BaseModel):
    alive: bool


class Ready(BaseModel):
    ready: bool
    draining: bool = False
    model: str
    registry: str
    histories: str
    journal: str
    keys: str
    looked: str


class Version(BaseModel):
    service: str
    problem: str
    source: str
    model: str | None
    version: int | None
    bundle: str | None
    history_as_of: str | None
    history: str | None
    journal: str
    journal_place: str
    journal_store: str
    journal_key: str
    journal_days: int


class Figure(BaseModel):
    value: float | None
    low: float | None
    high: float | None


class Gate(BaseModel):
    gate: str
    value: float | None
    bound: str
    verdict: str
    blocks: bool  # whether a model that fails it may not be registered; otherwise it only warns


class Point(BaseModel):
    """A group of like scores: what was predicted, what happened with its 95% interval, and how many rows."""

    predicted: float
    observed: float
    low: float | None
    high: float | None
    rows: int


class Model(BaseModel):
    title: str
    name: str
    version: int
    bundle: str
    origin: str
    made: str
    stage: str
    run: str
    moment: str
    threshold: float
    capacity: float
    bands: dict[str, float]
    tested: dict[str, Any]
    metrics: dict[str, Figure]
    gates: list[Gate]
    features: list[str]
    importance: dict[str, float]
    reliability: list[Point]
    card: str


def version(state: State) -> Version:
    live, pasts, settings = state.live, state.predictor.pasts, state.settings
    durable = settings.journal == "durable"
    return Version(
        service=settings.release,
        problem=settings.problem,
        source=str(settings.model),
        model=live.card.model if live else None,
        version=live.card.version if live else None,
        bundle=live.card.bundle if live else None,
        history_as_of=pasts.as_of if pasts else None,
        history=pasts.version if pasts else None,
        journal="durable: on disk before the answer" if durable else "fast: a power cut may lose the last seconds",
        journal_place=disk.PLACES[settings.journal_place],
        journal_store=disk.shipped(settings.store),
        journal_key="given" if settings.journal_key else "made here and kept beside the journal",
        journal_days=settings.journal_days,
    )


def model(live: Live, state: State) -> Model:
    """What evaluate found goes with the version for as long as the registry knows it, and has it in its own shape."""
    try:
        return _model(live, state, live.card.evaluation)
    except (AttributeError, KeyError, TypeError, ValueError):  # nobody signed it
        return _model(live, state, {})


def _model(live: Live, state: State, found: dict[str, Any]) -> Model:
    card, bands = live.card, state.problem.serve.bands
    return Model(
        title=found.get("title", state.problem.title),
        name=card.model,
        version=card.version,
        bundle=card.bundle,
        origin=live.bundle.origin,
        made=datetime.fromtimestamp(card.made / 1000, UTC).isoformat(timespec="seconds"),
        stage=card.tags.get("stage", ""),
        run=card.tags.get("rounds.run", ""),
        moment=live.definition.moment,
        threshold=live.threshold,
        capacity=live.bundle.knobs.get("capacity", 0.0),
        bands={"low": bands.low, "high": bands.high},
        tested=found.get("test", {}),
        metrics={name: Figure(**each) for name, each in found.get("metrics", {}).items()},
        gates=[Gate(**{name: each[name] for name in Gate.model_fields}) for each in found.get("gates", [])],
        features=list(live.bundle.features),
        importance=found.get("importance", {}),
        reliability=[_point(each) for each in found.get("curves", {}).get("reliability", [])],
        card=state.card,
    )


def _point(each: dict[str, Any]) -> Point:
    return Point(
        predicted=each["score"], observed=each["outcome"], low=each["low"], high=each["high"], rows=each["rows"]
    )


def schema(inputs: Inputs, problem: Problem) -> dict[str, Any]:
    """An appointment as JSON schema, its fields in the order of problem.yaml."""
    order = {name: at for at, name in enumerate(problem.columns)}
    names = sorted(inputs.columns, key=lambda name: (order.get(name, len(order)), name))
    example = examples.appointment(inputs)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Appointment",
        "description": "A field may be called by its name here, or as in the raw table (x-from), but not by both.",
        "type": "object",
        "required": sorted(inputs.required),
        "additionalProperties": False,
        "properties": {
            name: _field(name, inputs.columns[name], inputs, example[name], problem.csv.decimal) for name in names
        },
        "examples": [{name: example[name] for name in names}],
    }


def _field(name: str, column: Column, inputs: Inputs, example: Any, decimal: str) -> dict[str, Any]:
    """`x-from` is what the raw table calls it, so that a list which somebody uploads can be understood."""
    kind = dict(_KINDS[column.type])
    if column.between is not None:
        low, high = column.between
        number = int if column.type == "integer" else float
        kind |= {"minimum": number(low), "maximum": number(high)}
    told = wanted(column)
    if column.within is not None:
        kind["x-known"] = list(column.within)
        told = f"one of {', '.join(column.within)}; another value is answered as an unknown one, and named in 'unknown'"
    if name == inputs.who:
        told += "; without it the prediction is as for a patient who was never here"
    if name not in inputs.required:
        kind = or_nothing(kind)
    extra = {"title": name.replace("_", " ").capitalize(), "description": told, "examples": [example]}
    spelling: dict[str, str] = {"x-format": column.format} if column.format else {}
    if decimal != "." and column.type in {"integer", "number"}:
        spelling["x-decimal"] = decimal
    return {**extra, **kind, "x-from": column.raw, "x-type": column.type, **spelling}


def or_nothing(kind: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in kind:
        return {**kind, "anyOf": [*kind["anyOf"], {"type": "null"}]}
    if "enum" in kind:
        return {**kind, "enum": [*kind["enum"], None]}
    return {**kind, "type": [kind["type"], "null"]}


_KINDS: dict[str, dict[str, Any]] = {
    "identifier": {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[!-~]([ -~]*[!-~])?$"},
            {"type": "integer", "minimum": -WHOLE, "maximum": WHOLE},
        ]
    },
    "integer": {"type": "integer", "minimum": -WHOLE, "maximum": WHOLE},
    "number": {"type": "number"},
    "flag": {"enum": [True, False, 1, 0]},
    "category": {"type": "string", "maxLength": LONGEST},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
}


def counted(state: State) -> bytes:
    """The counters, with those that are looked up now."""
    journal, told = state.journal.state(), state.outcomes.state()
    metrics, state.scraped = state.metrics, time.time()
    metrics.journal_waiting.set(journal.waiting + told.waiting)
    metrics.journal_lag.set(max(journal.lag, told.lag))
    metrics.journal_full.set(journal.full)
    metrics.journal_lacking.set(len(state.journal.lacking) + len(state.outcomes.lacking))
    return metrics.text()
