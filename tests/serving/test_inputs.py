"""What may be asked: right values are read, wrong ones named, and texts spelt as the table's are."""

from __future__ import annotations

import datetime
import json
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from problems import definition, problem
from rounds.decoding import NULLS, value
from rounds.definition import Definition, Sections
from rounds.knobs import Column
from rounds.sourced import Csv
from serving import about, examples, spelling
from serving.inputs import Inputs, Wrong

NOSHOW = problem("noshow")


def inputs(moment: str = "day_before") -> Inputs:
    when = NOSHOW.when.model_copy(update={"moment": moment})
    sections = Sections(NOSHOW.columns, NOSHOW.who, when, NOSHOW.outcome, NOSHOW.features)
    return Inputs(Definition(sections, definition("noshow", "features").features))


def read(**changes: Any) -> Any:
    row = {**examples.appointment(inputs()), **changes}
    return inputs().ready(inputs().read(json.dumps(row).encode()))


def faults(**changes: Any) -> list[dict[str, Any]]:
    with pytest.raises(Wrong) as wrong:
        read(**changes)
    return wrong.value.faults


OTHERWISE: list[dict[str, Any]] = [
    {"patient_id": " 12"},
    {"sex": 1},
    {"scheduled_day": "1899-12-31T00:00:00", "appointment_day": "2026-03-30"},
    {"scheduled_day": "2026-03-12T09:30:00", "appointment_day": "2201-01-01"},
    {"scheduled_day": "2026-03-30T23:30:00-02:00", "appointment_day": "2026-03-30"},
    {"appointment_day": None},
    {"no_show": True},
]


def bodies(*changes: dict[str, Any]) -> list[msgspec.Raw]:
    return [msgspec.Raw(json.dumps({**examples.appointment(inputs()), **each}).encode()) for each in changes]


def test_a_list_is_read_as_each_of_its_rows() -> None:
    texts = [{"patient_id": "12.50", "neighbourhood": "JARDIM  A\u030a"}, {"patient_id": 7, "sex": "NULL"}]
    days = [{"scheduled_day": "2026-03-31T00:30:00+02:00", "appointment_day": "2026-03-30"}, {"reminded": None}, {}]
    sent = bodies(*texts, *days)
    assert inputs().read_many(sent) is not None
    found = [msgspec.structs.astuple(row) for row in inputs().read_many(sent) or []]
    assert found == [msgspec.structs.astuple(inputs().read(each)) for each in sent]


@pytest.mark.parametrize("wrong", OTHERWISE)
def test_a_list_with_one_wrong_row_is_not_read(wrong: dict[str, Any]) -> None:
    *right, last = bodies({}, {}, wrong)
    assert inputs().read_many([*right, last]) is None
    with pytest.raises(Wrong):
        inputs().read(last)


def test_the_outcome_and_what_is_not_known_yet_are_no_fields() -> None:
    assert "no_show" not in inputs().columns
    assert "reminded" in inputs().columns
    assert "reminded" not in inputs("booking").columns


def test_the_schema_says_how_a_list_writes_its_numbers() -> None:
    of = NOSHOW.model_copy(update={"csv": Csv(separator=";", decimal=",")})
    marks = {name: field.get("x-decimal") for name, field in about.schema(inputs(), of)["properties"].items()}
    assert {name for name, mark in marks.items() if mark == ","} == {"age", "handicap"}
    assert not any("x-decimal" in field for field in about.schema(inputs(), NOSHOW)["properties"].values())


def test_only_the_two_days_are_required() -> None:
    row = inputs().read(b'{"scheduled_day": "2026-03-12T09:30:00", "appointment_day": "2026-03-12"}')
    found = inputs().ready(row)
    assert found.values["appointment_day"] == datetime.date(2026, 3, 12)
    assert found.entities == {"patient": None, "area": None}


def test_days_are_compared_in_utc() -> None:
    read(scheduled_day="2026-03-31T00:30:00+02:00", appointment_day="2026-03-30")
    (found,) = faults(scheduled_day="2026-03-30T23:30:00-02:00", appointment_day="2026-03-30")
    assert found["field"] == "appointment_day"


def test_a_value_that_is_long_is_shown_in_part_and_a_list_by_its_length() -> None:
    assert len(faults(neighbourhood="x" * 5000)[0]["value"]) < 210
    assert faults(age=[1, 2, 3])[0]["value"] == "(a list of 3)"


def test_an_unknown_category_is_said_and_no_fault() -> None:
    assert read(sex="X").unknown == ["sex"]
    assert read(sex=None).unknown == []


def test_schema_and_reader_agree_on_every_field() -> None:
    properties = about.schema(inputs(), NOSHOW)["properties"]
    assert set(properties) == set(inputs().columns)
    for name, field in properties.items():
        nothing = "null" in json.dumps(field.get("type", field.get("anyOf", field.get("enum"))))
        assert nothing == (name not in inputs().required)
        for at in ("minimum", "maximum"):
            if at in field:
                read(**{name: field[at]})
                assert faults(**{name: field[at] + (1 if at == "maximum" else -1)})[0]["field"] == name


TEXT = st.text(st.sampled_from("0123456789eE+-. aAnN/"), min_size=1, max_size=14).filter(
    lambda text: text.strip() == text
)


@given(st.lists(TEXT, min_size=1, max_size=30))
def test_identifiers_are_spelt_as_the_table_spells_them(texts: list[str]) -> None:
    column = Column(raw="p", type="identifier")
    read = pl.Series("p", texts).to_frame().select(pl.when(~pl.col("p").is_in(sorted(NULLS))).then(pl.col("p")))
    wanted = read.select(value(pl.col("p"), column)).to_series().to_list()
    assert [spelling.identifier(text) for text in texts] == wanted


@given(st.lists(st.text(st.sampled_from("aÅÅéNA \u00a0ñn"), max_size=8).map(str.strip), min_size=1, max_size=30))
def test_categories_are_spelt_as_the_table_spells_them(texts: list[str]) -> None:
    column = Column(raw="c", type="category")
    read = pl.Series("p", texts).to_frame().select(pl.when(~pl.col("p").is_in(sorted(NULLS))).then(pl.col("p")))
    wanted = read.select(value(pl.col("p"), column)).to_series().to_list()
    assert [spelling.category(())(text) for text in texts] == wanted


def test_a_whole_number_is_an_identifier_too() -> None:
    assert read(patient_id=29872499824296).entities["patient"] == "29872499824296"
    assert read(patient_id="12.50").entities["patient"] == "12.5"


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert read(age=62.0, reminded=1.0).values["age"] == 62
    assert faults(age=62.5)[0]["value"] == 62.5


def raw(**changes: Any) -> dict[str, Any]:
    """The example as a row of the raw table."""
    row = {**examples.appointment(inputs()), **changes}
    return {inputs().columns[name].raw: value for name, value in row.items()}


def parsed(row: dict[str, Any]) -> tuple[Any, ...]:
    return msgspec.structs.astuple(inputs().read(json.dumps(row).encode()))


def test_a_row_may_be_called_as_in_the_raw_table() -> None:
    same = parsed(examples.appointment(inputs()))
    assert parsed(raw()) == same
    mixed = {**raw(), "age": 60}
    del mixed["Age"]
    assert parsed(mixed) == same
    assert parsed(raw(appointment_day="2026-03-30T00:00:00Z", age=60.0)) == same
    (body,) = bodies({})
    assert inputs().read_many([body, msgspec.Raw(json.dumps(raw()).encode())]) is None  # then each is read alone


def test_a_fault_names_the_field_as_it_was_sent() -> None:
    def field(row: dict[str, Any]) -> dict[str, Any]:
        with pytest.raises(Wrong) as wrong:
            parsed(row)
        (one,) = wrong.value.faults
        return one

    assert field(raw(age=200)) == {"field": "Age", "value": 200, "wanted": "a whole number from 0 to 120"}
    assert field(raw(scheduled_day="2026-04-01T09:30:00Z"))["field"] == "AppointmentDay"
    assert field({**raw(), "No-show": "No"})["field"] == "No-show"
    assert "is not known at the moment" in field({**raw(), "No-show": "No"})["wanted"]
    assert field({**raw(), "Nonsense": 1})["field"] == "Nonsense"
    assert field(raw(appointment_day="2026-03-30T01:00:00Z"))["field"] == "AppointmentDay"


@pytest.mark.parametrize("value", [62, 63, None])
def test_one_column_by_both_names_is_refused(value: int | None) -> None:
    row = {**examples.appointment(inputs()), "age": 62, "Age": value}
    for sent in (row, dict(reversed(row.items()))):
        with pytest.raises(Wrong) as wrong:
            parsed(sent)
        assert wrong.value.faults == [{"field": "Age", "wanted": "one name alone: age is the same column"}]


def test_a_raw_name_that_is_a_name_of_the_model_means_the_models_column() -> None:
    columns = {**NOSHOW.columns, "years": Column(raw="age", type="integer", between=(0, 120))}
    sections = Sections(columns, NOSHOW.who, NOSHOW.when, NOSHOW.outcome, NOSHOW.features)
    reader = Inputs(Definition(sections, definition("noshow", "features").features))
    days = {"ScheduledDay": "2026-03-12T09:30:00Z", "AppointmentDay": "2026-03-30"}
    row = reader.read(json.dumps({**days, "age": 7, "Gender": "F"}).encode())
    assert (row.age, row.years, row.sex) == (7, None, "F")


def test_the_schema_says_what_the_raw_table_calls_a_field() -> None:
    schema = about.schema(inputs(), NOSHOW)
    assert "raw table" in schema["description"]
    assert schema["properties"]["scheduled_day"]["x-from"] == "ScheduledDay"
