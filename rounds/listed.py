"""The features of many appointments at once, with the histories as they were published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import polars as pl

from rounds import tables
from rounds.definition import Definition
from rounds.pasts import Pasts, pieces

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


class Looked(NamedTuple):
    """The published pieces, and which of them each row has."""

    pieces: Sequence[bytes | None]
    code: Array

    @property
    def known(self) -> Array:
        """Whether there is a history, row by row."""
        return np.array([bool(piece) for piece in self.pieces], bool)[self.code]


def look(entities: Mapping[str, pl.Series], pasts: Pasts) -> dict[str, Looked]:
    """Word by word: each entity is looked up once, however many rows it has, and all of them in one state."""
    distinct = {word: entity.unique(maintain_order=True) for word, entity in entities.items()}
    found = pasts.published.pieces({word: entity.to_list() for word, entity in distinct.items()})
    return {word: Looked(found[word], _places(entity, distinct[word])) for word, entity in entities.items()}


def nothing(definition: Definition, rows: int) -> dict[str, Looked]:
    """As if nobody were known."""
    return dict.fromkeys(definition.history, Looked([None], np.zeros(rows, np.int64)))


def matrix(compacted: pl.DataFrame, cutoff: Array, looked: Mapping[str, Looked], definition: Definition) -> Array:
    """The features of compact rows."""
    past = {word: pieces.before(each.pieces, each.code, cutoff) for word, each in looked.items()}
    return tables.matrix(compacted.select(*definition.readable), past, definition)


def compacted(columns: Mapping[str, Array], definition: Definition) -> pl.DataFrame:
    """The numbers of requests as a compact table: its moments are in microseconds."""
    kinds = {name: column.type for name, column in definition.readable.items()}
    return pl.DataFrame(
        {name: columns[name] * 1_000_000 if kinds[name] == "timestamp" else columns[name] for name in kinds}
    )


def _places(entity: pl.Series, distinct: pl.Series) -> Array:
    numbered = pl.DataFrame({"entity": distinct, "code": np.arange(len(distinct))})
    found = entity.to_frame("entity").join(numbered, on="entity", how="left", nulls_equal=True, maintain_order="left")
    return found.get_column("code").to_numpy()
