"""Quarantine that takes rows of one outcome: told, warned about beyond chance, refused above a bound."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from jobs.checks.bias import Outcomes
from problems.noshow.simulate import simulate
from rounds.errors import Refused
from tests.corpus.tables import AGE, MISSED
from tests.jobs.test_validate import knobs, validated

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return next(simulate(patients=4000, seed=3, start=datetime.date(2026, 1, 5), weeks=12)).head(6000)


def spoilt(table: pl.DataFrame, missed: int, kept: int) -> pl.DataFrame:
    """So many rows of either outcome are made bad."""
    rows = table.with_row_index("at")
    bad = pl.concat(
        [rows.filter(pl.col(MISSED) == word).head(count) for word, count in (("Yes", missed), ("No", kept))]
    )
    spoil = pl.col("at").is_in(bad["at"].implode())
    return rows.with_columns(pl.when(spoil).then(pl.lit("-1")).otherwise(AGE).alias(AGE)).drop("at")


def limits(**changed: float) -> Any:
    asked = knobs().checks.quarantine.model_copy(update={"at_most": 0.05, **changed})
    return knobs(quarantine=asked)


def test_quarantine_of_one_outcome_alone_is_refused(table: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"60 of 60 quarantined rows have the outcome \(100.0%\).*bias_at_most is 20.0%"):
        validated(spoilt(table, 60, 0), tmp_path, limits())
    assert "in quarantine whose outcome can be read 100.0%" in (tmp_path / "out" / "report.html").read_text()


def test_the_other_outcome_alone_is_a_warning_where_it_is_common(table: pl.DataFrame, tmp_path: Path) -> None:
    (warning,) = validated(spoilt(table, 0, 200), tmp_path, limits())["warnings"]
    assert warning.startswith("0 of 200 quarantined rows have the outcome (0.0%)")


def test_a_larger_bound_makes_it_a_warning(table: pl.DataFrame, tmp_path: Path) -> None:
    (warning,) = validated(spoilt(table, 60, 0), tmp_path, limits(bias_at_most=1.0))["warnings"]
    assert "differ by at least" in warning


def test_quarantine_at_random_is_no_warning_and_its_rate_is_shown(table: pl.DataFrame, tmp_path: Path) -> None:
    assert validated(spoilt(table, 20, 80), tmp_path, limits())["warnings"] == []
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["outcome_rate"]["readable"] == 100
    assert report["outcome_rate"]["quarantined"] == 0.2
    assert 0.15 < report["outcome_rate"]["good"] < 0.25


def test_of_few_rows_nothing_is_told(table: pl.DataFrame, tmp_path: Path) -> None:
    assert validated(spoilt(table, 9, 0), tmp_path, limits())["warnings"] == []
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["outcome_rate"] == {"good": None, "quarantined": None, "readable": 9, "apart": 0.0}


def test_chance_alone_is_warned_about_in_hardly_any_table() -> None:
    draw = np.random.default_rng(1)
    for rate in (0.02, 0.2, 0.5):
        bad = draw.binomial(200, rate, 2000)
        good = draw.binomial(50_000, rate, 2000)
        warned = sum(Outcomes(50_000, int(g), 200, int(b)).apart > 0 for g, b in zip(good, bad, strict=True))
        assert warned <= 10
