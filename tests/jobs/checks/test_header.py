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


def test_order_does_not_count_and_unknown_columns_are_told_by_place() -> None:
    found = match(["Room", "Gender", "Age"], COLUMNS)
    assert (found.extra, found.faults) == ((1,), ())


def test_a_missing_column_is_told_with_the_place_of_a_name_like_it() -> None:
    (fault,) = match(["Agee", "Gender"], COLUMNS).faults
    assert "no column 'Age' (column 1 has a name like it)" in fault
    assert "columns.age.from" in fault
    assert "Agee" not in fault


def test_a_missing_column_is_told_with_the_places_of_the_others() -> None:
    (fault,) = match(["Zip", "Gender"], COLUMNS).faults
    assert "no column 'Age' (column 1 is not in problem.yaml)" in fault
    assert "Zip" not in fault
    (fault,) = match([*(f"Zip{number}" for number in range(12)), "Gender"], COLUMNS).faults
    assert "columns 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more are not in problem.yaml" in fault
    (fault,) = match(["Gender"], COLUMNS).faults
    assert "it has no other column" in fault


def test_a_doubled_column_is_told() -> None:
    assert "'Age' 2 times" in match(["Age", "Age", "Gender"], COLUMNS).faults[0]
    assert "'Age' 3 times" in match(["Age", "Age_duplicated_0", "Age_duplicated_1", "Gender"], COLUMNS).faults[0]


def test_names_that_may_be_values_are_withheld() -> None:
    (fault,) = match(["62", "F"], COLUMNS).faults
    assert "0 of the 2 columns" in fault
    assert "62" not in fault


def test_a_row_in_place_of_a_name_reaches_no_sentence() -> None:
    """Half of the names are right and the rest are values: a header that was filled in by hand."""
    found = match(["Age", "Silva, Maria", "29872499824296"], COLUMNS)
    assert found.extra == (2, 3)
    assert not [fault for fault in found.faults if "Silva" in fault or "29872499824296" in fault]
