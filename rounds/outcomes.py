"""What really happened, and what was done about it: one line of the outcomes' ledger, and how lines are settled.

What happened, happened to the appointment: a line that names a prediction holds for every prediction of its
appointment, as one that names the appointment does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from rounds import recorded
from rounds.knobs import Column
from rounds.manifest import Facts
from rounds.store import Store

LEDGER = "outcomes"
ACTIONS = ("none", "message", "call")
# entry: the line's own id. at: when it was received. id or appointment: what it is about, the latter as a keyed hash.
# propensity: the chance with which the policy would have taken that action. observed: when it was known at its source.
SCHEMA = pl.Schema(
    {
        "entry": pl.String,
        "at": pl.String,
        "id": pl.String,
        "appointment": pl.String,
        "outcome": pl.Boolean,
        "action": pl.String,
        "propensity": pl.Float64,
        "observed": pl.String,
    }
)
FIELDS = tuple(SCHEMA)


class Settled(NamedTuple):
    """Row for row with the predictions: outcome, action, propensity, observed, late. And what was counted."""

    table: pl.DataFrame
    counts: Facts


def record(entry: str, at: str, **said: Any) -> dict[str, Any]:
    """One line; whatever was not said is null, and `observed` is then taken to be when it was received."""
    return {**dict.fromkeys(FIELDS), "entry": entry, "at": at, **said}


def which(columns: Mapping[str, Column]) -> str | None:
    """The identifier that says which appointment a row is, and by which an outcome may name it."""
    return next((name for name, column in columns.items() if column.unique and column.type == "identifier"), None)


def read(store: Store, problem: str, first: datetime, to: datetime) -> tuple[pl.DataFrame, list[str]]:
    """The lines that came in this time, which ends before `to`, and what could not be read."""
    parts = [
        recorded.table(store, path, SCHEMA)
        for path in recorded.between(store, problem, first.date(), to.date(), LEDGER)
    ]
    lines = pl.concat([pl.DataFrame(schema=SCHEMA), *(part.table for part in parts)])
    timed = lines.with_columns(
        recorded.moment(pl.col("at")), recorded.moment(pl.coalesce("observed", "at")).alias("observed")
    )
    return timed.filter(pl.col("at") < to), [part.trouble for part in parts if part.trouble]


def settle(entries: pl.DataFrame, predictions: pl.DataFrame, late: timedelta) -> Settled:
    """By the rules: the later observed wins, a contradiction is used by nobody until a later line decides.

    `entries` has the fields, `at` and `observed` as moments; `predictions` has id, appointment and happens (a day).
    """
    whose = predictions.select("id", key=_key())
    said = _said(entries, whose)
    found = said.filter("known")
    outcome, action = _newest(found, "outcome"), _newest(found, "action")
    table = (
        whose.join(outcome.drop("propensity"), on="key", how="left", maintain_order="left")
        .join(action.select("key", "action", "propensity"), on="key", how="left", maintain_order="left")
        .with_columns(late=pl.col("at").dt.date() > predictions.get_column("happens") + late)
        .with_columns(pl.col("late").fill_null(False) & pl.col("outcome").is_not_null())
    )
    once = table.filter(pl.col("key").is_first_distinct())
    both = pl.concat([outcome.select("corrected", "contradictory"), action.select("corrected", "contradictory")])
    counts = {
        "entries": entries.height,
        "matched": found.height,
        "repeated": int(said.get_column("repeated").sum()),
        "corrected": int(both.get_column("corrected").sum()),
        "contradictory": int(both.get_column("contradictory").sum()),
        "unknown": entries.height - found.height,
        "late": int(once.get_column("late").sum()),
        "called": int((once.get_column("action") == "call").sum()),
    }
    return Settled(table.select("outcome", "action", "propensity", "observed", "late"), counts)


def _key() -> pl.Expr:
    """The appointment, or the prediction alone where it has none; the mark keeps one from looking like the other."""
    return pl.coalesce("appointment", "#" + pl.col("id"))


def _said(entries: pl.DataFrame, whose: pl.DataFrame) -> pl.DataFrame:
    """The lines in order, each with its key, whether we know that, and whether it says what the one before said."""
    keys = whose.select("key", known=pl.lit(True)).unique()
    said = (
        entries.join(whose.rename({"key": "of"}), on="id", how="left")
        .with_columns(key=pl.coalesce("of", _key()))
        .join(keys, on="key", how="left")
        .with_columns(pl.col("known").fill_null(False))
        .sort("key", "observed", "at", "entry")
    )
    same = pl.all_horizontal(pl.col(each).eq_missing(pl.col(each).shift()) for each in _SAYS)
    return said.with_columns(repeated=same.fill_null(False))


_SAYS = ("key", "outcome", "action", "propensity")


def _newest(said: pl.DataFrame, what: str) -> pl.DataFrame:
    """For each key what its newest lines say of one thing, and null where they contradict each other."""
    told = said.filter(pl.col(what).is_not_null())
    low, high = pl.col(what).min().alias("low"), pl.col(what).max().alias("high")
    chance, one = pl.col("propensity"), pl.col("low") == pl.col("high")
    moments = told.group_by("key", "observed").agg(low, high, pl.col("at").min(), chance.min(), most=chance.max())
    last = moments.sort("key", "observed").unique("key", keep="last", maintain_order=True)
    ever = told.group_by("key").agg(changed=pl.col(what).min() != pl.col(what).max())
    return last.join(ever, on="key").select(
        "key",
        "at",
        "observed",
        pl.when(one).then("low").alias(what),
        pl.when(one & (chance == pl.col("most"))).then(chance).alias("propensity"),
        contradictory=~one,
        corrected=pl.col("changed") & one,
    )
