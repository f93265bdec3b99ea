"""Columns that were changed after the fact: the rows of this table, cell by cell, and what was said of them before.

`known` says from which moment on a column holds. All moments of a row have passed once its outcome is known: from then
on its cells may not change. So they are compared with the last good table, and with what the service was sent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from rounds.knobs import Column

FEW = 5  # changed rows, below which nothing is said of how they go with the outcome
CHANCE = 0.001  # of a difference in outcomes as large as this, over all columns together
BEFORE = ":before"
EARLIER = "earlier"  # the rows of the last good table
PREDICTED = "predicted"  # the rows as they were sent to the service


@dataclass(frozen=True)
class Restatement:
    """One column in the rows of both tables; rates are of the outcome, and `chance` is of such a difference."""

    column: str
    rows: int
    changed: int
    changed_rate: float = 0.0
    other_rate: float = 0.0
    chance: float = 1.0
    source: str = EARLIER

    @property
    def share(self) -> float:
        return self.changed / self.rows

    @property
    def with_outcome(self) -> bool:
        """Whether the changed rows have another outcome than the rest, beyond chance."""
        return self.changed >= FEW and self.chance < CHANCE

    @property
    def sentence(self) -> str:
        text = f"{self.column} changed in {self.changed:,} of {self.rows:,} {self.source} rows ({self.share:.2%})"
        if not self.with_outcome:
            return text
        return f"{text}; the outcome is true in {self.changed_rate:.1%} of them, in {self.other_rate:.1%} of the rest"


@dataclass(frozen=True)
class Comparison:
    """What came of one comparison: `impossible` says why there was none, `trouble` what could not be read for it."""

    source: str
    rows: int = 0
    restatements: Sequence[Restatement] = ()
    impossible: str = ""
    trouble: str = ""


def comparable(columns: Mapping[str, Column], key: Sequence[str]) -> list[str]:
    """The columns that may not change."""
    return [name for name, column in columns.items() if name not in key and column.known != "afterwards"]


def compare_rows(
    before: pl.LazyFrame, now: pl.LazyFrame, columns: Sequence[str], key: Sequence[str], outcome: str, source: str
) -> Comparison:
    """Every column that says something else in a row of both tables; `key` names a row, `now` has the outcomes.

    In a table a missing value is a value. What the service was not sent is none, and no change.
    """
    shared = _once(before, key).join(_once(now, key), on=key, suffix=BEFORE)
    missed = pl.col(outcome).cast(pl.Boolean)
    sums = [pl.len().alias(":rows")]
    for name in columns:
        seen = pl.col(name if source == PREDICTED else outcome).is_not_null()
        differs = seen & pl.col(name).ne_missing(pl.col(name + BEFORE))
        sums.append(pl.struct(_tallies(seen, differs, missed)).alias(name))
    counts = shared.select(sums).collect(engine="streaming").row(0, named=True)
    changed = (_restatement(name, source, len(columns), **counts[name]) for name in columns if counts[name]["changed"])
    rows = counts[":rows"]
    return Comparison(source, rows, tuple(changed), "" if rows else "no row is in both")


def _tallies(seen: pl.Expr, differs: pl.Expr, missed: pl.Expr) -> list[pl.Expr]:
    masks = {"rows": seen, "positive": seen & missed, "changed": differs, "hits": differs & missed}
    return [mask.sum().alias(name) for name, mask in masks.items()]


def _once(table: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    """The rows whose key no other row has."""
    return table.filter(pl.len().over(key) == 1)


def _restatement(
    column: str, source: str, columns: int, *, rows: int, positive: int, changed: int, hits: int
) -> Restatement:
    others = rows - changed
    chance = min(1.0, columns * by_chance(rows, positive, changed, hits))
    figures = (hits / changed, (positive - hits) / others if others else 0.0, chance)
    changed_rate, other_rate, chance = (round(each, 6) for each in figures)
    return Restatement(column, rows, changed, changed_rate, other_rate, chance, source)


def by_chance(rows: int, positive: int, drawn: int, hits: int) -> float:
    """How likely so many or so few hits are, or fewer, where `drawn` rows are drawn from all (two-sided)."""
    low, high = max(0, drawn + positive - rows), min(drawn, positive)
    weights = [_log_ways(rows, positive, drawn, count) for count in range(low, high + 1)]
    at = hits - low
    lower, upper = (math.fsum(map(math.exp, part)) for part in (weights[: at + 1], weights[at:]))
    return min(1.0, 2 * min(lower, upper))


def _log_ways(rows: int, positive: int, drawn: int, hits: int) -> float:
    return _log_choose(positive, hits) + _log_choose(rows - positive, drawn - hits) - _log_choose(rows, drawn)


def _log_choose(many: int, few: int) -> float:
    return math.lgamma(many + 1) - math.lgamma(few + 1) - math.lgamma(many - few + 1)
