"""Time travel: the features of real rows, computed again from the table as it was at their own moment.

What was known at a moment is said here in words of its own: nothing is taken from the code that is judged, so that a
mistake in the cutoff or in the history cannot move both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rounds.definition import Definition
from rounds.knobs import Column, Moment
from rounds.tables import build_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.integer]

# What is known at each moment, by the `known` of a column.
KNOWN = {"booking": {"booking"}, "day_before": {"booking", "day_before"}}


@dataclass(frozen=True)
class Journey:
    """How many rows were computed again at how many moments, and in how many of them a feature came out differently."""

    rows: int
    moments: int
    differing: dict[str, int]


@dataclass(frozen=True)
class Days:
    """The day on which each row was booked, and the day on which it happens, since 1970-01-01."""

    booked: Integers
    happens: Integers

    def moments(self, moment: Moment) -> Integers:
        """The day on which each row is predicted: when it is booked, or the day before it happens if that is later."""
        if moment == "booking":
            return self.booked
        eve = self.happens - 1
        return np.where(eve < self.booked, self.booked, eve)


def travel(table: pl.DataFrame, made: pl.DataFrame, test: Integers, definition: Definition, moments: int) -> Journey:
    """Compute the test rows of some moments again; `made` holds the features of `table`, row by row."""
    when = definition.sections.when
    days = Days(_days(table, when.booked), _days(table, when.happens))
    predicted = days.moments(when.moment)
    chosen = _evenly(np.unique(predicted[test]), moments)
    differing = dict.fromkeys((name for name in made.columns if name not in definition.names), len(test))
    rows_seen = 0
    for day in chosen.tolist():
        rows = test[predicted[test] == day]
        rows_seen += len(rows)
        there = days.booked <= day
        as_it_was = hide(table, definition, unknown=pl.Series(days.happens >= day))
        again, _ = build_features(as_it_was.filter(pl.Series(there)), definition)
        place_of_row = np.cumsum(there) - 1
        for place, name in enumerate(definition.names):
            if name in made.columns:
                before = made.get_column(name).gather(rows).to_numpy()
                after = again[place_of_row[rows], place]
                differing[name] = differing.get(name, 0) + int((after != before).sum())
    return Journey(rows_seen, len(chosen), {name: count for name, count in differing.items() if count})


def hide(table: pl.DataFrame, definition: Definition, unknown: pl.Series) -> pl.DataFrame:
    """The table with every value altered that nobody knew yet: whatever reads one of them comes out differently.

    `unknown` says which rows had not happened: their outcome turns into its opposite. A column that is known only
    after the moment of prediction is altered in every row.
    """
    sections = definition.sections
    outcome, when = sections.outcome.column, sections.when
    known = {*KNOWN[when.moment]}
    later = {name: column for name, column in sections.columns.items() if column.known not in known}
    altered = [
        altered_value(name, column)
        for name, column in later.items()
        if name not in {outcome, when.booked, when.happens}
    ]
    opposite = pl.when(unknown).then(1 - pl.col(outcome)).otherwise(pl.col(outcome)).alias(outcome)
    return table.with_columns(opposite, *altered)


def altered_value(name: str, column: Column) -> pl.Expr:
    """Another value than the one that stands there, of the same type and within the same bounds."""
    value = pl.col(name)
    if column.type == "flag":
        return (1 - value).alias(name)
    if column.type in {"integer", "number"}:
        top = column.between[1] if column.between else np.inf
        return pl.when(value + 1 <= top).then(value + 1).otherwise(value - 1).alias(name)
    if column.within is not None:
        words = list(column.within)
        return value.replace(words, words[1:] + words[:1]).alias(name)
    if column.type in {"date", "timestamp"}:
        return value + pl.duration(days=1)
    return value + "?"


def _days(table: pl.DataFrame, name: str) -> Integers:
    whole_days = table.get_column(name).dt.date() if table.schema[name] != pl.Date else table.get_column(name)
    return whole_days.to_physical().to_numpy()


def _evenly(things: Integers, most: int) -> Integers:
    return things[np.unique(np.linspace(0, len(things) - 1, min(most, len(things))).astype(np.int64))]
