"""Features that move by the calendar: they have one value in a window, and no history is lost."""

from __future__ import annotations

from typing import Any

import problems
from jobs.watching.histories import _dated
from rounds.definition import Definition, Sections


def features(row: Any, op: Any, moment: str) -> dict[str, Any]:
    day = row.appointment_day
    weekdays = {f"weekday {number}": op.flag(day % 7 == number) for number in range(7)}
    months = {f"month {number}": op.flag(day % 365 // 30 == number) for number in range(12)}
    return {**weekdays, **months, "age": row.age}


def test_one_weekday_or_one_month_moves_by_the_calendar() -> None:
    of = problems.problem("noshow")
    definition = Definition(Sections(of.columns, of.who, of.when, of.outcome, of.features), features)
    assert set(definition.names) - _dated(definition) == {"age"}
