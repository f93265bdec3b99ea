"""Many appointments scored at once: equal to the last bit to what each gives alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from rounds import listed, tables
from rounds.bundle import Bundle
from rounds.definition import Definition
from rounds.errors import Refused
from rounds.listed import Looked
from rounds.pasts import Pasts

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@dataclass(frozen=True)
class Scored:
    """A row each: the features, the calibrated probability, and whether the patient's history was found."""

    matrix: Array
    score: Array
    history: Array  # a word of `rounds.journal.Known`


def score(table: pl.DataFrame, bundle: Bundle, pasts: Pasts) -> Scored:
    definition = bundle.rebuild()
    pasts.want(definition.history)
    if definition.names != bundle.features:
        raise Refused(f"the bundle {bundle.digest[:12]} gives other features than it was fitted with. Train again.")
    looked = listed.look({word: table.get_column(column) for word, column in definition.history.items()}, pasts)
    found = matrix(table, definition, looked)
    whose = [word for word, column in definition.history.items() if column == bundle.sections["who"]]
    known = looked[whose[0]].known if whose else np.zeros(table.height, bool)
    history = np.where(known, "known", "unknown") if definition.history else np.full(table.height, "none")
    return Scored(found, bundle.score(found), history)


def matrix(table: pl.DataFrame, definition: Definition, looked: Mapping[str, Looked]) -> Array:
    """The features of typed rows."""
    columns, when = definition.readable.items(), definition.sections.when
    plain = [(name, column) for name, column in columns if column.type not in {"date", "timestamp"}]
    compacted = table.with_columns(tables.narrow(name, column) for name, column in plain)
    booked, happens = (tables.day_numbers(table.get_column(name)) for name in (when.booked, when.happens))
    return listed.matrix(compacted, definition.cutoffs(booked, happens), looked, definition)
