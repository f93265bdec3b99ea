"""Repeats: test rows that already stood among the earlier ones, under another id and another day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from rounds.knobs import Column, Outcome, When

CLOCK = "time of day"


def repeated(
    earlier: pl.DataFrame, test: pl.DataFrame, columns: Mapping[str, Column], when: When, outcome: Outcome
) -> int:
    """How many test rows repeat an earlier one: equal in everything but the id and the days.

    A copy with a later day keeps its patient, its particulars and the second of the day at which it was booked.
    Real patients come again with equal particulars, but hardly ever book at the very same second of another day.
    """
    signature = list(_signature({name: columns[name] for name in columns if name != outcome.column}, when))
    seen = earlier.lazy().select(signature).unique()
    return int(test.lazy().select(signature).join(seen, on=pl.all(), how="semi").select(pl.len()).collect().item())


def _signature(columns: Mapping[str, Column], when: When) -> Iterator[pl.Expr]:
    for name, column in columns.items():
        if column.unique or name == when.happens or column.known == "afterwards":
            continue
        if name == when.booked and column.type == "timestamp":
            yield pl.col(name).dt.time().alias(CLOCK)
        else:
            yield pl.col(name)
