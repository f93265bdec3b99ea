"""The route that is told what happened, as plain ASGI: POST /outcomes. On disk before it is answered, known or not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from rounds.decoding import EARLIEST
from rounds.evidence import key_id
from rounds.journal import keyed
from rounds.outcomes import ACTIONS, record, which
from serving.batches import Batches
from serving.bodies import Part, cut, groups, refuse, repeated_in, surely_once
from serving.inputs import FAULTS, SPOKEN, TYPES, fault
from serving.limits import Body, Problem
from serving.spelling import identifier
from serving.state import State

AHEAD = timedelta(minutes=5)  # that a clock elsewhere may be fast: what is observed later than now would always win
LINES = 4096  # to disk at once
TURN = 256  # rows that are checked before others get their turn
KINDS: Mapping[str, tuple[Any, str]] = {
    "id": (TYPES["identifier"], "the id of a prediction"),
    "appointment": (TYPES["identifier"], SPOKEN["identifier"]),
    "outcome": (bool, "true or false"),
    "action": (Literal[ACTIONS], f"one of {', '.join(ACTIONS)}"),
    "propensity": (float, "a chance from 0 to 1"),
    "observed": (datetime, SPOKEN["timestamp"]),
}
Line = dict[str, Any]


class Received(msgspec.Struct):
    received: int
    entries: list[str]


_encode = msgspec.json.Encoder().encode


class Telling:
    """Bodies in, bodies out; a list with one wrong row is not taken in part."""

    def __init__(self, state: State) -> None:
        self.state, self._journal = state, state.outcomes
        self._named = which(state.problem.columns) is not None
        self._key_id = key_id(state.key)
        self._batches: Batches[list[Line], None] = Batches(self._commit, len, LINES)

    async def tell(self, body: Body, query: bytes) -> bytes:
        now = datetime.now(UTC)
        parts = await cut(body, "outcomes", self.state.settings.rows)
        await self._check(body, parts, now)
        entries: list[str] = []
        for group in groups(parts, LINES):
            lines = [self._line(row, now) for part in group for row in await _rows(part, body)]
            await self._batches.ask(lines)
            entries += [line["entry"] for line in lines]
            self.state.metrics.outcomes.inc(len(lines))
        return _encode(Received(len(entries), entries))

    async def _commit(self, waiting: Sequence[list[Line]]) -> list[None]:
        """All that came while the disk was busy goes to it at once."""
        await asyncio.to_thread(self._journal.append, [line for lines in waiting for line in lines])
        return [None] * len(waiting)

    async def _check(self, body: Body, parts: Sequence[Part], now: datetime) -> None:
        """All of a list before any of it is on record."""
        faults: list[Line] = []
        for part in parts:
            rows = await _rows(part, body)
            for at, row in enumerate(rows):
                faults += [{"row": part.first + at, **one} for one in self._faults(row, now)]
                if len(faults) >= FAULTS:
                    break
                if at % TURN == TURN - 1:
                    await asyncio.sleep(0)
            if not faults and not surely_once(part.text(body), sum(map(len, rows))):
                faults += repeated_in(part.raws(body), part.first)
            if faults:
                break
        if faults:
            raise Problem(422, "Some fields are not what is wanted.", fields=faults[:FAULTS])

    def _faults(self, row: Any, now: datetime) -> Iterator[Line]:
        if not isinstance(row, dict):
            yield fault("", row, f"an object with some of {', '.join(KINDS)}")
            return
        said = {name: value for name, value in row.items() if value is not None}
        wrong = {name for name, value in said.items() if name not in KINDS or not _fits(name, value)}
        for name in row:
            if name in wrong:
                yield fault(
                    name, row[name], KINDS[name][1] if name in KINDS else f"one of the fields {', '.join(KINDS)}"
                )
        if ("id" in said) == ("appointment" in said):
            yield fault("id", said.get("id", UNSET), "either id or appointment")
        if "appointment" in said and not self._named:
            yield fault("appointment", said["appointment"], "id: these appointments have no identifier of their own")
        if not {"outcome", "action"} & set(said):
            yield fault("outcome", UNSET, "an outcome, an action or both")
        if "propensity" in said and "action" not in said:
            yield fault("action", UNSET, "the action that propensity is the chance of")
        if "observed" in said and "observed" not in wrong and not _past(said["observed"], now):
            yield fault("observed", said["observed"], "a moment that is not to come")

    def _line(self, row: Line, now: datetime) -> Line:
        said = {name: value for name, value in row.items() if value is not None}
        if "appointment" in said:
            said["appointment"] = keyed(str(identifier(said["appointment"])), self.state.key)
        if "id" in said:
            said["id"] = str(said["id"])
        if "observed" in said:
            said["observed"] = _moment(said["observed"]).isoformat(timespec="milliseconds")
        return record(secrets.token_hex(16), now.isoformat(timespec="milliseconds"), self._key_id, **said)


async def _rows(part: Part, body: Body) -> list[Any]:
    """The rows of a part, after others had their turn."""
    if part.first:
        await asyncio.sleep(0)
    try:
        rows: list[Any] = msgspec.json.decode(part.text(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        refuse("outcomes")
    return rows


def _fits(name: str, value: Any) -> bool:
    try:
        found = msgspec.convert(value, KINDS[name][0])
    except msgspec.ValidationError:
        return False
    if name == "appointment":
        return identifier(found) is not None
    if name == "observed":
        return bool(found.year >= EARLIEST.year)
    return name != "propensity" or 0 <= found <= 1


def _moment(text: str) -> datetime:
    """In UTC; without a zone it is taken to be in UTC."""
    found = msgspec.convert(text, datetime)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _past(text: str, now: datetime) -> bool:
    try:
        return _moment(text) <= now + AHEAD
    except OverflowError:  # at the very end of the calendar
        return False
