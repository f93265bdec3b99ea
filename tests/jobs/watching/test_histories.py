"""Only a feature that reads a history can tell that histories are lost."""

from __future__ import annotations

from typing import Any

import problems
from jobs.watching.histories import _of_histories
from rounds.definition import Definition, Sections


def features(row: Any, op: Any, moment: str) -> dict[str, Any]:
    days = row.appointment_day - row.patient_last_day
    return {
        "age": row.age,
        "same_day": op.flag(row.appointment_day == row.scheduled_day // 86400),
        "monday": op.flag(row.appointment_day % 7 == 0),
        "visits": row.patient_visits,
        "known": op.flag(row.patient_visits > 0),
        "often_missed": op.flag(row.patient_missed > 4),
        "days_since_last": op.where(row.patient_visits > 0, days, 365),
    }


def test_features_of_histories_are_told_from_the_others() -> None:
    of = problems.problem("noshow")
    definition = Definition(Sections(of.columns, of.who, of.when, of.outcome, of.features), features)
    assert _of_histories(definition) == {"visits", "known", "often_missed", "days_since_last"}
