"""What collect brought, as monitor reads it: an outcome is a label whatever model was asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl

from jobs.watching.predictions import assemble

MADE = datetime(2026, 11, 1, tzinfo=UTC)
SECTIONS = {"columns": {}, "when": {"happens": "day"}}
BUNDLE: Any = SimpleNamespace(digest="own", features=("age", "lead"), sections=SECTIONS)
ROW = {
    **{"window": 0, "who": "one", "bundle": "own", "history": "known", "features": [40.0, 3.0], "score": 0.2},
    **{
        "at": MADE,
        "last": True,
        "outcome": True,
        "action": "none",
        "propensity": 1.0,
        "observed": MADE + timedelta(days=1),
    },
}


def labels(*rows: dict[str, Any]) -> tuple[int, int]:
    """How many outcomes are new, and how many predictions are looked at."""
    table = pl.DataFrame([{**ROW, **row} for row in rows], schema_overrides={"outcome": pl.Boolean, "who": pl.String})
    seen = assemble(table.lazy(), BUNDLE, (), lambda digest: False)
    return seen.labels(MADE, ("call",)), len(seen.score)


def test_outcomes_of_models_with_other_features_are_labels_too() -> None:
    assert labels({}, {"bundle": "another", "features": [1.0]}, {"bundle": "a third"}) == (3, 1)


def test_what_a_training_cannot_use_or_the_champion_knew_is_no_new_label() -> None:
    before = {"observed": MADE - timedelta(days=1)}
    assert labels({}, {"who": None}, {"outcome": None}, {"action": "call"}, {"last": False}, before) == (1, 4)


def test_the_day_of_a_row_is_that_of_its_appointment() -> None:
    sent = [{**ROW, "input_day": day} for day in (date(2026, 11, 20), date(2026, 11, 20), None)]
    seen = assemble(pl.DataFrame(sent).lazy(), BUNDLE, (), lambda digest: False)
    days = [date(1970, 1, 1) + timedelta(days=number) for number in seen.rows(("call",)).day.tolist()]
    assert days == [date(2026, 11, 20), date(2026, 11, 20), MADE.date()], "that of the prediction where it was not sent"
