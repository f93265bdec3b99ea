"""The routes that answer about patients, as plain ASGI: /predict and /explain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import numpy as np

from rounds import log
from rounds.bundle import Bundle, load
from rounds.errors import Refused, StoreError
from serving.inputs import FAULTS, Wrong, fault
from serving.limits import BUSY, Problem
from serving.models import Live
from serving.predict import Prediction, Question, Told
from serving.state import State

EXPLAINED = 1000  # rows of one request whose reasons may be asked for
SLOW = 256  # rows that are read before others get their turn
OLD = 4  # bundles before the present one that are kept in memory for /explain


class Request(msgspec.Struct, forbid_unknown_fields=True):
    appointments: list[msgspec.Raw]


class Predicted(msgspec.Struct):
    model: str
    version: int
    bundle: str
    history_as_of: str | None
    predictions: list[Prediction]


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    id: str


class Explained(msgspec.Struct):
    id: str
    model: str
    version: int
    bundle: str
    probability: float
    band: str
    reasons: list[Told]


_request = msgspec.json.Decoder(Request).decode
_wanted = msgspec.json.Decoder(Wanted).decode
_encode = msgspec.json.Encoder().encode


class Asking:
    """Bodies in, bodies out; what cannot be answered is a `Problem`."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._old: dict[str, Bundle] = {}

    async def predict(self, body: bytes, query: bytes) -> bytes:
        live = self._live()
        explain = _explain(query)
        rows = await self._rows(live, body, EXPLAINED if explain else self.state.settings.rows)
        answering = self.state.predictor.answer(Question(live, rows))
        del body, rows  # of a long list they are tens of megabytes: gone before its answer is written
        answer = await answering
        if explain:
            reasons = await self.state.explainer.reasons(live.bundle, answer.matrix)
            for prediction, told in zip(answer.predictions, reasons, strict=True):
                prediction.reasons = told
        card = live.card
        return _encode(Predicted(card.model, card.version, card.bundle, answer.as_of, answer.predictions))

    async def explain(self, body: bytes, query: bytes) -> bytes:
        """The reasons of a prediction that is on record, by the model that made it."""
        live = self._live()
        try:
            wanted = _wanted(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Problem(422, 'The body is no {"id": "..."}.', fields=[]) from None
        try:
            record = await self.state.clerk.ask(self.state.journal.find, wanted.id)
        except StoreError as error:
            log.say(f"/explain: {error}")
            text = "This prediction is not on record here, and the store, where it may be, does not answer just now."
            raise Problem(503, text, BUSY) from None
        if record is None:
            raise Problem(404, "No prediction of this id is on record here.")
        bundle = live.bundle if record["bundle"] == live.card.bundle else self._bundle(record["bundle"])
        (told,) = await self.state.explainer.reasons(bundle, np.array([record["features"]], np.float32))
        return _encode(
            Explained(
                id=record["id"],
                model=record["model"],
                version=record["version"],
                bundle=record["bundle"],
                probability=record["score"],
                band=record["band"],
                reasons=told,
            )
        )

    def _live(self) -> Live:
        if self.state.live is None:
            raise Problem(503, "No model answers yet; see /readyz and try again in a second.", [(b"retry-after", b"1")])
        return self.state.live

    async def _rows(self, live: Live, body: bytes, most: int) -> list[Any]:
        """Every appointment, or every fault: a list with one wrong row is not answered in part."""
        try:
            raw = _request(body).appointments
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            wanted = 'JSON such as {"appointments": [{...}]}, see /schema'
            raise Problem(422, "The body is not what is wanted.", fields=[fault("", msgspec.UNSET, wanted)]) from None
        if not 0 < len(raw) <= most:
            wanted = f"1 to {most} appointments"
            told = [fault("appointments", len(raw), wanted)]
            raise Problem(422, f"The body holds {len(raw)} appointments; want {wanted}.", fields=told)
        return await self._read(live, raw)

    async def _read(self, live: Live, raw: Sequence[msgspec.Raw]) -> list[Any]:
        rows: list[Any] = []
        faults: list[dict[str, Any]] = []
        for start in range(0, len(raw), SLOW):
            if start:
                await asyncio.sleep(0)
            part = raw[start : start + SLOW]
            found = live.inputs.read_many(part) if len(part) > 1 else None
            rows += _each(live, part, start, faults) if found is None else found
            if len(faults) >= FAULTS:
                break
        if faults:
            raise Problem(422, "Some fields are not what is wanted.", fields=faults[:FAULTS])
        return rows

    def _bundle(self, digest: str) -> Bundle:
        folder: Path = self.state.settings.cache / "bundles" / digest
        if digest not in self._old:
            try:
                self._old[digest] = load(lambda name: folder / name)
            except (OSError, Refused):
                text = f"The bundle {digest[:12]} that made this prediction is not here any more."
                raise Problem(404, text) from None
            while len(self._old) > OLD:
                self._old.pop(next(iter(self._old)))
        return self._old[digest]


def _each(live: Live, raw: Sequence[msgspec.Raw], first: int, faults: list[dict[str, Any]]) -> list[Any]:
    """Row by row, as far as there are not too many faults; these are added to those of before."""
    rows = []
    for at, each in enumerate(raw, first):
        try:
            rows.append(live.inputs.read(each))
        except Wrong as error:
            faults += [{"row": at, **one} for one in error.faults]
            if len(faults) >= FAULTS:
                break
    return rows


def _explain(query: bytes) -> bool:
    if not query:
        return False
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    word = given.pop("explain", "false")
    if word not in {"true", "false"}:
        raise Problem(422, "explain is not what is wanted.", fields=[fault("explain", word, "true or false")])
    if given:
        name = next(iter(given))
        raise Problem(422, "The query is not what is wanted.", fields=[fault(name, given[name], "explain alone")])
    return word == "true"
