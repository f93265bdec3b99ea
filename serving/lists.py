"""A long list, column by column: each of its rows is answered, to the last bit, as it would be alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from rounds import listed
from rounds.errors import HistoryError, Refused
from rounds.pasts import Pasts
from serving.models import Live

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@dataclass(frozen=True)
class Scored:
    """A row each; `known` by word is whether there is a history, `as_of` is None where none could be had."""

    values: dict[str, list[Any]]
    matrix: Array
    scores: list[float]
    known: dict[str, list[bool]]
    as_of: str | None


def score(live: Live, rows: Sequence[Any], pasts: Pasts | None) -> Scored:
    """By a booster of its own: this runs beside the single questions, in another thread."""
    definition, values = live.definition, live.inputs.columns_of(rows)
    columns = definition.columns(values)
    looked, as_of = _look(live, values, len(rows), pasts)
    matrix = listed.matrix(listed.compacted(columns, definition), definition.moments(columns), looked, definition)
    known = {word: each.known.tolist() for word, each in looked.items()}
    return Scored(values, matrix, live.bundle.score(matrix).tolist(), known, as_of)


def _look(
    live: Live, values: dict[str, list[Any]], rows: int, pasts: Pasts | None
) -> tuple[dict[str, listed.Looked], str | None]:
    definition = live.definition
    if not definition.history:
        return {}, None
    entities = {word: pl.Series(word, values[name], pl.String) for word, name in definition.history.items()}
    try:
        if pasts is None:
            raise HistoryError("no history was published")
        pasts.want(definition.history)
        return listed.look(entities, pasts), pasts.as_of
    except (HistoryError, Refused):
        return listed.nothing(definition, rows), None


def unknown(live: Live, found: Scored) -> dict[int, list[str]]:
    """The rows that name what nobody knows, and what it is, in the order in which a single row names it."""
    told: dict[int, list[str]] = {}
    for name, within in live.inputs.known:
        _note(told, name, (at for at, value in enumerate(found.values[name]) if value not in within), found.values)
    if found.as_of is not None:
        for word, known in found.known.items():
            if word != live.inputs.word:
                name = live.definition.history[word]
                _note(told, name, (at for at, there in enumerate(known) if not there), found.values)
    return told


def _note(told: dict[int, list[str]], name: str, rows: Any, values: dict[str, list[Any]]) -> None:
    for at in rows:
        if values[name][at] is not None:
            told.setdefault(at, []).append(name)
