"""The parts of the people that a model is judged on separately, each a name and its rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobs.judging.exam import Exam
from rounds.errors import Refused
from rounds.intervals import Estimate
from rounds.modelling import Slice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

# More different values than this are a list, not a few parts; and each might single somebody out.
MOST = 12
MISSING = "missing"
# Below so many outcomes of either kind, a figure says more about chance than about the model.
FEW = 10


def parts(asked: Slice, rows: pl.DataFrame) -> Iterator[tuple[str, Flags]]:
    """The parts that a slice asks for, in order: what each is called, and which rows are its own."""
    if asked.column not in rows.columns:
        raise Refused(
            f"evaluate.slices.{asked.name} names the column '{asked.column}'; want one of {', '.join(rows.columns)}."
        )
    values = rows.get_column(asked.column)
    if asked.at is None:
        yield from _each_value(asked.name, values)
    elif not values.dtype.is_numeric():
        raise Refused(f"evaluate.slices.{asked.name} bands '{asked.column}', which is not a number; leave 'at' out.")
    else:
        there = values.is_not_null().to_numpy()
        band = np.searchsorted(np.array(asked.at), values.fill_null(0).to_numpy(), side="right")
        for at, label in enumerate(_labels(asked.at, whole=values.dtype.is_integer())):
            yield label, there & (band == at)
        yield from _missing(values)


def judge(name: str, part: str, exam: Exam, smallest: int) -> dict[str, object]:
    """How the model does on one part; of one that is too small, only that it is."""
    size = exam.size
    if size["rows"] < smallest or not FEW <= size["with_outcome"] <= size["rows"] - FEW:
        return {"slice": name, "part": part, "too_small": True}
    estimates: dict[str, Estimate] = exam.measured.estimates()
    return {"slice": name, "part": part, "too_small": False, **size, "metrics": estimates}


def _each_value(name: str, values: pl.Series) -> Iterator[tuple[str, Flags]]:
    found = values.drop_nulls().unique().sort().to_list()
    if len(found) > MOST:
        raise Refused(
            f"evaluate.slices.{name} has {len(found)} different values; want at most {MOST}. Give it bands with 'at'."
        )
    words = {0: "no", 1: "yes"} if set(found) <= {0, 1} else {}
    for value in found:
        label = words.get(value) or (f"{value:g}" if isinstance(value, float) else str(value))
        yield label, (values == value).fill_null(False).to_numpy()
    yield from _missing(values)


def _missing(values: pl.Series) -> Iterator[tuple[str, Flags]]:
    """The rows without a value are a part of their own."""
    if values.null_count():
        yield MISSING, values.is_null().to_numpy()


def _labels(at: tuple[float, ...], whole: bool) -> Iterator[str]:
    yield f"under {at[0]:g}"
    for low, high in pairwise(at):
        yield f"{low:g} to {high - 1:g}" if whole else f"{low:g} to below {high:g}"
    yield f"{at[-1]:g} and over"
