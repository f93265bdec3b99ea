"""The rules by which outcomes are settled."""

from __future__ import annotations

import datetime
import random
from typing import Any

import polars as pl
import pytest

from rounds.outcomes import FIELDS, record, schema, settle

DAY = datetime.date(2026, 3, 10)
UTC = datetime.UTC
LATE = datetime.timedelta(days=30)


def moment(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def said(*lines: dict[str, Any]) -> pl.DataFrame:
    """Lines in the order in which they came, an hour apart where they do not say when; `seen` is `observed`."""
    rows = []
    for number, given in enumerate(lines):
        line = dict(given)
        at = moment(line.pop("at", f"03-11T{number:02}:00"))
        seen = moment(line.pop("seen", None)) or at
        rows.append({**record(f"e{number}", "", "k", **line), "at": at, "observed": seen})
    moments = {name: pl.Datetime("us", "UTC") for name in ("at", "observed")}
    return pl.DataFrame(rows, schema={**schema(), **moments})


def predictions(*rows: tuple[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [(id, appointment, DAY) for id, appointment in rows],
        schema={"id": pl.String, "appointment": pl.String, "happens": pl.Date},
        orient="row",
    )


def settled(*lines: dict[str, Any]) -> tuple[Any, dict[str, int]]:
    """What becomes of prediction p of appointment a, and what was counted and is not 0."""
    found = settle(said(*lines), predictions(("p", "a")), LATE)
    return found.table.row(0, named=True), {name: count for name, count in found.counts.items() if count}


YES, NO = {"id": "p", "outcome": True}, {"id": "p", "outcome": False}
CASES = {
    "nothing": ((), None, {}),
    "one": ((YES,), True, {"entries": 1, "matched": 1}),
    "repeated": ((YES, YES, YES), True, {"entries": 3, "matched": 3, "repeated": 2}),
    "corrected": ((YES, NO), False, {"entries": 2, "matched": 2, "corrected": 1}),
    "corrected back": ((YES, NO, YES), True, {"entries": 3, "matched": 3, "corrected": 1}),
    "corrected by what is older elsewhere": (
        ({**YES, "seen": "03-10T12:00"}, {**NO, "seen": "03-10T09:00"}),
        True,
        {"entries": 2, "matched": 2, "corrected": 1},
    ),
    "contradictory": (
        ({**YES, "seen": "03-10T12:00"}, {**NO, "seen": "03-10T12:00"}),
        None,
        {"entries": 2, "matched": 2, "contradictory": 1},
    ),
    "decided": (
        ({**YES, "seen": "03-10T12:00"}, {**NO, "seen": "03-10T12:00"}, {**NO, "seen": "03-10T13:00"}),
        False,
        {"entries": 3, "matched": 3, "repeated": 1, "corrected": 1},
    ),
    "late": (({**YES, "at": "04-10T00:00"},), True, {"entries": 1, "matched": 1, "late": 1}),
    "on the last day": (({**YES, "at": "04-09T23:59"},), True, {"entries": 1, "matched": 1}),
    "unknown": (({"id": "q", "outcome": True},), None, {"entries": 1, "unknown": 1}),
    "of nobody's appointment": (({"appointment": "b", "outcome": True},), None, {"entries": 1, "unknown": 1}),
    "by appointment": (({"appointment": "a", "outcome": True},), True, {"entries": 1, "matched": 1}),
    "by both": ((YES, {"appointment": "a", "outcome": True}), True, {"entries": 2, "matched": 2, "repeated": 1}),
    "an id that looks like an appointment": (({"id": "a", "outcome": True},), None, {"entries": 1, "unknown": 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_has_its_rule(case: str) -> None:
    lines, outcome, counts = CASES[case]
    found, counted = settled(*lines)
    assert (found["outcome"], counted) == (outcome, counts)


def test_the_order_in_which_lines_are_read_does_not_matter() -> None:
    for case, (lines, outcome, counts) in CASES.items():
        table = said(*lines)
        for seed in range(3):
            order = random.Random(seed).sample(range(table.height), table.height)
            found = settle(table[order], predictions(("p", "a")), LATE)
            assert found.table["outcome"].to_list() == [outcome], case
            assert {name: count for name, count in found.counts.items() if count} == counts, case


def test_what_happened_holds_for_every_prediction_of_the_appointment() -> None:
    rows = predictions(("p", "a"), ("q", "a"), ("r", None), ("s", None), ("t", "b"))
    lines = said(YES, {"id": "r", "outcome": False}, {"appointment": "b", "action": "call", "propensity": 0.9})
    found = settle(lines, rows, LATE)
    assert found.table["outcome"].to_list() == [True, True, False, None, None]
    assert found.table["action"].to_list() == [None, None, None, None, "call"]
    assert found.table["propensity"].to_list()[-1] == 0.9
    assert found.counts["called"] == 1 and found.counts["matched"] == 3


def test_outcome_and_action_are_settled_each_on_its_own() -> None:
    call = {"id": "p", "action": "call", "propensity": 0.8, "seen": "03-09T10:00"}
    found, counted = settled(call, {**NO, "action": "call", "seen": "03-10T19:00"}, {**YES, "seen": "03-10T18:00"})
    assert (found["outcome"], found["action"], found["propensity"]) == (False, "call", 0.8)
    assert counted == {"entries": 3, "matched": 3, "called": 1, "corrected": 1}


CALL = {"id": "p", "action": "call", "propensity": 0.8, "seen": "03-09T10:00"}
DONE: dict[str, tuple[tuple[dict[str, Any], ...], str, float | None, dict[str, int]]] = {
    "and then a message": ((CALL, {**CALL, "action": "message", "seen": "03-09T11:00"}), "call", 0.8, {}),
    "after a message": (({**CALL, "action": "message", "seen": "03-09T09:00"}, CALL), "call", 0.8, {}),
    "after nothing": (({**CALL, "action": "none", "propensity": 0.2, "seen": "03-09T09:00"}, CALL), "call", 0.8, {}),
    "and none with the outcome": ((CALL, {**NO, "action": "none"}), "call", 0.8, {"disputed": 1}),
    "and none at one moment": ((CALL, {**CALL, "action": "none", "propensity": 0.2}), "call", 0.8, {"disputed": 1}),
    "and again without a chance": ((CALL, {"id": "p", "action": "call"}), "call", 0.8, {}),
    "with another chance later": ((CALL, {**CALL, "propensity": 0.7, "seen": "03-09T11:00"}), "call", 0.7, {}),
    "with two chances at one moment": ((CALL, {**CALL, "propensity": 0.7}), "call", None, {}),
}


@pytest.mark.parametrize("case", DONE)
def test_a_call_stays_a_call(case: str) -> None:
    lines, action, propensity, counts = DONE[case]
    for order in (lines, lines[::-1]):
        times = {"at": "03-10T20:00"} if any("seen" not in line for line in lines) else {}
        found, counted = settled(*({**times, **line} for line in order))
        assert (found["action"], found["propensity"]) == (action, propensity)
        assert counted == {"entries": 2, "matched": 2, "called": 1, **counts}


def test_an_action_that_changes_the_outcome_counts_before_all_others() -> None:
    lines = said({**CALL, "action": "message"}, {**CALL, "seen": "03-09T11:00"})
    for changing, action in (((), "call"), (("call", "message"), "call"), (("message",), "message")):
        assert settle(lines, predictions(("p", "a")), LATE, changing).table["action"].to_list() == [action]


def test_a_line_of_an_earlier_prediction_is_not_of_nobody() -> None:
    lines = said({"id": "old", "outcome": True}, {"appointment": "o", "outcome": True}, {"id": "q", "outcome": True})
    before = predictions(("old", "o"), ("again", "a")).drop("happens")
    found = settle(lines, predictions(("p", "a")), LATE, (), before)
    assert (found.counts["matched"], found.counts["older"], found.counts["unknown"]) == (0, 2, 1)
    found = settle(said({"id": "again", "outcome": True}), predictions(("p", "a")), LATE, (), before)
    assert found.table["outcome"].to_list() == [True], "it is of an appointment that was predicted again"
    assert (found.counts["matched"], found.counts["older"]) == (1, 0)


def test_an_outcome_waits_for_its_prediction() -> None:
    lines = said(YES)
    assert settle(lines, predictions(("q", None)), LATE).counts["unknown"] == 1
    assert settle(lines, predictions(("q", None), ("p", None)), LATE).table["outcome"].to_list() == [None, True]


def test_nothing_at_all() -> None:
    found = settle(said(), predictions(), LATE)
    assert found.table.height == 0 and set(found.counts.values()) == {0}


def test_a_line_has_every_field() -> None:
    assert tuple(record("e", "now", "k", id="p")) == FIELDS
