"""What a feature definition may read at the problem's moment, and its evaluation on the numbers of one request."""

from __future__ import annotations

import datetime
import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from rounds import mistakes
from rounds.arithmetic import Numbers, Operations
from rounds.errors import Refused, RoundsError
from rounds.history import NOTHING, WORDS, Past
from rounds.knobs import Column, Features, Moment, Outcome, When

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
ORDER = ("booking", "day_before", "afterwards")
SECONDS = 86400
EPOCH = datetime.date(1970, 1, 1).toordinal()
START = datetime.datetime(1970, 1, 1)
FIRST = Past()


@dataclass(frozen=True)
class Sections:
    """What of problem.yaml a definition goes by, and who is who."""

    columns: dict[str, Column]
    who: str
    when: When
    outcome: Outcome
    features: Features


class Row:
    """The named values that a definition reads: numbers of one request, or expressions for a table."""

    def __init__(self, values: dict[str, Any], definition: Definition) -> None:
        self.__dict__ = values
        values["_definition"] = definition

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Refused(self.__dict__["_definition"].why_not(name))


@dataclass(frozen=True)
class Definition:
    """A problem's `features(row, op, moment)`, held to what is known at the moment."""

    sections: Sections
    features: Callable[[Row, type[Operations], Moment], dict[str, Any]]

    @cached_property
    def moment(self) -> Moment:
        return self.sections.when.moment

    @property
    def outcome(self) -> str:
        return self.sections.outcome.column

    @cached_property
    def readable(self) -> dict[str, Column]:
        """The columns that are numbers, or become one, and are known at the moment."""
        return {name: column for name, column in self.sections.columns.items() if self._hidden(name, column) is None}

    @cached_property
    def history(self) -> dict[str, str]:
        """The word and the column of each entity whose history a row carries."""
        taken = {f"{word}_{part}" for word in self.sections.features.history for part in WORDS}
        if doubled := sorted(taken & set(self.sections.columns)):
            raise Refused(f"features.history makes '{doubled[0]}', which is a column too; rename one of them.")
        return dict(self.sections.features.history)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features in order: what the definition gives for a row of zeros."""
        zeros: dict[str, Any] = dict.fromkeys(self.readable, 0)
        for word in self.history:
            zeros.update(zip(parts(word), NOTHING, strict=True))
        return tuple(self.probe(zeros, Numbers))

    def evaluate(self, values: dict[str, Any], op: type[Operations]) -> dict[str, Any]:
        """The features of these named values, in 64 bits."""
        return self.features(Row(values, self), op, self.moment)

    def probe(self, values: dict[str, Any], op: type[Operations]) -> dict[str, Any]:
        """The same of no patient's values, such as zeros or expressions; a mistake is reported in full."""
        path = self.features.__code__.co_filename
        try:
            features = self.evaluate(values, op)
        except RoundsError:
            raise
        except Exception as error:
            raise Refused(mistakes.describe(error, path, "features.py")) from error
        if not isinstance(features, dict) or not features:
            raise Refused(f"features.py gives {type(features).__name__}; want a dict of features by their names.")
        for name, value in features.items():
            if not isinstance(name, str) or value is None or isinstance(value, str | list | tuple | dict):
                kind = type(value).__name__
                raise Refused(
                    f"features.py gives {kind} for the feature {name!r}; want a number by a name that is text."
                )
        return features

    def numbers(self, request: Mapping[str, Any], pasts: Mapping[str, Past]) -> array[float]:
        """The features of one request, in order, rounded to 32 bits: equal to the last bit to a table's row."""
        values = {name: number(request.get(name)) for name, number in self._numbers}
        booked, happens = self._days
        cutoff = self.cutoff(values[booked[0]] // booked[1], values[happens[0]] // happens[1])
        for word, visits, missed, last_day, last_missed in self._parts:
            known = pasts.get(word, FIRST).before(cutoff)
            values[visits], values[missed], values[last_day], values[last_missed] = known
        # Adding 0.0 makes a negative zero positive, as on a table.
        return array("f", [feature + 0.0 for feature in self.evaluate(values, Numbers).values()])

    def columns(self, values: Mapping[str, Sequence[Any]]) -> dict[str, Array]:
        """The numbers of many requests, a column each: every value is read as `numbers` reads it."""
        found = {}
        for name, number in self._numbers:
            read = {value: number(value) for value in set(values[name])}
            kind = np.float64 if self.readable[name].type == "number" else np.int64
            found[name] = np.array([read[value] for value in values[name]], kind)
        return found

    def moments(self, columns: Mapping[str, Array]) -> Array:
        """Their cut-off days."""
        booked, happens = (columns[name] // units for name, units in self._days)
        return self.cutoffs(booked, happens)

    def cutoff(self, booked: int, happens: int) -> int:
        """The first day whose outcomes are not known at the moment; the moment itself is on that day."""
        return booked if self.moment == "booking" else max(booked, happens - 1)

    def cutoffs(self, booked: Array, happens: Array) -> Array:
        """The same for the days of many rows."""
        return booked if self.moment == "booking" else np.maximum(booked, happens - 1)

    def why_not(self, name: str) -> str:
        """The sentence for a definition that reads what it may not."""
        column = self.sections.columns.get(name)
        if column is None:
            found = ", ".join([*self.readable, *(part for word in self.history for part in parts(word))])
            return f"features.py reads row.{name}, which does not exist. Use one of: {found}."
        return f"features.py reads row.{name}, {self._hidden(name, column)}."

    def _hidden(self, name: str, column: Column) -> str | None:
        """Why the definition cannot read this column, if it cannot."""
        if name == self.outcome:
            return "the outcome, which is never known at the moment of prediction. Use the history of earlier outcomes"
        if ORDER.index(column.known) > ORDER.index(self.moment):
            advice = f'Ask `if moment == "{column.known}":` first' if column.known in ORDER[:2] else "Leave it out"
            return f"which is known {_SPOKEN[column.known]}, and the moment is {self.moment}. {advice}"
        if column.type == "identifier" or (column.type == "category" and column.within is None):
            return f"which is no number ({column.type} without 'in'). Name it in features.history, or give it 'in'"
        return None

    @cached_property
    def _numbers(self) -> list[tuple[str, Callable[[Any], Any]]]:
        return [(name, _converter(name, column)) for name, column in self.readable.items()]

    @cached_property
    def _parts(self) -> list[tuple[str, ...]]:
        return [(word, *parts(word)) for word in self.history]

    @cached_property
    def _days(self) -> list[tuple[str, int]]:
        """When the row was booked and when it happens: the value and how many of its units make a day."""
        names = (self.sections.when.booked, self.sections.when.happens)
        return [(name, SECONDS if self.sections.columns[name].type == "timestamp" else 1) for name in names]


_SPOKEN = {"booking": "from booking on", "day_before": "from the day before on", "afterwards": "afterwards only"}


def parts(word: str) -> tuple[str, ...]:
    """The names of an entity's history in a row."""
    return tuple(f"{word}_{part}" for part in WORDS)


def _converter(name: str, column: Column) -> Callable[[Any], Any]:
    """From a value of the request to its number; a missing one is 0, an unknown category -1, a missing day an error."""
    if column.within is not None:
        index = {value: at for at, value in enumerate(column.within)}
        return lambda value: index.get(value, -1)
    if column.type == "number":
        return lambda value: float(value) if value is not None and math.isfinite(value) else 0.0
    if column.type == "date":
        return lambda value: value if type(value) is int else _day(value, name)
    if column.type == "timestamp":
        zone = column.clock
        return lambda value: value if type(value) is int else _second(value, name, zone)
    return lambda value: value if type(value) is int else 0 if value is None else int(value)


def _day(value: Any, name: str) -> int:
    if isinstance(value, datetime.date):
        return value.toordinal() - EPOCH
    raise Refused(f"'{name}' is missing or no day; want a date, or a whole number of days since 1970-01-01.")


def _second(value: Any, name: str, zone: datetime.tzinfo) -> int:
    if not isinstance(value, datetime.datetime):
        raise Refused(f"'{name}' is missing or no moment; want a datetime, or whole seconds since 1970-01-01.")
    plain = value.astimezone(zone).replace(tzinfo=None) if value.tzinfo else value
    return (plain - START) // datetime.timedelta(seconds=1)
