"""What really happened, and what was done about it: one line of the outcomes' ledger, and how lines are settled.

What happened, happened to the appointment: a line that names a prediction holds for every prediction of its
appointment, as one that names the appointment does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import polars as pl

from rounds import recorded
from rounds.evidence import FORMAT
from rounds.knobs import Column
from rounds.manifest import Facts
from rounds.recorded import Ledger

LEDGER = "outcomes"
ACTIONS = ("none", "message", "call")
# entry: the line's own id. at: when it was received. id or appointment: what it is about, the latter as a keyed hash.
# propensity: the chance with which the policy would have taken that action. observed: when it was known at its source.
FIELDS = ("entry", "at", "format", "key", "id", "appointment", "outcome", "action", "propensity", "observed")


class Settled(NamedTuple):
    """Row for row with the predictions: outcome, action, propensity, observed, late. And what was counted."""

    table: pl.DataFrame
    counts: Facts


@cache
def schema() -> pl.Schema:
    """Made when it is asked for: whoever only imports this module waits for no polars."""
    other = {"format": pl.Int64, "outcome": pl.Boolean, "propensity": pl.Float64}
    return pl.Schema({**dict.fromkeys(FIELDS, pl.String), **other})


def record(entry: str, at: str, key: str, **said: Any) -> dict[str, Any]:
    """One line; `key` is the id of the key. What was not said is null; `observed` is then when it was received."""
    return {**dict.fromkeys(FIELDS), "entry": entry, "at": at, "format": FORMAT, "key": key, **said}


def which(columns: Mapping[str, Column]) -> str | None:
    """The identifier that says which appointment a row is, and by which an outcome may name it."""
    return next((name for name, column in columns.items() if column.unique and column.type == "identifier"), None)


def read(ledger: Ledger, first: datetime, to: datetime) -> tuple[pl.DataFrame, list[str]]:
    """The lines that came in this time, which ends before `to`, and what could not be read."""
    parts = [ledger.table(path, schema()) for path in ledger.between(first.date(), to.date())]
    lines = pl.concat([pl.DataFrame(schema=schema()), *(part.table for part in parts)])
    timed = lines.with_columns(
        recorded.moment(pl.col("at")), recorded.moment(pl.coalesce("observed", "at")).alias("observed")
    )
    trouble = [part.trouble for part in parts if part.trouble]
    if lost := timed.get_column("at").null_count():
        trouble.append(f"{lost} of the outcomes' lines do not say when they came")
    return timed.filter(pl.col("at") < to), trouble


def settle(
    entries: pl.DataFrame,
    predictions: pl.DataFrame,
    late: timedelta,
    changing: Collection[str] = (),
    older: pl.DataFrame | None = None,
) -> Settled:
    """By the rules: the outcome observed last wins, a contradiction is used by nobody until a later line decides; what
    was once done stays done, whatever is told beside it or later.

    `entries` has the fields, `at` and `observed` as moments; `predictions` has id, appointment and happens (a day).
    Of two actions the one in `changing`, else a call before a message, is the one that counts. `older` has id and
    appointment of predictions before these, for whose lines nobody is asked here.
    """
    whose = predictions.select("id", key=_key())
    before = whose.clear() if older is None else older.select("id", key=_key())
    said = _said(entries, whose, before)
    found = said.filter("known")
    outcome, action = _newest(found, "outcome"), _done(found, changing)
    table = (
        whose.join(outcome, on="key", how="left", maintain_order="left")
        .join(action, on="key", how="left", maintain_order="left")
        .with_columns(late=pl.col("at").dt.date() > predictions.get_column("happens") + late)
        .with_columns(pl.col("late").fill_null(False) & pl.col("outcome").is_not_null())
    )
    once = table.filter(pl.col("key").is_first_distinct())
    aged = int((said.get_column("older") & ~said.get_column("known")).sum())
    counts = {
        "entries": entries.height,
        "matched": found.height,
        "repeated": int(said.get_column("repeated").sum()),
        "corrected": int(outcome.get_column("corrected").sum()),
        "contradictory": int(outcome.get_column("contradictory").sum()),
        "disputed": int(action.get_column("disputed").sum()),
        "older": aged,
        "unknown": entries.height - found.height - aged,
        "late": int(once.get_column("late").sum()),
        "called": int((once.get_column("action") == "call").sum()),
    }
    return Settled(table.select("outcome", "action", "propensity", "observed", "late"), counts)


def _key() -> pl.Expr:
    """The appointment, or the prediction alone where it has none; the mark keeps one from looking like the other."""
    return pl.coalesce("appointment", "#" + pl.col("id"))


def _said(entries: pl.DataFrame, whose: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The lines in order, each with its key, whether we know that, and whether it says what the one before said."""
    every = pl.concat([whose, before]).unique("id", keep="first", maintain_order=True)
    said = (
        entries.join(every.rename({"key": "of"}), on="id", how="left")
        .with_columns(key=pl.coalesce("of", _key()))
        .join(whose.select("key", known=pl.lit(True)).unique(), on="key", how="left")
        .join(before.select("key", older=pl.lit(True)).unique(), on="key", how="left")
        .with_columns(pl.col("known", "older").fill_null(False))
        .sort("key", "observed", "at", "entry")
    )
    same = pl.all_horizontal(pl.col(each).eq_missing(pl.col(each).shift()) for each in _SAYS)
    return said.with_columns(repeated=same.fill_null(False))


_SAYS = ("key", "outcome", "action", "propensity")


def _newest(said: pl.DataFrame, what: str) -> pl.DataFrame:
    """For each key what its newest lines say of one thing, and null where they contradict each other."""
    told = said.filter(pl.col(what).is_not_null())
    low, high = pl.col(what).min().alias("low"), pl.col(what).max().alias("high")
    moments = told.group_by("key", "observed").agg(low, high, pl.col("at").min())
    last = moments.sort("key", "observed").unique("key", keep="last", maintain_order=True)
    ever = told.group_by("key").agg(changed=pl.col(what).min() != pl.col(what).max())
    one = pl.col("low") == pl.col("high")
    return last.join(ever, on="key").select(
        "key",
        "at",
        "observed",
        pl.when(one).then("low").alias(what),
        contradictory=~one,
        corrected=pl.col("changed") & one,
    )


def _done(said: pl.DataFrame, changing: Collection[str]) -> pl.DataFrame:
    """For each key the action that matters most, with the newest chance of that action; `disputed` where none was told
    beside it or later.
    """
    order = sorted(ACTIONS, key=lambda action: (action in changing, ACTIONS.index(action)))
    weight = pl.col("action").replace_strict(order, range(len(order)), default=-1, return_dtype=pl.Int8)
    told = said.filter(pl.col("action").is_not_null()).with_columns(weight=weight)
    most = told.filter(pl.col("weight") == pl.col("weight").max().over("key"))
    none, moment = pl.col("action") == "none", pl.col("observed")
    both = told.group_by("key").agg(denied=moment.filter(none).max(), done=moment.filter(~none).min())
    return (
        most.select("key", "action")
        .unique("key")
        .join(_newest(most, "propensity").select("key", "propensity"), on="key", how="left")
        .join(both.select("key", disputed=(pl.col("denied") >= pl.col("done")).fill_null(False)), on="key")
    )
