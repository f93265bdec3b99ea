"""A definition reads what is known at the moment and nothing else, and means the same for a request and for a table."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rounds.definition import Definition, Sections
from rounds.errors import Refused
from rounds.history import past
from rounds.knobs import Column, Features, Outcome, When
from rounds.tables import build_features

DAY = datetime.date(2026, 3, 2)
COLUMNS: dict[str, dict[str, Any]] = {
    "who": {"type": "identifier"},
    "place": {"type": "category"},
    "kind": {"type": "category", "in": ("red", "blue")},
    "booked": {"type": "timestamp"},
    "day": {"type": "date"},
    "weight": {"type": "number"},
    "height": {"type": "number"},
    "count": {"type": "integer"},
    "small": {"type": "integer", "between": (0, 120)},
    "called": {"type": "flag", "known": "day_before"},
    "billed": {"type": "number", "known": "afterwards"},
    "missed": {"type": "flag"},
}


def sections(moment: str = "day_before", history: dict[str, str] | None = None) -> Sections:
    return Sections(
        {name: Column.model_validate({"from": name, **column}) for name, column in COLUMNS.items()},
        "who",
        When.model_validate({"booked": "booked", "happens": "day", "moment": moment}),
        Outcome(column="missed", true="1", false="0"),
        Features(history={"person": "who", "area": "place"} if history is None else history),
    )


def everything(row: Any, op: Any, moment: str) -> dict[str, Any]:
    booked = row.booked // 86400
    found = {
        "wait": row.day - booked,
        "second": row.booked - booked * 86400,
        "kind": row.kind,
        "ratio": op.divide(row.weight, row.height),
        "share": op.divide(row.weight, 3),
        "least": op.minimum(row.weight, row.height),
        "most": op.maximum(row.weight, row.count),
        "difference": row.weight - row.height * 0.5,
        "size": op.log1p(row.count),
        "heavy": op.flag(row.weight > row.count),
        "chosen": op.where(row.small >= 18, row.weight, row.count),
        "count": row.count % 10 - row.count // 10,
        "rate": op.divide(row.person_missed, row.person_visits),
        "since": op.where(row.person_visits > 0, row.day - row.person_last_day, 999),
        "last": op.flag(row.person_last_missed > 0),
        "area": op.divide(row.area_missed + 1.4, row.area_visits + 7),
    }
    if moment == "day_before":
        found["called"] = row.called
    return found


def reading(name: str) -> Callable[..., dict[str, Any]]:
    return lambda row, op, moment: {"found": getattr(row, name)}


@pytest.mark.parametrize(
    ("name", "moment", "said"),
    [
        (
            "called",
            "booking",
            r"row\.called, which is known from the day before on, and the moment is booking\. Ask `if",
        ),
        ("billed", "day_before", r"row\.billed, which is known afterwards only, and the moment is day_before\."),
        ("missed", "day_before", r"row\.missed, the outcome, which is never known"),
        ("place", "booking", r"row\.place, which is no number \(category without 'in'\)"),
        ("who", "booking", r"row\.who, which is no number \(identifier without 'in'\)"),
        ("wieght", "booking", r"row\.wieght, which does not exist\. Use one of: .*weight.*person_visits"),
    ],
)
def test_what_is_not_known_cannot_be_read(name: str, moment: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        _ = Definition(sections(moment), reading(name)).names


def test_a_definition_that_asks_for_the_moment_passes() -> None:
    booking, before = (Definition(sections(moment), everything).names for moment in ("booking", "day_before"))
    assert before == (*booking, "called")


def test_a_history_may_not_take_the_name_of_a_column() -> None:
    clash = replace(sections(), columns={**sections().columns, "person_visits": Column(raw="x", type="integer")})
    with pytest.raises(Refused, match="makes 'person_visits', which is a column too"):
        _ = Definition(clash, everything).names


@pytest.mark.parametrize(
    ("moment", "booked", "happens", "cutoff"),
    [
        ("booking", 10, 20, 10),
        ("booking", 20, 20, 20),
        ("day_before", 10, 20, 19),
        ("day_before", 19, 20, 19),
        ("day_before", 20, 20, 20),
    ],
)
def test_the_moment_is_a_day_whose_outcomes_are_not_known(moment: str, booked: int, happens: int, cutoff: int) -> None:
    definition = Definition(sections(moment), everything)
    assert definition.cutoff(booked, happens) == cutoff
    assert definition.cutoffs(np.array([booked, 0]), np.array([happens, 0])).tolist() == [cutoff, 0]


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.none())


odd = st.sampled_from([0.0, -0.0, 1e308, -1e308, float("nan"), float("inf"), float("-inf")])
rows = st.fixed_dictionaries(
    {
        "who": st.sampled_from(["7", "07", "93779.52927"]),
        "place": st.sampled_from(["ÎLE", "HILL"]),
        "kind": maybe(st.sampled_from(["red", "blue", "green"])),
        "day": st.dates(DAY, DAY + datetime.timedelta(9)),
        "lead": st.integers(0, 5),
        "second": st.integers(0, 86399),
        "weight": maybe(st.one_of(st.floats(), odd)),
        "height": maybe(st.one_of(st.floats(-10, 10), odd)),
        "count": maybe(st.integers(-(2**40), 2**40)),
        "small": maybe(st.integers(0, 120)),
        "called": maybe(st.integers(0, 1)),
        "billed": st.just(1.0),
        "missed": st.integers(0, 1),
    }
)


def booked(row: dict[str, Any]) -> dict[str, Any]:
    midnight = datetime.datetime.combine(row["day"] - datetime.timedelta(row["lead"]), datetime.time())
    return {**row, "booked": midnight + datetime.timedelta(seconds=row["second"])}


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    kinds: dict[str, Any] = {
        "timestamp": pl.Datetime("us"),
        "date": pl.Date,
        "integer": pl.Int64,
        "flag": pl.Int64,
        "number": pl.Float64,
    }
    rows = [{name: row.get(name) for name in COLUMNS} for row in rows]
    return pl.DataFrame(rows, schema={name: kinds.get(column["type"], pl.String) for name, column in COLUMNS.items()})


def bits(numbers: Any) -> list[bytes]:
    return [struct.pack("<f", number) for number in numbers]


@pytest.mark.parametrize("moment", ["booking", "day_before"])
@given(drawn=st.lists(rows, min_size=1, max_size=12))
def test_a_request_is_answered_like_a_row_of_a_table(moment: str, drawn: list[dict[str, Any]]) -> None:
    definition, kept = Definition(sections(moment), everything), [booked(row) for row in drawn]
    matrix, outcomes = build_features(table(kept), definition)
    assert outcomes.tolist() == [row["missed"] for row in kept]
    day = datetime.date(1970, 1, 1).toordinal()
    for at, row in enumerate(kept):
        pasts = {
            word: past((other["day"].toordinal() - day, other["missed"]) for other in kept if other[name] == row[name])
            for word, name in definition.history.items()
        }
        assert bits(definition.numbers(row, pasts)) == bits(matrix[at])


@given(row=rows)
@example(row={"day": DAY, "lead": 0, "second": 0, "kind": "red"})
def test_days_may_be_given_as_numbers(row: dict[str, Any]) -> None:
    definition, typed = Definition(sections(), everything), booked(row)
    number = (typed["day"] - datetime.date(1970, 1, 1)).days
    second = (number - row["lead"]) * 86400 + row["second"]
    plain = {**typed, "day": number, "booked": second}
    zoned = {**typed, "booked": typed["booked"].replace(tzinfo=datetime.UTC)}
    assert (
        bits(definition.numbers(typed, {}))
        == bits(definition.numbers(plain, {}))
        == bits(definition.numbers(zoned, {}))
    )


@pytest.mark.parametrize("name", ["booked", "day"])
def test_a_day_that_is_missing_is_refused(name: str) -> None:
    definition = Definition(sections(), everything)
    row = {"booked": datetime.datetime(2026, 3, 1), "day": DAY, name: None}
    with pytest.raises(Refused, match=f"'{name}' is missing or no"):
        definition.numbers(row, {})
    with pytest.raises(Refused, match=f"column '{name}' is missing in 1 rows"):
        build_features(table([{"who": "1", "place": "x", "missed": 0, **row}]), definition)


def test_without_history_a_table_needs_no_entities() -> None:
    definition = Definition(sections(history={}), lambda row, op, moment: {"kind": row.kind, "one": 1})
    row = {"kind": "blue", "day": DAY, "booked": datetime.datetime(2026, 3, 1), "missed": 0}
    matrix, _ = build_features(table([row, row]), definition)
    assert matrix.tolist() == [[1, 1], [1, 1]]
