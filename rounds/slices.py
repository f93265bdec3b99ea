"""Slices of time: whole days for the model, later ones for its calibrator, the last ones for its test."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from rounds.errors import Refused
from rounds.knobs import Split
from rounds.manifest import Facts

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

NAMES = ("fit", "calibrate", "test")


@dataclass(frozen=True)
class Slices:
    """The first day of each slice; a slice ends where the next begins, and the last day is the table's."""

    fit: date
    calibrate: date
    test: date
    last: date

    def ends(self, name: str) -> date | None:
        """The first day after a slice; None after the last one."""
        return {"fit": self.calibrate, "calibrate": self.test, "test": None}[name]

    def rows(self, table: pl.DataFrame, by: str, name: str) -> pl.DataFrame:
        """The rows of a slice, in the table's order."""
        days, end = table.get_column(by), self.ends(name)
        mine = days >= getattr(self, name)
        return table.filter(mine if end is None else mine & (days < end))


def cut(days: pl.Series, split: Split) -> Slices:
    """Where the slices begin: each takes whole days, and never more than its share of rows up to there.

    With `split.newest` what is held out is no older than that, parted as its two shares are: a drift of a few weeks
    is then in both of a long table's, in the calibrator's and in the test's.
    """
    counts = days.value_counts(name="rows").sort(days.name)
    names, rows = counts.get_column(days.name).to_list(), counts.get_column("rows").to_list()
    if len(names) < len(NAMES):
        raise Refused(f"{days.name} has {len(names)} different days; split wants at least {len(NAMES)}.")
    ends = np.cumsum(rows)
    starts = [0, *(_place(ends, share * ends[-1]) for share in (split.fit, split.fit + split.calibrate))]
    if split.newest is not None:
        first = bisect_left(names, names[-1] - timedelta(days=split.newest - 1))
        if first > starts[1]:
            before = ends[first - 1]
            held = split.calibrate / (split.calibrate + split.test)
            starts = [0, first, _place(ends, before + held * (ends[-1] - before))]
    for name, start, end in zip(NAMES, starts, [*starts[1:], len(names)], strict=True):
        if start >= end:
            raise Refused(
                f"split.{name} is {getattr(split, name):.3g} of {ends[-1]} rows on {len(names)} days, which is less "
                f"than one whole day of {days.name}. Give it a larger share, or a table of more days."
            )
    fit, calibrate, test = (names[start] for start in starts)
    return Slices(fit, calibrate, test, last=names[-1])


_SLACK = 1e-6  # shares are decimal fractions: 0.55 + 0.17 of 100 rows is 72 of them


def _place(ends: NDArray[np.integer], rows: float) -> int:
    """How many days end within so many rows."""
    return int(np.searchsorted(ends, rows + _SLACK, side="right"))


def proof(table: pl.DataFrame, by: str, slices: Slices) -> Facts:
    """First and last day and rows of each slice: in order of time, none overlapping, no row left out."""
    facts: dict[str, Any] = {}
    for name in NAMES:
        days = slices.rows(table, by, name).get_column(by)
        facts[name] = {"first": str(days.min()), "last": str(days.max()), "rows": len(days)}
    ordered = all(facts[a]["last"] < facts[b]["first"] for a, b in (("fit", "calibrate"), ("calibrate", "test")))
    if not ordered or sum(facts[name]["rows"] for name in NAMES) != table.height:
        raise AssertionError("slices overlap or leave rows out")
    return facts
