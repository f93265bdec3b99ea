"""Time travel: the features of real rows, made again from the table as it was at their own moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rounds.definition import Definition
from rounds.tables import build_features, day_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Journey:
    """How many rows were made again at how many moments, and in how many of them a feature came out differently."""

    rows: int
    moments: int
    differing: dict[str, int]


def travel(table: pl.DataFrame, made: pl.DataFrame, test: Integers, definition: Definition, limits: Limits) -> Journey:
    """Make a sample of the test rows again; `made` holds the features of `table`, row by row."""
    when, outcome = definition.sections.when, definition.outcome
    booked, happens = (day_numbers(table.get_column(name)) for name in (when.booked, when.happens))
    sample = _sample(definition.cutoffs(booked, happens), test, limits)
    differing = dict.fromkeys((name for name in made.columns if name not in definition.names), len(test))
    for day, rows in sample.items():
        known = booked <= day
        # An outcome that nobody knew yet is turned into its opposite: whatever looks at it comes out differently.
        unknown = pl.Series(happens >= day)
        then = table.with_columns(pl.when(unknown).then(1 - pl.col(outcome)).otherwise(outcome).alias(outcome))
        again, _ = build_features(then.filter(pl.Series(known)), definition)
        at = (np.cumsum(known) - 1)[rows]
        for place, name in enumerate(definition.names):
            if name in made.columns:
                before = made.get_column(name).gather(rows).to_numpy()
                differing[name] = differing.get(name, 0) + int((again[at, place] != before).sum())
    rows_made = sum(len(rows) for rows in sample.values())
    return Journey(rows_made, len(sample), {name: count for name, count in differing.items() if count})


@dataclass(frozen=True)
class Limits:
    """How far the sample goes: so many moments, so many rows in all."""

    moments: int
    rows: int


def _sample(moment: Integers, test: Integers, limits: Limits) -> dict[int, Integers]:
    """Test rows by moment, evenly chosen in the order of the table."""
    days = _evenly(np.unique(moment[test]), limits.moments)
    each = max(1, limits.rows // len(days))
    return {int(day): _evenly(test[moment[test] == day], each) for day in days}


def _evenly(things: Integers, most: int) -> Integers:
    return things[np.unique(np.linspace(0, len(things) - 1, min(most, len(things))).astype(np.int64))]
