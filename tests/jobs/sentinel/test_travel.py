"""Time travel: a mistake in the cutoff, in the history or in what features.py may read is named, not shared."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from jobs.sentinel.travel import KNOWN, altered_value, travel
from rounds import tables
from rounds.definition import ORDER, Definition
from rounds.history import history
from rounds.knobs import Column, Moment
from rounds.tables import build_features
from tests.jobs.appointments import appointments, definition, problem, text

Array = Any


def differing(moment: Moment = "day_before", source: str | None = None, patients: int = 400) -> dict[str, int]:
    """The features that time travel names on a small table, all of its rows taken as test rows."""
    typed = appointments(patients)
    made_by = definition(problem(moment), source or text())
    matrix, _ = build_features(typed, made_by)
    made = pl.DataFrame(matrix, schema=dict.fromkeys(made_by.names, pl.Float32))
    return travel(typed, made, np.arange(typed.height), made_by, 12).differing


@pytest.mark.parametrize("moment", ["booking", "day_before"])
def test_what_is_right_comes_out_the_same(moment: Moment) -> None:
    assert differing(moment) == {}


def at_the_event(_: Definition, booked: Array, happens: Array) -> Array:
    return happens


def after_the_event(_: Definition, booked: Array, happens: Array) -> Array:
    return happens + 1


def one_day_late(self: Definition, booked: Array, happens: Array) -> Array:
    return (booked if self.moment == "booking" else np.maximum(booked, happens - 1)) + 1


@pytest.mark.parametrize("moment", ["booking", "day_before"])
@pytest.mark.parametrize("mutant", [at_the_event, after_the_event, one_day_late])
def test_a_mistake_in_the_cutoff_is_named(
    mutant: Callable[..., Array], moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Definition, "cutoffs", mutant)
    assert "area_missed_rate" in differing(moment)


def of_all_time(entity: pl.Series, day: Array, missed: Array, cutoff: Array) -> Array:
    return history(entity, day, missed, np.full_like(cutoff, day.max() + 1))


def through_the_cutoff(entity: pl.Series, day: Array, missed: Array, cutoff: Array) -> Array:
    return history(entity, day, missed, cutoff + 1)


def with_rows_booked_later(entity: pl.Series, day: Array, missed: Array, cutoff: Array) -> Array:
    known = history(entity, day, missed, cutoff).copy()
    known[:, 0] = history(entity, day, missed, np.full_like(cutoff, day.max() + 1))[:, 0]
    return known


def with_own_outcome(entity: pl.Series, day: Array, missed: Array, cutoff: Array) -> Array:
    known = history(entity, day, missed, cutoff).copy()
    known[:, 1] += np.where(day % 3 == 0, missed, 0)
    return known


def with_the_next_visit(entity: pl.Series, day: Array, missed: Array, cutoff: Array) -> Array:
    known = history(entity, day, missed, cutoff).copy()
    rows = pl.DataFrame({"entity": entity.cast(pl.String), "day": day, "missed": missed})
    later = rows.select(
        pl.col("missed").sort_by("day").shift(-1, fill_value=0).over("entity", mapping_strategy="group_to_rows")
    )
    order = rows.with_row_index().select(
        pl.col("index").sort_by("day").over("entity", mapping_strategy="group_to_rows")
    )
    known[order.to_series().to_numpy(), 3] = later.to_series().to_numpy()
    return known


@pytest.mark.parametrize(
    ("mutant", "feature"),
    [
        (of_all_time, "patient_missed_rate"),
        (through_the_cutoff, "patient_missed_rate"),
        (with_rows_booked_later, "patient_visits"),
        (with_own_outcome, "patient_missed_rate"),
        (with_the_next_visit, "patient_last_missed"),
    ],
)
def test_a_mistake_in_the_history_is_named(
    mutant: Callable[..., Array], feature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "history", mutant)
    assert feature in differing()


def readable_at_any_time(_: Definition, __: str, column: Column) -> str | None:
    return "" if column.type in {"identifier", "category"} and column.within is None else None


@pytest.mark.parametrize(
    ("moment", "feature", "source"),
    [
        ("booking", "reminded", text().replace('if moment == "day_before":', "if True:")),
        ("day_before", "handicap", text().replace('"handicap": row.handicap', '"handicap": row.no_show')),
        ("day_before", "age", text().replace('"age": row.age', '"age": row.age - 0.001 * row.no_show')),
    ],
)
def test_a_definition_that_reads_what_is_not_known_is_named(
    moment: Moment, feature: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Definition, "_hidden", readable_at_any_time)
    assert set(differing(moment, source)) == {feature}


def test_every_moment_of_the_order_is_told() -> None:
    assert [*KNOWN, "afterwards"] == list(ORDER)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ({"type": "flag"}, [0, 1]),
        ({"type": "integer", "between": [0, 120]}, [0, 5, 120]),
        ({"type": "number"}, [0.5, -3.0]),
        ({"type": "category", "in": ["F", "M", "X"]}, ["F", "M", "X"]),
        ({"type": "category"}, ["somewhere", ""]),
        ({"type": "date"}, [datetime.date(2026, 1, 31)]),
    ],
)
def test_an_altered_value_is_another_of_its_type(column: dict[str, Any], values: list[Any]) -> None:
    described = Column.model_validate({"from": "raw", **column})
    table = pl.DataFrame({"value": values})
    altered = table.with_columns(altered_value("value", described))
    assert altered.schema == table.schema
    assert not (altered["value"] == table["value"]).any()
    if described.between:
        assert altered["value"].is_between(*described.between).all()
    if described.within:
        assert set(altered["value"]) == set(described.within)
