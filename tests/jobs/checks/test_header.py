from __future__ import annotations

from jobs.checks.header import match
from rounds.knobs import Column

COLUMNS = {
    "age": Column.model_validate({"from": "Age", "type": "integer"}),
    "sex": Column.model_validate({"from": "Gender", "type": "category"}),
}


def test_space_and_a_byte_order_mark_do_not_count() -> None:
    found = match(["\ufeffAge", " Gender "], COLUMNS)
    assert found.names == {"age": "\ufeffAge", "sex": " Gender "}
    assert (found.extra, found.faults) == ((), ())


def test_order_does_not_count_and_what_nobody_asked_for_is_named() -> None:
    found = match(["Room", "Gender", "Age"], COLUMNS)
    assert (found.extra, found.faults) == (("Room",), ())


def test_a_missing_column_is_told_with_what_is_near() -> None:
    (fault,) = match(["age", "Gender"], COLUMNS).faults
    assert "no column 'Age' (found: 'age' is near)" in fault
    assert "columns.age.from" in fault


def test_a_missing_column_is_told_with_what_else_there_is() -> None:
    (fault,) = match(["Zip", "Gender"], COLUMNS).faults
    assert "no column 'Age' (found: not asked for: Zip)" in fault


def test_a_doubled_column_is_told() -> None:
    assert "'Age' 2 times" in match(["Age", "Age", "Gender"], COLUMNS).faults[0]
    assert "'Age' 3 times" in match(["Age", "Age_duplicated_0", "Age_duplicated_1", "Gender"], COLUMNS).faults[0]


def test_names_that_may_be_values_are_withheld() -> None:
    (fault,) = match(["62", "F"], COLUMNS).faults
    assert "0 of the 2 columns" in fault
    assert "62" not in fault
