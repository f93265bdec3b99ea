"""The features of the no-show problem: nothing of the future in them, and one row is what it is in any company."""

from __future__ import annotations

import ast
import datetime
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import problems
from problems.noshow import features as noshow
from rounds.decoding import tidy, value
from rounds.definition import Definition
from rounds.history import Past, past
from rounds.knobs import Problem
from rounds.tables import build_features

EPOCH = datetime.date(1970, 1, 1)
START = datetime.date(2016, 4, 25)
MOMENTS = pytest.mark.parametrize("moment", ["booking", "day_before"])


NOSHOW: Problem = problems.problem("noshow")


def definition(moment: str) -> Definition:
    when = NOSHOW.when.model_copy(update={"moment": moment})
    return Definition(NOSHOW.model_copy(update={"when": when}), problems.definition("noshow", "features").features)


def typed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    kinds: dict[str, Any] = {"timestamp": pl.Datetime("us"), "date": pl.Date, "integer": pl.Int64, "flag": pl.Int64}
    columns = NOSHOW.columns
    return pl.DataFrame(rows, schema={name: kinds.get(column.type, pl.String) for name, column in columns.items()})


@st.composite
def appointments(draw: st.DrawFn) -> dict[str, Any]:
    day = START + datetime.timedelta(draw(st.integers(0, 12)))
    lead, second = draw(st.sampled_from([0, 0, 1, 2, 5, 9])), draw(st.integers(0, 86399))
    booked = datetime.datetime.combine(day - datetime.timedelta(lead), datetime.time())
    flag = st.integers(0, 1)
    return {
        "patient_id": draw(st.sampled_from(["93779.52927", "7", "07"])),
        "appointment_id": "",
        "sex": draw(st.sampled_from("FM")),
        "scheduled_day": booked + datetime.timedelta(seconds=second),
        "appointment_day": day,
        "age": draw(st.integers(0, 120)),
        "neighbourhood": draw(st.sampled_from(["CENTRO", "ILHA"])),
        **{name: draw(flag) for name in ("scholarship", "hypertension", "diabetes", "alcoholism")},
        "handicap": draw(st.integers(0, 4)),
        "reminded": draw(flag),
        "no_show": draw(flag),
    }


tables = st.lists(appointments(), min_size=1, max_size=25).map(
    lambda rows: [{**row, "appointment_id": str(number)} for number, row in enumerate(rows)]
)


def moment_of(row: dict[str, Any], moment: str) -> datetime.date:
    booked: datetime.date = row["scheduled_day"].date()
    return booked if moment == "booking" else max(booked, row["appointment_day"] - datetime.timedelta(1))


def matrix(rows: list[dict[str, Any]], moment: str) -> list[bytes]:
    found, _ = build_features(typed(rows), definition(moment))
    return [row.tobytes() for row in found]


@MOMENTS
@given(rows=tables, data=st.data())
def test_the_future_changes_no_earlier_feature(moment: str, rows: list[dict[str, Any]], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    now = moment_of(rows[at], moment)
    booked = [row for row in rows if row["scheduled_day"].date() <= now]
    then = [{**row, "no_show": 1 - row["no_show"]} if row["appointment_day"] >= now else row for row in booked]
    assert matrix(then, moment)[booked.index(rows[at])] == matrix(rows, moment)[at]


@MOMENTS
@given(rows=tables, data=st.data())
def test_a_row_is_the_same_in_the_table_cut_off_at_its_moment(
    moment: str, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    now = moment_of(rows[at], moment)
    kept = [row for row in rows if row["appointment_day"] < now] + [rows[at]]
    assert matrix(kept, moment)[-1] == matrix(rows, moment)[at]


@MOMENTS
@given(rows=tables, chance=st.randoms())
def test_the_order_of_rows_changes_nothing(moment: str, rows: list[dict[str, Any]], chance: Any) -> None:
    shuffled = list(range(len(rows)))
    chance.shuffle(shuffled)
    found = matrix(rows, moment)
    assert matrix([rows[at] for at in shuffled], moment) == [found[at] for at in shuffled]


@MOMENTS
def test_one_row_alone_is_what_it_is_among_a_hundred_thousand(moment: str) -> None:
    table, wanted = many(100_000), definition(moment)
    found, _ = build_features(table, wanted)
    chosen = np.random.default_rng(1).choice(table.height, 400, replace=False)
    for at in chosen.tolist():
        row = table.row(at, named=True)
        pasts = {word: kept(table, name, row[name]) for word, name in wanted.history.items()}
        assert wanted.numbers(row, pasts).tobytes() == found[at].tobytes()


def kept(table: pl.DataFrame, name: str, entity: str) -> Past:
    own = table.filter(pl.col(name) == entity).select(pl.col("appointment_day").to_physical(), "no_show")
    return past(own.iter_rows())


def many(rows: int) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    day = draw.integers(16900, 17000, rows)
    second = (day - draw.choice([0, 0, 1, 3, 7, 40], rows)) * 86400 + draw.integers(0, 86400, rows)
    flags = {name: draw.integers(0, 2, rows) for name in ("scholarship", "hypertension", "diabetes", "alcoholism")}
    return pl.DataFrame(
        {
            "patient_id": pl.Series(draw.integers(0, rows // 5, rows)).cast(pl.String),
            "appointment_id": pl.Series(np.arange(rows)).cast(pl.String),
            "sex": pl.Series(["F", "M"]).gather(draw.integers(0, 2, rows)),
            "scheduled_day": pl.Series(second * 1_000_000).cast(pl.Datetime("us")),
            "appointment_day": pl.Series(day.astype(np.int32)).cast(pl.Date),
            "age": draw.integers(0, 121, rows),
            "neighbourhood": pl.Series(["A", "B", "C"]).gather(draw.integers(0, 3, rows)),
            **flags,
            "handicap": draw.integers(0, 5, rows),
            "reminded": draw.integers(0, 2, rows),
            "no_show": draw.integers(0, 2, rows),
        }
    )


def test_calendar_features_are_those_of_the_calendar() -> None:
    plain, wanted = dict.fromkeys(NOSHOW.columns, 0), definition("booking")
    for number in range(0, 73_000, 13):
        day = datetime.date(1900, 3, 1) + datetime.timedelta(number)
        at = datetime.datetime.combine(day, datetime.time(13, 45, 59))
        request = {**plain, "appointment_day": day, "scheduled_day": at}
        found = dict(zip(wanted.names, wanted.numbers(request, {}), strict=True))
        assert found["appointment_month"] == day.month
        assert found["appointment_weekday"] == found["booking_weekday"] == day.weekday()
        assert (found["booking_minute"], found["lead_days"], found["same_day"]) == (13 * 60 + 45, 0, 1)


@MOMENTS
def test_a_first_visit_has_the_base_rate(moment: str) -> None:
    wanted = definition(moment)
    row = {**dict.fromkeys(wanted.readable, 0), "scheduled_day": 86400, "appointment_day": 11}
    found = dict(zip(wanted.names, wanted.numbers(row, {"patient": past([(11, 1), (12, 1)])}), strict=True))
    assert (found["patient_visits"], found["days_since_visit"]) == (0, noshow.LONG_AGO)
    assert found["patient_missed_rate"] == found["area_missed_rate"] == np.float32(noshow.BASE_RATE)


def test_the_definition_keeps_to_what_numbers_and_columns_share() -> None:
    tree = ast.parse(Path(noshow.__file__).read_text(encoding="utf-8"))
    unshared = (ast.Div, ast.Pow, ast.BoolOp, ast.Not, ast.IfExp, ast.Import)
    assert not [node for node in ast.walk(tree) if isinstance(node, unshared)]
    asked = [node.test for node in ast.walk(tree) if isinstance(node, ast.If)]
    assert [ast.unparse(test) for test in asked] == ["moment == 'day_before'"]


@pytest.fixture(scope="module")
def real() -> pl.DataFrame:
    folder = os.environ.get("ROUNDS_DATA")
    if not folder:
        pytest.skip("ROUNDS_DATA names no folder with noshow.csv.gz")
    raw = pl.read_csv(Path(folder) / "noshow.csv.gz", infer_schema=False)
    spelt = {name: NOSHOW.outcome if name == NOSHOW.outcome.column else None for name in NOSHOW.columns}
    table = raw.select(
        value(tidy(pl.col(column.raw), column, spelt[name]), column, spelt[name]).alias(name)
        for name, column in NOSHOW.columns.items()
    )
    return table.filter(pl.col("appointment_day") >= pl.col("scheduled_day").dt.date(), pl.col("age") >= 0)


@pytest.mark.parametrize(("moment", "at_least"), [("booking", 0.72), ("day_before", 0.725)])
def test_the_public_table_is_as_hard_as_it_is_known_to_be(real: pl.DataFrame, moment: str, at_least: float) -> None:
    assert real.height == 110_521
    found, missed = build_features(real, definition(moment))
    later = (real["appointment_day"] >= datetime.date(2016, 5, 30)).to_numpy()
    model = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.1, max_leaf_nodes=24, min_samples_leaf=60, early_stopping=False, random_state=0
    ).fit(found[~later], missed[~later])
    assert at_least < roc_auc_score(missed[later], model.predict_proba(found[later])[:, 1]) < 0.75


def test_a_row_of_the_public_table_alone_is_the_same(real: pl.DataFrame) -> None:
    wanted = definition("day_before")
    found, _ = build_features(real, wanted)
    frequent = real["patient_id"].value_counts(sort=True)["patient_id"][0]
    for at in np.flatnonzero((real["patient_id"] == frequent).to_numpy()).tolist():
        row = real.row(at, named=True)
        pasts = {word: kept(real, name, row[name]) for word, name in wanted.history.items()}
        assert wanted.numbers(row, pasts).tobytes() == found[at].tobytes()
