"""What may be asked: the input model of a bundle, decoded fast when it is right and explained when it is wrong."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter, lt
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw

from rounds.decoding import DATE, EARLIEST, LATEST, LONGEST, PRINTABLE
from rounds.definition import ORDER, Definition
from rounds.journal import hidden
from rounds.knobs import Column
from serving.spelling import category, identifier

MIDNIGHT = re.compile(DATE.strip("^$"))
FAULTS = 20  # are told of one request; whoever sends thousands has one mistake
WHOLE = 2**53  # the largest whole number that every JSON reader keeps

Whole = Annotated[int, Meta(ge=-WHOLE, le=WHOLE)]
TYPES: Mapping[str, Any] = {
    "identifier": Annotated[str, Meta(min_length=1, max_length=LONGEST, pattern=PRINTABLE.replace("$", r"\Z"))] | Whole,
    "integer": Whole,
    "number": float,
    "flag": bool | Literal[0, 1],
    "category": Annotated[str, Meta(max_length=LONGEST)],
    "date": datetime.date,
    "timestamp": datetime.datetime,
}
SPOKEN: Mapping[str, str] = {
    "identifier": f"text of 1 to {LONGEST} printable letters without space around it, or a whole number",
    "integer": "a whole number",
    "number": "a number",
    "flag": "true or false (1 or 0)",
    "category": f"text of at most {LONGEST} letters",
    "date": "a day such as 2026-03-30",
    "timestamp": "a moment such as 2026-03-12T09:30:00Z",
}


class Wrong(Exception):
    """What was sent cannot be answered; each fault names field, value and what was wanted."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        super().__init__("the input is not what is wanted")
        self.faults = faults


class Asked(NamedTuple):
    """One appointment, ready: `values` by column, which of its categories the model does not know, whose it is."""

    values: dict[str, Any]
    unknown: list[str]
    entities: dict[str, str | None]


@dataclass(frozen=True)
class Inputs:
    """The columns of a bundle that are known at its moment."""

    definition: Definition

    @cached_property
    def columns(self) -> dict[str, Column]:
        moment, outcome = ORDER.index(self.definition.moment), self.definition.outcome
        columns = self.definition.sections.columns
        return {name: c for name, c in columns.items() if ORDER.index(c.known) <= moment and name != outcome}

    @cached_property
    def required(self) -> tuple[str, str]:
        """Without the two days there is nothing to predict; all else may be missing, as it may be in training."""
        return self.definition.sections.when.booked, self.definition.sections.when.happens

    @property
    def who(self) -> str:
        """The column that says whose appointment it is."""
        return self.definition.sections.who

    @cached_property
    def word(self) -> str:
        """The word for the history of whose appointment it is; none of it is read where there is no such word."""
        return next((word for word, name in self.definition.history.items() if name == self.who), "")

    @cached_property
    def hidden(self) -> list[str]:
        """The columns that the journal holds as keyed hashes."""
        return hidden(self.columns, self.who)

    def read(self, body: bytes) -> Any:
        """One appointment of JSON, checked, in as little memory as may be: `ready` makes it ready."""
        try:
            return self._checked(self._decoder.decode(body))
        except (msgspec.DecodeError, _Fault, UnicodeDecodeError):
            return self._again(body)

    def read_many(self, bodies: Sequence[Raw]) -> list[Any] | None:
        """As `read` reads each, in less time; None where not all are right, and `read` says what is wrong."""
        try:
            found: list[Any] = self._decoders.decode(b"[%b]" % b",".join(bodies))
            return found if len(found) == len(bodies) and self._all_checked(found) else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _again(self, body: bytes) -> Any:
        """What was not read at once: called as in the raw table, with 62.0 for 62, or wrong."""
        try:
            sent = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Wrong([fault("", UNSET, "JSON (in UTF-8, without NaN or Infinity)")]) from None
        if not isinstance(sent, dict):
            raise Wrong([fault("", sent, f"an object with {', '.join(self.required)} and more, see /schema")])
        names = self._names(sent)
        row = {names[name]: self._value(names[name], value) for name, value in sent.items()}
        called = {column: name for name, column in names.items()}
        try:
            return self._checked(msgspec.convert(row, self._model))
        except _Fault as error:
            name = called.get(error.field, error.field)
            raise Wrong([fault(name, row.get(error.field), error.wanted)]) from None
        except msgspec.ValidationError:
            faults = [{**one, "field": called.get(one["field"], one["field"])} for one in self._faults(row)]
            raise Wrong(faults[:FAULTS] or [fault("", UNSET, "an appointment as /schema tells")]) from None

    def _names(self, sent: Iterable[str]) -> dict[str, str]:
        """The column that each name means: the model's own name, or that of the raw table; never one twice."""
        names = {name: self._raw.get(name, name) for name in sent}
        if len(set(names.values())) < len(names):
            twice = [name for name, column in names.items() if name != column and column in names]
            raise Wrong([fault(name, UNSET, f"one name alone: {names[name]} is the same column") for name in twice])
        return names

    @cached_property
    def _raw(self) -> dict[str, str]:
        """The columns by what the raw table calls them; a name that the model has means the model's column."""
        columns = self.definition.sections.columns
        return {column.raw: name for name, column in columns.items() if column.raw not in columns}

    def _value(self, name: str, value: Any) -> Any:
        """A whole number that was written with a point, and a day that was written as its midnight, as in a table."""
        kind = self.columns[name].type if name in self.columns else ""
        if isinstance(value, float) and kind in {"identifier", "integer", "flag"}:
            return int(value) if value.is_integer() else value
        if isinstance(value, str) and kind == "date" and MIDNIGHT.fullmatch(value):
            return value[:10]
        return value

    def ready(self, row: Any) -> Asked:
        """What `read` gave, as the model wants it."""
        values = msgspec.structs.asdict(row)
        unknown = [name for name, known in self.known if values[name] is not None and values[name] not in known]
        return Asked(values, unknown, {word: values[name] for word, name in self._entities})

    def columns_of(self, rows: Sequence[Any]) -> dict[str, list[Any]]:
        """What `read` gave for some rows, a column each."""
        return {name: list(map(attrgetter(name), rows)) for name in self.columns}

    def _checked(self, row: Any) -> Any:
        for name, clean in self._texts:
            value = getattr(row, name)
            if value is not None and (text := clean(value)) is not value:
                setattr(row, name, text)
        for name in self._days:
            value = getattr(row, name)
            if value is not None and not FIRST <= value.year <= LAST:
                raise _Fault(name, f"a day from {EARLIEST} to {LATEST}")
        booked, happens = (_day(getattr(row, name), zone) for name, zone in self._clocks)
        if happens < booked:
            raise _Fault(self.required[1], f"the day of {self.required[0]} or a later one")
        return row

    def _all_checked(self, rows: Sequence[Any]) -> bool:
        """What `_checked` does to each row, column by column; whether all are right."""
        for name, clean in self._texts:
            texts = map(attrgetter(name), rows)
            for row, value in zip(rows, texts, strict=True):
                if value is not None and (text := clean(value)) is not value:
                    setattr(row, name, text)
        for name in self._days:
            years = {value.year for value in map(attrgetter(name), rows) if value is not None}
            if years and not FIRST <= min(years) <= max(years) <= LAST:
                return False
        booked, happens = ([_day(getattr(row, name), zone) for row in rows] for name, zone in self._clocks)
        return not any(map(lt, happens, booked))

    @cached_property
    def _clocks(self) -> list[tuple[str, datetime.tzinfo]]:
        """The two days, each with the zone whose clock it is read by."""
        return [(name, self.columns[name].clock) for name in self.required]

    @cached_property
    def _decoder(self) -> Any:
        return msgspec.json.Decoder(self._model)

    @cached_property
    def _decoders(self) -> Any:
        return msgspec.json.Decoder(list[self._model])  # type: ignore[name-defined]

    @cached_property
    def _model(self) -> Any:
        fields: list[Any] = []
        for name, column in self.columns.items():
            kind = _bounded(column)
            fields.append((name, kind) if name in self.required else (name, kind | None, None))
        return msgspec.defstruct("Appointment", fields, kw_only=True, forbid_unknown_fields=True, gc=False)

    @cached_property
    def _texts(self) -> list[tuple[str, Callable[[Any], str | None]]]:
        return [
            (name, identifier if column.type == "identifier" else category(column.within or ()))
            for name, column in self.columns.items()
            if column.type in {"identifier", "category"}
        ]

    @cached_property
    def known(self) -> list[tuple[str, frozenset[str]]]:
        """The categories that the model knows, for each column that has a list of them."""
        return [(name, frozenset(column.within)) for name, column in self.columns.items() if column.within is not None]

    @cached_property
    def _days(self) -> list[str]:
        return [name for name, column in self.columns.items() if column.type in {"date", "timestamp"}]

    @cached_property
    def _entities(self) -> list[tuple[str, str]]:
        return list(self.definition.history.items())

    def _faults(self, found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for name in self.required:
            if name not in found:
                yield fault(name, UNSET, SPOKEN[self.columns[name].type])
        for name, value in found.items():
            column = self.columns.get(name)
            if column is None:
                yield fault(name, value, self._instead(name))
                continue
            if value is None and name not in self.required:
                continue
            try:
                msgspec.convert(value, _bounded(column))
            except msgspec.ValidationError:
                yield fault(name, value, wanted(column))

    def _instead(self, name: str) -> str:
        if name in self.definition.sections.columns:
            return f"nothing: {name} is not known at the moment of prediction ({self.definition.moment})"
        return f"one of the fields {', '.join(self.columns)}"


class _Fault(Exception):
    """What a type cannot say."""

    def __init__(self, field: str, wanted: str) -> None:
        super().__init__(wanted)
        self.field, self.wanted = field, wanted


FIRST, LAST = EARLIEST.year, LATEST.year


def _bounded(column: Column) -> Any:
    kind = TYPES[column.type]
    if column.between is not None:
        low, high = column.between
        number = int if column.type == "integer" else float
        kind = Annotated[number, Meta(ge=number(low), le=number(high))]
    return kind


def _day(value: Any, zone: datetime.tzinfo) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return (value.astimezone(zone) if value.tzinfo not in (None, zone) else value).date()
    day: datetime.date = value
    return day


def wanted(column: Column) -> str:
    """In words what a field takes."""
    if column.between is not None:
        return f"{SPOKEN[column.type]} from {column.between[0]:g} to {column.between[1]:g}"
    return SPOKEN[column.type]


def fault(field: str, value: Any, wanted: str) -> dict[str, Any]:
    """One thing that is wrong; a field that was not there has no value."""
    shown = {} if value is UNSET else {"value": _short(value)}
    return {"field": field, **shown, "wanted": wanted}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}..."
    if isinstance(value, list | dict):
        return f"({'a list' if isinstance(value, list) else 'an object'} of {len(value)})"
    return value
