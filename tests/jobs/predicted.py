"""A journal of predictions of a raw table, written as `score` writes them; no model is needed for what was sent.

predict(store, raw)                          # each row at noon of the day before its appointment
predict(store, raw, hours=-36, name="late")  # at noon of the day after it
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

import polars as pl

import problems
from jobs.calling import journaled
from jobs.calling.incoming import read
from rounds.journal import Answering
from rounds.store import Store
from tests.jobs.watched import KEY, by_day, put


def unchanged(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def predict(
    store: Store,
    raw: pl.DataFrame,
    *,
    hours: int = 12,
    change: Callable[[pl.DataFrame], pl.DataFrame] = unchanged,
    name: str = "made",
) -> None:
    """Write a line for each row, so many hours before the day of its appointment; `change` alters what was sent."""
    of = problems.problem("noshow")
    rows = change(read(raw.lazy(), of, of.checks, []).good)
    answers = pl.DataFrame(
        {
            "id": [f"{name}{number}" for number in range(rows.height)],
            "features": [[0.0]] * rows.height,
            "score": [0.2] * rows.height,
            "band": ["low"] * rows.height,
            "history": ["unknown"] * rows.height,
        }
    )
    answering = Answering(of.name, of.model, 1, "b" * 64)
    lines = journaled.table(rows, answers, of, answering, KEY.encode(), {"history_as_of": None, "at": ""})
    moment = pl.col(of.when.happens).cast(pl.Datetime("ms")) - pl.duration(hours=hours)
    lines = lines.with_columns(rows.select(moment.dt.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").alias("at")))
    for day, part in by_day(lines):
        noon = datetime.datetime.fromisoformat(f"{day}T12:00:00+00:00")
        put(store, of.name, f"{name}-{day}", "journal", part, noon)
