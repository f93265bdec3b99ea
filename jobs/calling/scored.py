"""Many appointments scored at once: equal to the last bit to what each gives alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import polars as pl

from rounds import tables
from rounds.bundle import Bundle
from rounds.definition import Definition
from rounds.errors import Refused
from rounds.pasts import Pasts, pieces

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@dataclass(frozen=True)
class Scored:
    """A row each: the features, the calibrated probability, and whether the patient has a history."""

    matrix: Array
    score: Array
    known: Array


class Looked(NamedTuple):
    """The published pieces, and which of them each row has."""

    pieces: Sequence[bytes | None]
    code: Array


def score(table: pl.DataFrame, bundle: Bundle, pasts: Pasts) -> Scored:
    definition = bundle.rebuild()
    pasts.want(definition.history)
    if definition.names != bundle.features:
        raise Refused(f"the bundle {bundle.digest[:12]} gives other features than it was fitted with. Train again.")
    looked = {word: look(table.get_column(column), word, pasts) for word, column in definition.history.items()}
    found = matrix(table, definition, looked)
    whose = [word for word, column in definition.history.items() if column == bundle.sections["who"]]
    known = [np.array([piece is not None for piece in looked[word].pieces])[looked[word].code] for word in whose]
    return Scored(found, bundle.score(found), known[0] if known else np.zeros(table.height, bool))


def look(entity: pl.Series, word: str, pasts: Pasts) -> Looked:
    """Each entity is looked up once, however many rows it has."""
    distinct = entity.unique(maintain_order=True)
    numbered = pl.DataFrame({"entity": distinct, "code": np.arange(len(distinct))})
    code = entity.to_frame("entity").join(numbered, on="entity", how="left", maintain_order="left")
    found = pasts.published.pieces({word: distinct.to_list()})[word]
    return Looked(found, code.get_column("code").to_numpy())


def matrix(table: pl.DataFrame, definition: Definition, looked: Mapping[str, Looked]) -> Array:
    """The features of typed rows, with the histories as they were published."""
    columns = definition.readable.items()
    plain = [(name, column) for name, column in columns if column.type not in {"date", "timestamp"}]
    compacted = table.with_columns(tables.narrow(name, column) for name, column in plain)
    cutoff = cutoffs(table, definition)
    past = {word: pieces.before(each.pieces, each.code, cutoff) for word, each in looked.items()}
    return tables.matrix(compacted.select(*definition.readable), past, definition)


def cutoffs(table: pl.DataFrame, definition: Definition) -> Array:
    """For each row the first day whose outcomes are not known at its moment."""
    when = definition.sections.when
    booked, happens = (tables.day_numbers(table.get_column(name)) for name in (when.booked, when.happens))
    return booked if definition.moment == "booking" else np.maximum(booked, happens - 1)
