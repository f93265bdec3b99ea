from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from jobs.checks.profile import SMALL, Finding, Profile, by_chance, compare, profile, stability
from rounds.knobs import Column

KINDS = {
    "age": "integer",
    "weight": "number",
    "place": "category",
    "day": "date",
    "missed": "flag",
    "who": "identifier",
}
COLUMNS = {name: Column.model_validate({"from": name, "type": kind}) for name, kind in KINDS.items()}


def table(rows: int = 5000, seed: int = 0, **changed: Any) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    start = datetime.date(2026, 1, 5)
    columns = {
        "age": rng.integers(0, 90, rows),
        "weight": rng.normal(70, 12, rows),
        "place": rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1]),
        "day": [start + datetime.timedelta(days=int(day)) for day in rng.integers(0, 84, rows)],
        "missed": rng.integers(0, 2, rows),
        "who": [str(number) for number in range(rows)],
    }
    return pl.DataFrame({**columns, **changed})


def profiled(frame: pl.DataFrame) -> Profile:
    return profile(frame.lazy(), COLUMNS, "missed")


def test_equal_tables_do_not_differ_and_a_profile_is_json() -> None:
    once = profiled(table())
    assert json.loads(json.dumps(once)) == once
    assert compare(once, once) == []


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rows", [200, 600, 6000])
def test_chance_is_no_drift(seed: int, rows: int) -> None:
    assert compare(profiled(table(rows, seed + 1)), profiled(table(rows * 2, seed + 50))) == []


def moved(**changed: Any) -> dict[str, Finding]:
    return {found.column: found for found in compare(profiled(table(**changed)), profiled(table(seed=9)))}


def test_what_moved_is_found_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    assert moved(age=rng.integers(30, 120, 5000))["age"].size > 0.25
    assert set(moved(weight=rng.normal(7000, 1200, 5000))) == {"weight"}
    assert set(moved(missed=(rng.random(5000) < 0.1).astype(int))) == {"missed"}


def test_bins_of_different_width_are_held_against_each_other() -> None:
    rng = np.random.default_rng(1)
    wide = table(age=np.where(rng.random(5000) < 0.03, 5000, rng.integers(0, 90, 5000)))
    widths = [profiled(frame)["columns"]["age"]["power"] for frame in (wide, table())]
    assert widths[0] > widths[1]
    found = {one.column: one.size for one in compare(profiled(wide), profiled(table(seed=9)))}
    assert found.get("age", 0) < 0.25


def test_a_category_that_vanished_is_told_without_its_name() -> None:
    found = [
        one for one in compare(profiled(table(place=["a", "b"] * 2500)), profiled(table())) if one.kind == "vanished"
    ]
    assert [one.column for one in found] == ["place"]
    assert found[0].text.startswith("1 of its categories vanished")


def test_a_rare_category_may_be_absent() -> None:
    few = table(place=["c"] * 25 + ["a"] * 4975)
    assert [
        one.kind for one in compare(profiled(table(place=["a"] * 5000)), profiled(few)) if one.kind == "vanished"
    ] == []


def test_days_move_on_but_do_not_leap() -> None:
    start = datetime.date(2026, 1, 5)
    for years, kinds in ((0.5, []), (3, ["leap"]), (-3, ["leap"])):
        days = [start + datetime.timedelta(days=int(365 * years) + i % 84) for i in range(5000)]
        assert [
            one.kind for one in compare(profiled(table(day=days)), profiled(table())) if one.column == "day"
        ] == kinds


def test_what_is_rare_is_in_no_profile() -> None:
    rare = table(place=["a"] * 4995 + ["CANARY"] * 5, age=[40] * 4995 + [7777] * 5)
    told = profiled(rare)
    assert told["columns"]["place"]["other"] == told["columns"]["age"]["other"] == 5
    assert all(size >= SMALL for one in told["columns"].values() for size in one.get("counts", {}).values())


def test_the_name_of_an_open_category_is_in_no_profile() -> None:
    assert "CANARY" not in json.dumps(profiled(table(place=["CANARY", "b"] * 2500)))


def test_constant_columns_are_told() -> None:
    told = profiled(table(age=[3] * 5000, who=["x"] * 5000))
    assert [name for name, one in told["columns"].items() if one["constant"]] == ["age", "who"]


def test_no_rows_have_a_profile() -> None:
    told = profiled(table().clear())
    assert told["rows"] == 0
    assert compare(told, profiled(table())) == []


def test_stability_is_nothing_for_equal_shares_and_grows() -> None:
    assert stability([(100, 200), (300, 600)]) == pytest.approx(0, abs=1e-4)
    assert stability([(300, 100), (100, 300)]) == pytest.approx(1.0986, abs=0.01)
    assert by_chance(9, 0.001) == pytest.approx(0.03372, rel=0.02)  # chi-squared of 9 degrees, 0.9999
