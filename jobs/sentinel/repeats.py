"""Repeats: test rows that stood among the earlier ones before, under another id, another day or another patient.

Real rows coincide too, so what counts is how many more repeat an earlier row than chance explains. Chance is measured
by the times of day of the bookings, in two ways: the matches some minutes off, for a copy keeps its time, and the
matches after the times are dealt out anew among the test rows, for a clinic may round them to the hour. The larger
counts. Without a time of day, the days between booking and event are dealt out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rounds.knobs import Column, Outcome, When

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

NEAR = 15  # seconds: as far may the times of day of a row and its copy be apart
OFF = tuple(sign * minutes * 60 for minutes in (5, 10, 15, 20) for sign in (-1, 1))
DEALS, SEED = 8, 7
WIDE = 2**20  # more than any time of day, or days ahead, with its shift
NUMBER = ":number"  # no column of ours can have this name


@dataclass(frozen=True)
class Repeats:
    """Test rows that repeat an earlier one, the number that chance explains, and how far that number may be trusted.

    `slack` is 1 where chance was seen at the same table's other minutes. It is 2 where it was dealt out: rows of one
    sort of patient are alike in their hours and days too.
    """

    rows: int
    by_chance: float
    slack: int

    def excess(self, test_rows: int) -> float:
        """The share of test rows beyond chance, by its lower end: three standard errors below what was counted."""
        error = 3 * float(np.sqrt(self.rows + self.by_chance / DEALS))
        return max(0.0, (self.rows - self.slack * self.by_chance - error) / test_rows)


def repeated(
    earlier: pl.DataFrame, test: pl.DataFrame, columns: Mapping[str, Column], who: str, when: When, outcome: Outcome
) -> dict[str, Repeats]:
    """How many test rows repeat an earlier one, of the same patient where rows have one, and of any patient."""
    days = {when.booked, when.happens}
    looks = [name for name, column in columns.items() if _is_kept(column) and name not in {*days, outcome.column, who}]
    number, clock = _number(columns, when)
    ways = {"any patient": looks} if columns[who].unique else {"same patient": [*looks, who], "any patient": looks}
    return {
        way: _count(earlier.select(*names, number), test.select(*names, number), clock) for way, names in ways.items()
    }


def _is_kept(column: Column) -> bool:
    """Whether a copy has the same value as its original."""
    return not column.unique and column.known != "afterwards"


def _number(columns: Mapping[str, Column], when: When) -> tuple[pl.Expr, bool]:
    """A whole number that a copy keeps, and whether it is a time of day, in seconds."""
    booked, happens = pl.col(when.booked), pl.col(when.happens)
    if columns[when.booked].type == "timestamp":
        return (booked - booked.dt.truncate("1d")).dt.total_seconds().alias(NUMBER), True
    return (happens.cast(pl.Date) - booked.cast(pl.Date)).dt.total_days().alias(NUMBER), False


def _count(earlier: pl.DataFrame, test: pl.DataFrame, clock: bool) -> Repeats:
    """Rows look alike if all but the number is equal; a test row repeats if one that looks alike has that number."""
    group = _groups(pl.concat([earlier, test]).drop(NUMBER))
    seen = np.sort(group[: earlier.height] + earlier.get_column(NUMBER).to_numpy())
    numbers = test.get_column(NUMBER).to_numpy()
    near = NEAR if clock else 0

    def matches(other: Integers) -> int:
        place = group[earlier.height :] + other
        first = np.searchsorted(seen, place - near)
        last = np.searchsorted(seen, place + near, side="right")
        return int((last > first).sum())

    generator = np.random.Generator(np.random.PCG64(SEED))
    dealt = sum(matches(generator.permutation(numbers)) for _ in range(DEALS)) / DEALS
    off = sum(matches(numbers + shift) for shift in OFF) / len(OFF) if clock else 0.0
    rows = matches(numbers)
    return Repeats(rows, off, 1) if off > dealt else Repeats(rows, dealt, 2)


def _groups(looks: pl.DataFrame) -> Integers:
    """A number for all rows that look alike, far from that of any others."""
    if not looks.width:
        return np.zeros(looks.height, np.int64)
    _, group = np.unique(looks.hash_rows(SEED).to_numpy(), return_inverse=True)
    return np.asarray(group.astype(np.int64) * WIDE)
