"""The rows of a body, `{"name": [row, ...]}`, in parts: never more than one part of it is decoded."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from rounds.decoding import LONGEST
from serving.inputs import fault
from serving.limits import Body, Problem

PART = 64 * 1024  # bytes that are decoded at once, and so the most that one row may have

FEW = 1024  # rows that are counted one by one before others get their turn

SPACE = 0x20  # the greatest byte of those that are space in JSON
_SPACE = re.compile(rb"[ \t\r\n]*+")
_decode_raws = msgspec.json.Decoder(list[Raw]).decode


class Malformed(Exception):
    """Not JSON of the wanted shape, or a row that is larger than a part."""


@dataclass
class Part:
    """Some whole rows: where they stand in the body, and the number of the first."""

    start: int
    stop: int
    first: int
    count: int

    def text(self, body: Body) -> bytes:
        """A JSON array of these rows."""
        return b"[" + body[self.start : self.stop] + b"]"

    def raws(self, body: Body) -> list[Raw]:
        try:
            return _decode_raws(self.text(body))
        except (msgspec.DecodeError, RecursionError):
            raise Malformed from None


async def cut(body: Body, name: str, most: int) -> list[Part]:
    """All parts of a body. The rows are counted before any of them is decoded; others get their turn meanwhile."""
    parts: list[Part] = []
    count = 0
    try:
        for part in _parts(body, name):
            parts.append(part)
            count += part.count
            if count > most:
                break
            if len(body) > PART:
                await asyncio.sleep(0)
    except Malformed:
        refuse(name)
    if not 0 < count <= most:
        shown = f"more than {most}" if count > most and len(body) > PART else str(count)
        wanted = f"1 to {most} {name}"
        fields = [{"field": name, "value": int(shown) if shown.isdigit() else shown, "wanted": wanted}]
        raise Problem(422, f"The body holds {shown} {name}; want {wanted}.", fields=fields)
    return parts


def refuse(name: str) -> NoReturn:
    example = {"appointments": '{"appointments": [{...}]}, see /schema'}.get(
        name, '{"outcomes": [{"id": "...", "outcome": true}]}'
    )
    wanted = f"JSON such as {example}, no row larger than {PART // 1024} kB"
    raise Problem(422, "The body is not what is wanted.", fields=[fault("", msgspec.UNSET, wanted)])


def groups(parts: list[Part], most: int) -> Iterator[list[Part]]:
    """Parts with together about so many rows."""
    group: list[Part] = []
    for part in parts:
        if group and sum(each.count for each in group) + part.count > most:
            yield group
            group = []
        group.append(part)
    yield group


def _parts(body: Body, name: str) -> Iterator[Part]:
    at, end = _inner(body, name)
    at = _skip(body, at, end)
    first = 0
    while at < end:
        part = _whole(body, at, end, first) or _counted(body, at, end, first)
        yield part
        first += part.count
        at = _skip(body, part.stop, end)
        if at == end:
            return
        if body[at : at + 1] != b",":
            raise Malformed
        at = _skip(body, at + 1, end)
        if at == end:
            raise Malformed


def _inner(body: Body, name: str) -> tuple[int, int]:
    """Where the rows begin and end. Nothing but the array is in the body, so no key of it can be there twice."""
    head = _head(name).match(body)
    end = body.rfind(b"}")
    stop = body.rfind(b"]", 0, max(end, 0))
    if head is None or stop < head.end():
        raise Malformed
    if _skip(body, stop + 1, end) != end or _skip(body, end + 1, len(body)) != len(body):
        raise Malformed
    return head.end(), stop


_HEADS = {
    name: re.compile(rb'[ \t\r\n]*+\{[ \t\r\n]*+"%b"[ \t\r\n]*+:[ \t\r\n]*+\[' % name.encode())
    for name in ("appointments", "outcomes")
}


def _head(name: str) -> re.Pattern[bytes]:
    return _HEADS[name]


def _skip(body: Body, at: int, end: int) -> int:
    """Past space; so much of it as a part may have is no list that somebody wrote."""
    if at == end or body[at] > SPACE:  # mostly there is none
        return at
    end = min(end, at + PART)
    space = _SPACE.match(body, at, end)
    return space.end() if space else at


def _whole(body: Body, at: int, end: int, first: int) -> Part | None:
    """The rows up to the last `},` of a part; None where that is inside of a row, or no JSON."""
    stop = end if end - at <= PART else body.rfind(b"},", at, at + PART) + 1
    if stop <= at:
        return None
    part = Part(at, stop, first, 0)
    try:
        part.count = len(_decode_raws(part.text(body)))
    except (msgspec.DecodeError, RecursionError):
        return None
    return part


def _counted(body: Body, at: int, end: int, first: int) -> Part:
    """The same row by row. In Latin-1 a letter is a byte, and what is JSON in UTF-8 has the same shape."""
    text = body[at : min(at + PART, end)].decode("latin-1")
    last, stop, count = at + len(text) == end, 0, 0
    place = 0
    try:
        while count < FEW:
            _, place = _scan(text, place)
            if place == len(text) and not last:  # a number may go on
                break
            stop, count = place, count + 1
            place = _skip_text(text, place)
            if text[place : place + 1] != ",":
                break
            place = _skip_text(text, place + 1)
    except (ValueError, RecursionError):
        pass  # no JSON from here on, or not whole in this part
    if not count:
        raise Malformed
    return Part(at, at + stop, first, count)


def _no_constant(_: str) -> None:
    raise ValueError


_scan = json.JSONDecoder(parse_int=float, parse_constant=_no_constant).raw_decode
_skip_text_pattern = re.compile(r"[ \t\r\n]*+")


def _skip_text(text: str, at: int) -> int:
    space = _skip_text_pattern.match(text, at)
    return space.end() if space else at


class Repeated(Exception):
    """A key that one object has twice, as it can be shown: half a letter is none, and UTF-8 cannot hold it."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key[:LONGEST].encode("utf-8", "backslashreplace").decode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Repeated(key)
        found[key] = value
    return found


_check = json.JSONDecoder(object_pairs_hook=_once, parse_int=float, parse_constant=_no_constant).decode


def repeated(text: bytes) -> str | None:
    """A key that some object of this JSON has twice. What is no JSON has none here: its reader says so."""
    try:
        _check(text.decode())
    except Repeated as error:
        return error.key
    except (ValueError, RecursionError):
        pass
    return None


def repeated_in(rows: list[Raw], first: int) -> list[dict[str, Any]]:
    """The same of each row, as faults."""
    keys = ((at, repeated(bytes(row))) for at, row in enumerate(rows, first))
    return [{"row": at, **fault(key, msgspec.UNSET, f"{key} once")} for at, key in keys if key is not None]


def surely_once(text: bytes, fields: int) -> bool:
    """Whether flat rows with so many fields in all have no key twice: then there are as many commas, and one more.

    That costs a tenth of reading each key. Commas in texts, and nulls that were not counted, give no certainty.
    """
    return text.count(b",") + 1 == fields
