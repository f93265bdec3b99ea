"""The promises of the statistics, each by a small simulation; docs/simulations.md holds what large ones gave."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bench import simulations
from bench.simulated import coverage, promotions, strong, years
from rounds.clusters import NORMAL
from rounds.shares import wilson

TABLES = 200


@cache
def covered(days: int, differ: float) -> dict[str, float]:
    """The share of tables whose interval covers the truth, by figure."""
    tables = list(coverage.covered(days, differ, TABLES))
    return {name: float(np.mean([table[name] for table in tables])) for name in tables[0]}


@pytest.mark.parametrize("figure", ["auc", "ece"])
@pytest.mark.parametrize("differ", coverage.DIFFER)
@pytest.mark.parametrize("days", [8, 30])
def test_intervals_cover_93_to_97_percent(days: int, differ: float, figure: str) -> None:
    low, high = wilson(covered(days, differ)[figure], TABLES, NORMAL)
    assert low <= 0.97 and high >= 0.93


@pytest.mark.parametrize("differ", coverage.DIFFER)
def test_no_figure_covers_much_less_than_it_says(differ: float) -> None:
    shares = covered(30, differ)
    assert {name: share for name, share in shares.items() if wilson(share, TABLES, NORMAL)[1] < 0.93} == {}


@pytest.mark.parametrize("differ", coverage.DIFFER)
def test_differences_between_two_models_are_covered_too(differ: float) -> None:
    tables = list(coverage.differences(12, differ, 200))
    shares = {name: float(np.mean([table[name] for table in tables])) for name in tables[0]}
    assert {name: share for name, share in shares.items() if wilson(share, 200, NORMAL)[1] < 0.93} == {}


@pytest.mark.parametrize("days", [8, 30])
def test_a_model_that_is_worse_by_the_margin_is_hardly_ever_promoted_in_fifty_tests(days: int) -> None:
    """20 rows of 50 tests: 5% of them is one, and five come by chance once in 400 tries."""
    rows, _ = promotions.promoted(promotions.World(600, days, 0.4, 0.1), chains=20)
    assert rows <= 4


def test_an_equal_model_passes_as_often_as_the_test_says() -> None:
    power = promotions.power(promotions.World(12_000, 30), 40)
    assert power.said > 0.8 and power.passed >= 0.7


def test_a_year_in_which_nothing_changes_asks_for_no_retrain() -> None:
    assert not any(years.asks(years.year(seed, years.World(40, 0.3))) for seed in range(3))


def test_a_year_of_scores_that_are_far_too_sure_does() -> None:
    assert years.asks(years.year(1, years.World(40, sure=2.5)))


def test_an_honest_strong_feature_is_warned_about_and_its_model_waits_for_a_person() -> None:
    ended = strong.ended(0.82)
    assert ended.refused == () and ended.says == "strong feature" and ended.end == "held"


def test_an_honest_feature_of_the_usual_strength_is_not_spoken_of() -> None:
    ended = strong.ended(0.65)
    assert ended.refused == () and ended.says == "nothing" and ended.end in {"promoted", "challenger"}


def test_tables_are_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    simulations.show("Title", ("a", "b"), [[1, simulations.interval(1, 50)]])
    assert capsys.readouterr().out == "\n### Title\n\n| a | b |\n|---|---|\n| 1 | 2.0% (0.4% to 10.5%) |\n"
