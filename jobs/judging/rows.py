"""The rows of the exam: features beside what was validated, row by row, and what may be asked of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rounds.definition import Definition
from rounds.errors import Refused
from rounds.knobs import Split
from rounds.matrix import matrix, outcomes
from rounds.slices import cut
from rounds.tables import day_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.integer]

SAME_DAY, KNOWN = "same_day", "known_patient"


@dataclass(frozen=True)
class Rows:
    """Every row of the run in the order of the features table; `test` are the places of the last slice."""

    typed: pl.DataFrame
    features: pl.DataFrame
    who: Integers
    lead: Integers
    outcome: Integers
    test: Integers

    @property
    def earlier(self) -> Integers:
        return np.setdiff1d(np.arange(len(self.outcome)), self.test)

    def matrix(self, names: tuple[str, ...], rows: Integers | None = None) -> NDArray[np.float32]:
        """The features of these rows, otherwise of the test rows."""
        return matrix(self.features[self.test if rows is None else rows], names)


def assemble(validated: pl.DataFrame, features: pl.DataFrame, who: str, definition: Definition, split: Split) -> Rows:
    """Bring the two tables into one order, and say which rows the model is judged on."""
    when, outcome = definition.sections.when, definition.outcome
    unique = [name for name, column in definition.sections.columns.items() if column.unique]
    keys = list(dict.fromkeys([when.happens, when.booked, who, *unique]))
    typed, features = (table.sort(keys, maintain_order=True) for table in (validated, features))
    if not typed.select(keys).equals(features.select(keys)):
        raise Refused("the features are not those of the validated rows. Run 'features' again, then 'train'.")
    booked, happens = (day_numbers(typed.get_column(name)) for name in (when.booked, when.happens))
    days = typed.get_column(split.by).cast(pl.Date)
    test = np.flatnonzero((days >= cut(days, split).test).to_numpy())
    outcomes(features[test], outcome, "the test slice")
    return Rows(
        typed,
        features,
        typed.get_column(who).rank("dense").to_numpy().astype(np.int64) - 1,
        happens - booked,
        typed.get_column(outcome).to_numpy().astype(np.int64),
        test,
    )


def described(rows: Rows, who: str, definition: Definition) -> pl.DataFrame:
    """The columns that slices may go by: the features, the validated columns, and two that every problem has."""
    when = definition.sections.when
    booked, happens = (day_numbers(rows.typed.get_column(name)) for name in (when.booked, when.happens))
    first = np.full(int(rows.who.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, rows.who, happens)
    cutoff = definition.cutoffs(booked, happens)
    ours = {SAME_DAY: (rows.lead == 0).astype(np.int64), KNOWN: (first[rows.who] < cutoff).astype(np.int64)}
    names = [name for name in rows.features.columns if name not in rows.typed.columns and name not in ours]
    hidden = {who, *(name for name, column in definition.sections.columns.items() if column.type == "identifier")}
    open_words = {
        name for name, column in definition.sections.columns.items() if column.type == "category" and not column.within
    }
    shown = rows.typed.select(pl.exclude(*hidden, *open_words, *ours))
    return shown.hstack(rows.features.select(names)).with_columns(pl.Series(n, v) for n, v in ours.items())[rows.test]
