from __future__ import annotations

import datetime
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

import problems
from jobs.checks.expectations import EXPECTATIONS
from jobs.checks.whole import JUDGES
from rounds.errors import Refused
from rounds.knobs import Column, Problem, Rule, Validate
from rounds.rules import MASKS, broken, row_checks, table_checks, text_of

COLUMNS = {
    "who": Column.model_validate({"from": "Who", "type": "identifier", "unique": True}),
    "age": Column.model_validate({"from": "Age", "type": "integer", "between": [0, 120]}),
    "sex": Column.model_validate({"from": "Sex", "type": "category", "in": ["F", "M"]}),
    "booked": Column.model_validate({"from": "Booked", "type": "timestamp"}),
    "day": Column.model_validate({"from": "Day", "type": "date"}),
}


def checks(*rules: dict[str, Any]) -> Validate:
    return Validate.model_validate({"rules": rules, "quarantine": {"at_most": 0}})


def broken_rows(rule: dict[str, Any], **cells: list[Any]) -> list[bool]:
    check = next(check for check in row_checks(COLUMNS, checks(rule)) if check.id == rule["id"])
    return pl.DataFrame(cells).select(broken(check)).to_series().to_list()


def test_columns_imply_their_rules() -> None:
    found = [check.id for check in row_checks(COLUMNS, checks())]
    assert found == [
        "who-required", "who-exact", "who-type", "who-unique", "age-required", "age-type", "age-between",
        "sex-required", "sex-type", "sex-in", "booked-required", "booked-type", "day-required", "day-type",
    ]  # fmt: skip


def test_both_evaluations_know_every_kind_of_rule() -> None:
    assert {*MASKS, "unique"} == set(EXPECTATIONS)
    table = {check.kind for check in table_checks(problems.problem("noshow").checks)}
    assert table == set(JUDGES)


def test_a_day_is_compared_with_the_day_of_a_moment() -> None:
    day, moment = datetime.date(2026, 1, 5), datetime.datetime(2026, 1, 5, 18)
    rule = {"id": "booked-before", "column": "day", "at_least": "booked"}
    after = [None, moment, moment + datetime.timedelta(days=1)]
    assert broken_rows(rule, day=[day] * 3, booked=after) == [False, False, True]
    mirrored = {"id": "booked-before", "column": "booked", "at_most": "day"}
    assert broken_rows(mirrored, day=[day] * 3, booked=after) == [False, False, True]


def test_the_last_moment_of_a_day_is_inside_its_bound() -> None:
    rule = {"id": "far-future", "column": "booked", "at_most": datetime.date(2026, 1, 5)}
    moments = [datetime.datetime(2026, 1, 5, 23, 59, 59), datetime.datetime(2026, 1, 6)]
    assert broken_rows(rule, booked=moments) == [False, True]


def test_bounds_hold_at_their_ends_and_nothing_breaks_no_bound() -> None:
    rule = {"id": "adult", "column": "age", "between": [18, 65]}
    assert broken_rows(rule, age=[17, 18, 65, 66, None]) == [True, False, False, True, False]


def test_a_lossy_identifier_breaks_one_rule_only() -> None:
    frame = pl.DataFrame(
        {"who": [None, None, "1"], text_of("who"): ["1E9", "é", "1"]}, schema_overrides={"who": pl.String}
    )
    found = {check.id: frame.select(broken(check)).to_series().to_list() for check in row_checks(COLUMNS, checks())[:3]}
    assert found == {
        "who-required": [False] * 3,
        "who-exact": [True, False, False],
        "who-type": [False, True, False],
    }


def test_an_id_that_columns_imply_is_taken() -> None:
    with pytest.raises(Refused, match="age-between has the id of a rule that columns implies"):
        row_checks(COLUMNS, checks({"id": "age-between", "column": "age", "at_least": 1}))


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ({"id": "a", "column": "sex", "at_least": 3}, "bounds sex .category. by a number"),
        ({"id": "a", "column": "age", "at_most": datetime.date(2026, 1, 1)}, "bounds age .integer. by a date"),
        ({"id": "a", "column": "age", "at_most": "scheduled_day"}, "compares age .integer. with scheduled_day"),
        ({"id": "a", "column": "age", "at_most": "height"}, "names the column 'height'"),
        ({"id": "a", "column": "weight", "at_most": 3}, "names the column 'weight'"),
        ({"id": "a", "column": "age", "at_most": 3, "action": "warn"}, "leave action out"),
        ({"id": "a", "table": "drift", "at_least": 3}, "drift wants at_most"),
        ({"id": "a", "table": "rows", "at_least": "age"}, "bound of a table rule is a number"),
        ({"id": "a", "column": "age", "between": [3, 1]}, "lower bound first"),
        ({"id": "a", "column": "age", "at_most": 3, "at_least": 1}, "exactly one of at_least"),
    ],
)
def test_an_impossible_rule_is_told(rule: dict[str, Any], wanted: str) -> None:
    described = problems.problem("noshow").model_dump(by_alias=True, exclude_defaults=True)
    described["validate"]["rules"] = [rule]
    with pytest.raises(ValidationError, match=wanted):
        Problem.model_validate(described)


def test_actions_and_bounds_of_a_table_rule_are_carried_over() -> None:
    rule = Rule.model_validate({"id": "moved", "table": "drift", "at_most": 0.25, "action": "warn"})
    (check,) = table_checks(Validate.model_validate({"rules": [rule], "quarantine": {"at_most": 0}}))
    assert (check.kind, check.high, check.action) == ("drift", 0.25, "warn")
