"""Rows that lie ahead: a booking table holds appointments of which nobody can know the outcome yet."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from jobs.checks.questions import Questions
from jobs.checks.uniqueness import ROW
from rounds.decoding import tidy, value
from rounds.parquet import sink

# So many of the known outcomes lie on earlier days, or on the day from which on a lacking one is no error: a single
# row with a mistyped year must not move that day.
KNOWN = 0.999


@dataclass(frozen=True)
class Ahead:
    """How many rows have no outcome yet, and from which day on that was taken to be so."""

    rows: int = 0
    since: datetime.date | None = None

    @property
    def sentence(self) -> str:
        return f"{self.rows:,} rows on {self.since} or later have no outcome yet and are left out"


def leave_out(raw: pl.LazyFrame, asked: Questions, happens: str, folder: Path) -> tuple[pl.LazyFrame, Ahead]:
    """The other rows, with their numbers in the raw table, and what was left out.

    A row lies ahead if its outcome is empty and it happens on or after the last day of which outcomes are known.
    """
    last = last_known_day(raw, asked, happens)
    if last is None:
        return raw, Ahead()
    is_ahead = (_outcome(asked).is_null() & (_day(asked, happens) >= last)).fill_null(False)
    rows = raw.select(is_ahead.sum()).collect(engine="streaming").item()
    if not rows:
        return raw, Ahead()
    sink(raw.with_row_index(ROW, offset=1).filter(~is_ahead), folder / "present.parquet")
    return pl.scan_parquet(folder / "present.parquet", glob=False), Ahead(rows, last)


def last_known_day(raw: pl.LazyFrame, asked: Questions, happens: str) -> datetime.date | None:
    """The last day of which outcomes are known; None where no row has both."""
    days = raw.filter(_outcome(asked).is_not_null()).select(_day(asked, happens).to_physical().quantile(KNOWN, "lower"))
    last = days.collect(engine="streaming").item()
    return None if last is None else datetime.date(1970, 1, 1) + datetime.timedelta(days=int(last))


def _outcome(asked: Questions) -> pl.Expr:
    """The text of the outcome, null where there is none."""
    name = asked.outcome.column
    return tidy(pl.col(asked.names[name]), asked.columns[name], asked.outcome)


def _day(asked: Questions, happens: str) -> pl.Expr:
    event = asked.columns[happens]
    return value(tidy(pl.col(asked.names[happens]), event), event).cast(pl.Date)
