from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds.decoding import answers, tidy, value
from rounds.knobs import Column, Outcome


def read(kind: str, *cells: str | None, outcome: Outcome | None = None, **more: Any) -> list[Any]:
    column = Column.model_validate({"from": "X", "type": kind, **more})
    table = pl.LazyFrame({"x": cells}, schema={"x": pl.String})
    texts = table.select(text=tidy(pl.col("x"), column, outcome))
    return texts.select(value(pl.col("text"), column, outcome)).collect(engine="streaming").to_series().to_list()


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("9377952927E-5", "93779.52927"),
        ("9007199254740991.0", "9007199254740991"),
        ("-9007199254740991.0", "-9007199254740991"),
        ("9007199254740992.0", None),
        ("-9007199254740992.00", None),
        ("9.007199254740992e15", None),
        ("1.2345678901234568e+16", None),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740993.5", "9007199254740993.5"),
        ("2.9872499824296E13", "29872499824296"),
        ("29872499824296.0", "29872499824296"),
        ("12345678900000E-5", "123456789"),
        ("1.50e+1", "15"),
        ("5E-3", "0.005"),
        ("0E0", "0"),
        ("-1.5E1", "-15"),
        (" 007 ", "007"),
        ("AB-1 2", "AB-1 2"),
        ("2.98725E+13", None),
        ("5E1", None),
        ("1E-41", None),
        ("1E" + "9" * 30, None),
        ("x" * 200, "x" * 200),
        ("x" * 201, None),
        ("a\tb", None),
        ("é", None),
        ("NULL", None),
        ("", None),
        (None, None),
    ],
)
def test_identifier(cell: str | None, wanted: str | None) -> None:
    assert read("identifier", cell) == [wanted]


@given(st.integers(0, 10**20), st.integers(0, 18), st.integers(0, 20))
def test_one_number_has_one_identifier_in_every_notation(number: int, fraction: int, shift: int) -> None:
    exact = Decimal(number).scaleb(-fraction, None)
    plain = format(exact, "f").rstrip("0").rstrip(".") if "." in format(exact, "f") else format(exact, "f")
    digits = str(number) + "0" * shift
    cells = [
        plain,
        f"{number}E-{fraction}",
        f"{digits}E-{fraction + shift}",
        f"{digits[0]}.{digits[1:]}E{len(digits) - 1}",
    ]
    assert read("identifier", plain) == [plain]
    assert read("identifier", *cells[1:3]) == [plain if float(exact) < 2**53 else None] * 2
    assert read("identifier", cells[3]) == [str(int(digits)) if int(digits) < 2**53 else None]


@given(
    st.text(max_size=30), st.sampled_from(["identifier", "integer", "number", "flag", "category", "date", "timestamp"])
)
def test_any_text_is_a_value_of_its_type_or_none(cell: str, kind: str) -> None:
    types = {
        "identifier": str, "integer": int, "number": float, "flag": int, "category": str,
        "date": datetime.date, "timestamp": datetime.datetime,
    }  # fmt: skip
    (found,) = read(kind, cell)
    assert found is None or isinstance(found, types[kind])
    assert not isinstance(found, float) or (
        math.isfinite(found) and math.copysign(1, found or 1) == math.copysign(1, found)
    )


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_whole_number_of_64_bits_is_read_exactly(number: int) -> None:
    assert read("integer", str(number), f"{number}.0", f" {number}\n") == [number] * 3


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_exactly(number: float) -> None:
    assert read("number", repr(number)) == [number]


def test_what_is_no_number() -> None:
    assert read("integer", "1,000", "Infinity", "45.5", "1e3", "+5", "٤", "9223372036854775808", "1_000") == [None] * 8
    assert read("number", "1,5", "inf", "nan", "1e999", "1 000", "0x1", "--1", ".") == [None] * 8
    assert [math.copysign(1, zero) for zero in read("number", "-0", "-0.0", "-1e-999")] == [1, 1, 1]


def test_flag_in_its_usual_spellings() -> None:
    assert read("flag", "1", "1.0", "True", "YES", "y") == [1] * 5
    assert read("flag", "0", "0.0", "false", "No", "n") == [0] * 5
    assert read("flag", "2", "oui", "01") == [None] * 3


def test_outcome_by_its_own_words_exactly() -> None:
    missed = Outcome.model_validate({"column": "x", "true": "Yes", "false": "No"})
    assert read("flag", "Yes", "No", "1", "0", "yes", "true", outcome=missed) == [1, 0, 1, 0, None, None]
    inverted = Outcome.model_validate({"column": "x", "true": "0", "false": "1"})
    assert read("flag", "0", "1", "Yes", outcome=inverted) == [1, 0, None]
    half = Outcome.model_validate({"column": "x", "true": "0", "false": "NA"})
    assert answers(half) == {1: ("0",), 0: ("NA",)}
    assert read("flag", "0", "NA", "1", outcome=half) == [1, 0, None]


def test_category_has_one_spelling() -> None:
    assert read("category", " A  B ", "A\u00a0B", "e\u0301", "É") == ["A B", "A B", "é", "É"]
    assert read("category", "A\nB", "A\u200bB", "\ufffd", "x" * 201, "None", "NA") == [None] * 6
    assert read("category", "None", within=["None", "High"]) == ["None"]


def test_date_in_iso_format_at_midnight() -> None:
    day = datetime.date(2016, 2, 29)
    assert (
        read("date", "2016-02-29", "2016-02-29T00:00:00Z", "2016-02-29 00:00:00.000", "2016-02-29T00:00:00-03:00")
        == [day] * 4
    )
    wrong = ["2015-02-29", "29/02/2016", "2016-02-29T00:00:01Z", "20160229", "2016-2-9", "1899-12-31", "2201-01-01"]
    assert read("date", *wrong) == [None] * len(wrong)


def test_timestamp_in_utc() -> None:
    moment = datetime.datetime(2016, 4, 29, 18, 38, 8)
    same = ["2016-04-29T18:38:08Z", "2016-04-29 18:38:08", "2016-04-29T15:38:08-03:00", "2016-04-29T20:08:08+0130"]
    assert read("timestamp", *same) == [moment] * 4
    assert read("timestamp", "2016-04-29T18:38:08.25Z") == [moment.replace(microsecond=250_000)]
    wrong = ["2016-04-29", "2016-04-29T24:00:00Z", "2016-04-29T23:59:60Z", "2016-02-30T10:00:00Z", "18:38:08",
             "2016-04-29T18:38:08+15:00", "1899-12-31T23:59:59Z"]  # fmt: skip
    assert read("timestamp", *wrong) == [None] * len(wrong)


@pytest.mark.parametrize(
    ("format", "cell", "wanted"),
    [
        ("DD/MM/YYYY", "03/04/2016", datetime.date(2016, 4, 3)),
        ("DD/MM/YYYY", "3/4/2016", datetime.date(2016, 4, 3)),
        ("DD/MM/YYYY", "2016-04-03", datetime.date(2016, 4, 3)),
        ("DD/MM/YYYY", "03.04.2016", None),
        ("DD/MM/YYYY", "31/02/2016", None),
        ("DD/MM/YYYY", "03/04/16", None),
        ("MM/DD/YYYY", "03/04/2016", datetime.date(2016, 3, 4)),
        ("DD.MM.YYYY", "03.04.2016", datetime.date(2016, 4, 3)),
        ("DD-MM-YYYY", "03-04-2016", datetime.date(2016, 4, 3)),
    ],
)
def test_a_day_in_the_format_of_its_column(format: str, cell: str, wanted: datetime.date | None) -> None:
    assert read("date", cell, format=format) == [wanted]


@pytest.mark.parametrize(
    ("cell", "time"), [(" 9:05", (9, 5, 0)), ("T09:05:07Z", (9, 5, 7)), (" 09:05:07", (9, 5, 7)), (" 25:00", None)]
)
def test_a_moment_in_the_format_of_its_column(cell: str, time: tuple[int, int, int] | None) -> None:
    moment = time and datetime.datetime(2016, 4, 3, *time)
    assert read("timestamp", f"3/4/2016{cell}", format="DD/MM/YYYY") == [moment]


def test_a_format_is_for_days_alone() -> None:
    with pytest.raises(ValueError, match="format is for date and timestamp, and the type is integer"):
        Column.model_validate({"from": "X", "type": "integer", "format": "DD/MM/YYYY"})
