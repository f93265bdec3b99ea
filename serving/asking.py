"""The routes that answer about patients, as plain ASGI: /predict and /explain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rounds import log
from rounds.bundle import Bundle, load
from rounds.errors import Refused, StoreError
from rounds.journal import ID
from serving.bodies import Malformed, Part, cut, groups, refuse, repeated_in, surely_once
from serving.inputs import FAULTS, Wrong, fault
from serving.limits import BUSY, Body, Content, Problem
from serving.models import Live
from serving.predict import LINES, Prediction, Question, Told
from serving.queries import wants_reasons
from serving.state import State

KEPT = 20_000  # rows that stay decoded between their check and their answer; more are decoded twice, to hold less
EXPLAINED = 1000  # rows of one request whose reasons may be asked for
OLD = 4  # bundles before the present one that are kept in memory for /explain


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


_wanted = msgspec.json.Decoder(Wanted).decode
_encode = msgspec.json.Encoder().encode


class Asking:
    """Bodies in, bodies out; what cannot be answered is a `Problem`."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._old: dict[str, Bundle] = {}

    async def predict(self, body: Body, query: bytes) -> Content:
        live, explain = self._live(), wants_reasons(query)
        parts = await cut(body, "appointments", EXPLAINED if explain else self.state.settings.rows)
        rows = await self._checked(live, body, parts)
        if len(rows) < parts[-1].first + parts[-1].count:
            return await self._long(live, body, parts)
        answer = await self.state.predictor.answer(Question(live, rows))
        if explain:
            reasons = await self.state.explainer.reasons(live.bundle, answer.matrix)
            for prediction, told in zip(answer.predictions, reasons, strict=True):
                prediction.reasons = told
        return _encode(_predicted(live, answer.as_of, answer.predictions))

    async def _long(self, live: Live, body: Body, parts: list[Part]) -> list[bytes]:
        """A list that was checked and not kept: decoded again and answered group by group, by one model."""
        pieces: list[bytes] = []
        as_of = None
        for group in groups(parts, LINES):
            rows: list[Any] = []
            for part in group:
                rows += _again(live, part.raws(body))
                await asyncio.sleep(0)
            answer = await self.state.predictor.answer(Question(live, rows))
            as_of = answer.as_of
            pieces += [b",", _encode(answer.predictions)[1:-1]]
        whole = _encode(_predicted(live, as_of, []))
        return [whole[:-2], *pieces[1:], whole[-2:]]

    async def explain(self, body: bytes, query: bytes) -> bytes:
        """The reasons of a prediction that is on record, by the model that made it."""
        live = self._live()
        try:
            wanted = _wanted(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Problem(422, 'The body is no {"id": "..."}.', fields=[]) from None
        if ID.fullmatch(wanted.id) is None:
            wants = "the id of a prediction: 32 digits from 0 to f"
            raise Problem(422, "The id is not that of a prediction.", fields=[fault("id", wanted.id, wants)])
        try:
            record = await self.state.clerk.ask(self.state.journal.find, wanted.id)
        except (Refused, StoreError) as error:
            log.say(f"/explain: {error}")
            text = "This prediction is not on record here, and the store, where it may be, cannot be read just now."
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

    async def _checked(self, live: Live, body: Body, parts: list[Part]) -> list[Any]:
        """Every appointment, none where they are too many to keep; or every fault: no list is answered in part."""
        rows: list[Any] = []
        faults: list[dict[str, Any]] = []
        long = parts[-1].first + parts[-1].count > KEPT
        for part in parts:
            if part.first:
                await asyncio.sleep(0)
            rows += _read(live, part, body, faults)
            if long:
                rows.clear()
            if len(faults) >= FAULTS:
                break
        if faults:
            raise Problem(422, "Some fields are not what is wanted.", fields=faults[:FAULTS])
        return rows

    def _bundle(self, digest: str) -> Bundle:
        folder: Path = self.state.settings.cache / "bundles" / digest
        if digest not in self._old:
            try:
                found = load(lambda name: folder / name)
            except (OSError, Refused):
                found = None
            if found is None or found.digest != digest:
                raise Problem(404, f"The bundle {digest[:12]} that made this prediction is not here any more.")
            self._old[digest] = found
            while len(self._old) > OLD:
                self._old.pop(next(iter(self._old)))
        return self._old[digest]


def _predicted(live: Live, as_of: str | None, predictions: list[Prediction]) -> Predicted:
    card = live.card
    return Predicted(card.model, card.version, card.bundle, as_of, predictions)


def _read(live: Live, part: Part, body: Body, faults: list[dict[str, Any]]) -> list[Any]:
    """The rows of a part; what is wrong with them is added to the faults of before."""
    try:
        raws = part.raws(body)
    except Malformed:
        refuse("appointments")
    rows = live.inputs.read_many(raws) if len(raws) > 1 else None
    if rows is None:
        rows = _each(live, raws, part.first, faults)
    if not faults and not surely_once(part.text(body), sum(map(_given, rows))):
        faults += repeated_in(raws, part.first)
    return rows


def _again(live: Live, raws: Sequence[msgspec.Raw]) -> list[Any]:
    """The rows of a part that was checked; those that cannot be read together are read one by one."""
    rows = live.inputs.read_many(raws)
    return [live.inputs.read(raw) for raw in raws] if rows is None else rows


def _given(row: Any) -> int:
    """How many fields of a row have a value; so many its JSON has at least."""
    values = msgspec.structs.astuple(row)
    return len(values) - values.count(None)


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
