"""The rows of a table as they were sent to the service when it predicted them: the journal says so.

Which parts of the journal are compared is on record: of some days, up to the last part that each instance had shipped.
So a run on a table that was validated before reads the same parts again, whatever was shipped since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeGuard

import polars as pl

from jobs.checks.restated import PREDICTED, Comparison, comparable, compare_rows
from jobs.collecting.predictions import INPUT, Journaled
from rounds import log, manifest
from rounds.errors import Refused
from rounds.evidence import located
from rounds.files import Reader
from rounds.journal import LEDGER, key_at_hand, keyed
from rounds.knobs import Column, When
from rounds.manifest import Facts
from rounds.parquet import sink
from rounds.recorded import Ledger, moment

OWN_ROWS = "its own rows are journaled"
NO_JOURNAL = "there is no journal of its last days"
NO_KEY = "JOURNAL_KEY is not set"
OTHER_KEY = "JOURNAL_KEY is not the key of the journal"
EARLY, ORDER, ID = ":early", ":order", ":id"


@dataclass(frozen=True)
class Sent:
    """The parts of the journal to compare with, or why that is impossible."""

    impossible: str = NO_JOURNAL
    ledger: Ledger | None = None
    parts: tuple[str, ...] = ()
    first: date = date.min


def choose(read: Reader, days: int, last_day: Callable[[], date | None], recorded: object) -> tuple[Facts, Sent]:
    """What decides the comparison, and what to compare with.

    `recorded` is what an earlier run on this very table had; `last_day` reads the table for its last day otherwise.
    """
    if not days:
        return {}, Sent("journal_days is 0")
    if read.facts("ingest")["source"] == "journal":
        return {}, Sent(OWN_ROWS)
    listed = recorded if _is_listed(recorded, days) else _listed(read, days, last_day)
    parts = tuple(_parts(Ledger(read.store, read.problem, b""), listed))
    if not parts:
        return {"journal": listed}, Sent()
    try:
        key = key_at_hand(read.store, read.problem)
    except Refused as error:
        log.say(f"the table is not compared with the journal. {error}")
        return {"journal": OTHER_KEY}, Sent(OTHER_KEY)
    if key is None:
        return {"journal": NO_KEY}, Sent(NO_KEY)
    ledger, first = Ledger(read.store, read.problem, key), date.fromisoformat(listed["first"])
    return {"journal": {**listed, "parts": manifest.digest(parts)}}, Sent("", ledger, parts, first)


def _is_listed(recorded: object, days: int) -> TypeGuard[Facts]:
    """Whether parts of so many days are on record, or that there were none; it was impossible otherwise."""
    return isinstance(recorded, dict) and recorded.get("days", days) == days


def _listed(read: Reader, days: int, last_day: Callable[[], date | None]) -> Facts:
    """First and last day, and the number of the last part of each instance; empty where there is no journal."""
    last = last_day() if read.store.folders(f"{read.problem}/.{LEDGER}") else None
    if last is None:
        return {}
    first, numbers = last - timedelta(days=days - 1), dict[str, int]()
    for path in Ledger(read.store, read.problem, b"").between(first, last):
        if place := located(path):
            numbers[place.instance] = max(place.number, numbers.get(place.instance, 0))
    instances = dict(sorted(numbers.items()))
    return {"days": days, "first": first.isoformat(), "last": last.isoformat(), "instances": instances}


def _parts(ledger: Ledger, listed: Facts) -> Iterator[str]:
    """The listed parts that are still there, in order of their days."""
    if not listed:
        return
    for path in ledger.between(date.fromisoformat(listed["first"]), date.fromisoformat(listed["last"])):
        place = located(path)
        if place and place.number <= listed["instances"].get(place.instance, 0):
            yield path


@dataclass(frozen=True)
class Rows:
    """How a row of the table and a line of the journal are brought together."""

    columns: Mapping[str, Column]
    who: str
    when: When
    outcome: str
    row_key: Sequence[str]

    @property
    def key(self) -> list[str]:
        """With its day: an appointment that was moved is another one for a prediction."""
        return list(dict.fromkeys([*self.row_key, self.when.happens]))

    @property
    def compared(self) -> list[str]:
        return [name for name in comparable(self.columns, self.key) if name != self.outcome]

    def compare(self, table: pl.LazyFrame, sent: Sent, folder: Path) -> Comparison:
        """The good rows of a table, and what was sent of each in its last prediction before its day."""
        if sent.ledger is None:
            return Comparison(PREDICTED, impossible=sent.impossible)
        now, trouble = self._hashed(table, sent, folder), list[str]()
        try:
            before = self._predicted(sent, now.select(self.key).collect(), trouble)
        except Refused as error:  # a part of a newer release
            return Comparison(PREDICTED, impossible=str(error).rstrip("."))
        comparison = compare_rows(before.lazy(), now, self.compared, self.key, self.outcome, PREDICTED)
        return replace(comparison, trouble=_in_words(sent, trouble))

    def _hashed(self, table: pl.LazyFrame, sent: Sent, folder: Path) -> pl.LazyFrame:
        """The rows that may have been predicted in these days, identifiers as the journal has them."""
        assert sent.ledger is not None
        hashes = [
            pl.col(name).map_batches(partial(_keyed, key=sent.ledger.key), pl.String, is_elementwise=True)
            for name, column in self.columns.items()
            if column.type == "identifier"
        ]
        rows = table.filter(pl.col(self.when.happens).cast(pl.Date) >= sent.first)
        sink(rows.with_columns(*hashes, *self._seconds()), folder / "hashed.parquet")
        return pl.scan_parquet(folder / "hashed.parquet", glob=False)

    def _seconds(self) -> list[pl.Expr]:
        """Moments without the fraction of a second, which nightly lists leave out."""
        return [pl.col(name).dt.truncate("1s") for name, column in self.columns.items() if column.type == "timestamp"]

    def _predicted(self, sent: Sent, wanted: pl.DataFrame, trouble: list[str]) -> pl.DataFrame:
        """One line for each wanted row that was predicted, a day of the journal at a time."""
        assert sent.ledger is not None
        how = Journaled(self.columns, self.who, self.outcome)
        schema = pl.Schema({name: how.schema[name] for name in ("id", "at", "who", "input")})
        kept = self._typed(pl.DataFrame(schema=schema), how)
        for _, paths in groupby(sent.parts, lambda path: path.split("/")[-2]):
            for path in paths:
                part = sent.ledger.table(path, schema)
                trouble.extend([part.trouble] if part.trouble else [])
                kept = kept.vstack(self._typed(part.table, how).join(wanted, on=self.key, how="semi"))
            kept = kept.sort(EARLY, ORDER, ID).unique(self.key, keep="last", maintain_order=True)
        return kept

    def _typed(self, part: pl.DataFrame, how: Journaled) -> pl.DataFrame:
        """The predictions that were made in time, each with what was known by then.

        Of a day nobody knows the hour of the event, so predictions on that day come last, the first of them best.
        """
        at = moment(pl.col("at"))
        here = at.dt.convert_time_zone(self.columns[self.when.booked].zone or "UTC").dt.replace_time_zone(None)
        event = pl.col(self.when.happens)
        rows = part.select(
            pl.col("id").alias(ID),
            pl.col("who").alias(self.who),
            here.alias(":here"),
            **{name.removeprefix(INPUT): value for name, value in how.values.items()},
        ).with_columns(self._seconds())
        order = pl.col(":here").dt.epoch("us")
        early = pl.col(":here") < event.cast(pl.Datetime("us"))
        in_time = early | (
            event == pl.col(":here").dt.date() if self.columns[self.when.happens].type == "date" else False
        )
        eve = pl.col(":here").dt.date() >= event.cast(pl.Date) - pl.duration(days=1)
        late = [name for name in self.compared if self.columns[name].known == "day_before"]
        return rows.filter(in_time).select(
            ID,
            early.alias(EARLY),
            pl.when(early).then(order).otherwise(-order).alias(ORDER),
            *self.key,
            *(pl.when(eve).then(name).alias(name) if name in late else pl.col(name) for name in self.compared),
        )


def _keyed(values: pl.Series, key: bytes) -> pl.Series:
    hashes = [None if one is None else keyed(one, key) for one in values.to_list()]
    return pl.Series(values.name, hashes, pl.String)


def _in_words(sent: Sent, trouble: Sequence[str]) -> str:
    if not trouble:
        return ""
    count = (
        f"{len(trouble)} of {len(sent.parts):,} parts of the journal could not be compared, or not all of their lines"
    )
    return f"{count}: {trouble[0].rstrip('.')}"
