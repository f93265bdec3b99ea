"""The journal of some windows as one table, a row a prediction, its input typed as `validate` types a raw table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from rounds import recorded
from rounds.decoding import tidy, value
from rounds.journal import hidden
from rounds.knobs import Column
from rounds.outcomes import which
from rounds.recorded import Ledger

INPUT = "input_"  # before the name of each column that was asked with


@dataclass(frozen=True)
class Windows:
    """So many of equal length that end at `to`; the newest is number 0."""

    to: datetime
    length: timedelta
    count: int
    reach: timedelta  # how far back predictions are read: those before the first window have numbers from `count` on

    @property
    def first(self) -> datetime:
        return self.to - self.length * self.count

    @property
    def since(self) -> datetime:
        return self.to - self.reach

    def number(self) -> pl.Expr:
        last = pl.lit(self.to) - pl.duration(microseconds=1) - pl.col("at")
        return (last.dt.total_microseconds() // (self.length // timedelta(microseconds=1))).cast(pl.Int32)

    def mask(self) -> pl.Expr:
        return pl.col("at").is_between(pl.lit(self.since), pl.lit(self.to), closed="left")

    @property
    def before(self) -> Windows:
        """As many days before all of these."""
        return replace(self, to=self.since)


@dataclass(frozen=True)
class Journaled:
    """How this problem's lines are read."""

    columns: Mapping[str, Column]
    who: str
    outcome: str

    @property
    def asked(self) -> dict[str, Column]:
        return {name: column for name, column in self.columns.items() if name not in {self.who, self.outcome}}

    @property
    def schema(self) -> pl.Schema:
        """Every value of the input as text: a flag may be true, 1 or "1"."""
        text = pl.String()
        return pl.Schema(
            {
                **dict.fromkeys(("id", "at", "model", "bundle", "who", "band", "history"), text),
                "version": pl.Int64(),
                "score": pl.Float64(),
                "features": pl.List(pl.Float32()),
                "input": pl.Struct(dict.fromkeys(self.asked, text)),
            }
        )

    @property
    def appointment(self) -> pl.Expr:
        """The hash of the identifier of a row. Where that is whose row it is, a line has it in a place of its own."""
        own = which(self.columns)
        if own is None:
            return pl.lit(None, pl.String)
        return pl.col("who") if own == self.who else pl.col("input").struct.field(own)

    @property
    def named(self) -> dict[str, pl.DataType]:
        """The part of a line that `appointment` reads."""
        own = which(self.columns)
        if own is None:
            return {}
        return {"who": pl.String()} if own == self.who else {"input": pl.Struct({own: pl.String()})}

    @property
    def values(self) -> dict[str, pl.Expr]:
        """What was asked with, typed; identifiers are hashes."""
        hashed = {*hidden(self.columns, self.who)}
        texts = pl.col("input").struct
        return {
            INPUT + name: texts.field(name) if name in hashed else value(tidy(texts.field(name), column), column)
            for name, column in self.asked.items()
        }

    def typed(self, part: pl.DataFrame, windows: Windows) -> pl.DataFrame:
        """The predictions of a part whose `at` are moments."""
        return part.select(
            *("id", "at", windows.number().alias("window"), "model", "version", "bundle", "who"),
            self.appointment.alias("appointment"),
            *("score", "band", "history", "features"),
            **self.values,
        )


def read(ledger: Ledger, how: Journaled, windows: Windows) -> tuple[pl.DataFrame, list[str]]:
    """Every prediction since then once, in order of time, and what could not be read."""
    trouble: list[str] = []

    def parts() -> Iterator[pl.DataFrame]:
        yield how.typed(_timed(pl.DataFrame(schema=how.schema)), windows)
        for path in ledger.between(windows.since.date(), windows.to.date()):
            part = ledger.table(path, how.schema)
            trouble.extend([part.trouble] if part.trouble else [])
            timed = _timed(part.table).filter(windows.mask() | pl.col("at").is_null())
            whole = timed.filter(pl.col("id", "at").is_not_null(), pl.col("score").is_finite())
            if lost := timed.height - whole.height:
                trouble.append(f"{path} has {lost} lines without an id, a moment or a score")
            yield how.typed(whole, windows)

    found = _in_order(pl.concat(parts()))
    repeated = pl.col("id").eq_missing(pl.col("id").shift())
    if found.select(repeated.any()).item():  # two instances of the service shipped one segment, or a copy was put back
        found = found.filter(~repeated)
    last = pl.col("appointment").is_null() | pl.col("appointment").is_last_distinct()
    return found.with_columns(last=last), trouble


def older(ledger: Ledger, how: Journaled, windows: Windows) -> pl.DataFrame:
    """Id and appointment of the predictions before, to tell outcomes that come too late from those of nobody."""
    text = pl.String()
    schema, appointment = pl.Schema({"id": text, "at": text, **how.named}), how.appointment
    found = [pl.DataFrame(schema={"id": text, "appointment": text})]
    for path in ledger.between(windows.before.since.date(), windows.since.date()):
        timed = _timed(ledger.table(path, schema).table).filter(windows.before.mask())
        found.append(timed.select("id", appointment.alias("appointment")))
    return pl.concat(found)


def _timed(part: pl.DataFrame) -> pl.DataFrame:
    return part.with_columns(recorded.moment(pl.col("at")))


def _in_order(found: pl.DataFrame) -> pl.DataFrame:
    """Column by column, so that a long table is never twice in memory."""
    order = found.select(pl.arg_sort_by("at", "id")).to_series()
    return pl.DataFrame([found.drop_in_place(name).gather(order) for name in found.columns])
