"""Whom to call: by risk, as many as can be called, nobody too often."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

import polars as pl

from rounds.knobs import Score

RANK, PROBABILITY, INSIDE, CALL, WHY_NOT = "rank", "probability", "inside_capacity", "call", "why_not"


def rank(rows: pl.DataFrame, keys: list[str], day: str) -> pl.DataFrame:
    """The riskiest first; where two are equal the earlier day, then the identifiers decide."""
    order = [PROBABILITY, day, *keys]
    ordered = rows.sort(order, descending=[True, *([False] * (len(order) - 1))])
    return ordered.with_row_index(RANK, offset=1)


def choose(ranked: pl.DataFrame, who: str, day: str, knobs: Score, last: Mapping[str, datetime.date]) -> pl.DataFrame:
    """The same with whom to call; `last` is when a patient was called before."""
    wanted = ranked if knobs.calls else ranked.filter(INSIDE)
    said = list(_said(wanted.select(who, day).iter_rows(), knobs, last))
    told = pl.Series(WHY_NOT, [*said, *([_BELOW] * (ranked.height - len(said)))], dtype=pl.String)
    return ranked.with_columns(told).with_columns((pl.col(WHY_NOT) == "").alias(CALL))


_BELOW = "below the capacity line"


def _said(rows: Iterator[tuple[str, datetime.date]], knobs: Score, last: Mapping[str, datetime.date]) -> Iterator[str]:
    """For each row in order why it is not called, or nothing."""
    called: dict[str, list[datetime.date]] = {}
    left = knobs.calls
    for who, day in rows:
        if left == 0:
            return
        ours = called.get(who)
        if who in last and (day - last[who]).days - 1 < knobs.mute:  # the call is made the day before
            yield f"called on {last[who]}"
        elif ours and any(abs((day - other).days) < knobs.per_patient_days for other in ours):
            yield "called for another appointment"
        else:
            called.setdefault(who, []).append(day)
            left = None if left is None else left - 1
            yield ""
