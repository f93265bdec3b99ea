"""Single features: leaks that do not rank, or only in a part; honest strong predictors are not accused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jobs.sentinel.repeats import Repeats
from jobs.sentinel.singles import Side, Single, lower_end, single_features
from jobs.sentinel.travel import Journey
from jobs.sentinel.watch import verdicts
from rounds.modelling import Leakage

Array = Any
ROWS, EARLIER = 24_000, 16_000


@pytest.fixture(scope="module")
def draw() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def outcome(draw: np.random.Generator) -> Array:
    return (draw.random(ROWS) < 0.2).astype(np.int64)


def judge(outcome: Array, **features: Array) -> dict[str, Single]:
    matrix = np.stack(list(features.values()), axis=1).astype(np.float32)
    who = np.arange(ROWS)
    sides = (Side(matrix[rows], outcome[rows], who[rows]) for rows in (slice(EARLIER), slice(EARLIER, None)))
    return single_features(tuple(features), *sides, smallest=200)


def gates(singles: dict[str, Single]) -> dict[str, Any]:
    found = verdicts(Leakage(), Journey(1, 1, {}), singles, {"any patient": Repeats(0, 0.0, 1)}, 100)
    return {verdict.gate: verdict for verdict in found if verdict.verdict != "pass"}


def test_noise_is_no_answer(draw: np.random.Generator, outcome: Array) -> None:
    noise = {f"noise{number}": draw.integers(0, 2 + 20 * number, ROWS) for number in range(12)}
    singles = judge(outcome, **noise)
    assert gates(singles) == {}
    assert all(single.surely < 0.55 for single in singles.values())


def test_a_code_that_does_not_rank_is_the_answer(draw: np.random.Generator, outcome: Array) -> None:
    ward = 2 * draw.integers(0, 60, ROWS) + outcome
    found = gates(judge(outcome, ward=ward, age=draw.integers(0, 95, ROWS)))
    assert found["single feature"].stops
    assert "ward" in found["single feature"].says and "age" not in found["single feature"].says


def test_a_leak_in_a_tenth_of_the_rows_is_the_answer_there(draw: np.random.Generator, outcome: Array) -> None:
    site = draw.integers(0, 10, ROWS)
    reminded = np.where(site == 3, outcome, draw.integers(0, 2, ROWS))
    singles = judge(outcome, site=site, reminded=reminded)
    assert singles["reminded"].low < 0.6
    assert "where site 3" in gates(singles)["single feature"].says


def test_a_code_that_does_not_rank_in_a_tenth_of_the_rows(draw: np.random.Generator, outcome: Array) -> None:
    age = draw.integers(0, 95, ROWS)
    ward = np.where(age < 10, 2 * draw.integers(0, 4, ROWS) + outcome, draw.integers(0, 8, ROWS))
    found = gates(judge(outcome, age=age, ward=ward))["single feature"]
    assert "ward" in found.says and "where age below" in found.says


def test_a_leak_that_is_filled_in_for_few_is_the_answer_there(draw: np.random.Generator, outcome: Array) -> None:
    note = np.where(draw.random(ROWS) < 0.15, 1 + outcome, 0)
    singles = judge(outcome, note=note)
    assert "where note other than 0" in gates(singles)["single feature"].says


def test_a_flag_that_is_set_afterwards_for_few_is_a_warning(draw: np.random.Generator, outcome: Array) -> None:
    letter = outcome * (draw.random(ROWS) < 0.3)
    found = gates(judge(outcome, letter=letter))
    assert set(found) == {"strong feature"}
    assert not found["strong feature"].stops
    assert "letter" in found["strong feature"].says


@pytest.mark.parametrize(("distance", "told"), [(1.1, set()), (1.35, {"strong feature"})])  # AUC 0.78 and 0.83
def test_an_honest_strong_predictor_is_at_most_warned_about(
    distance: float, told: set[str], draw: np.random.Generator, outcome: Array
) -> None:
    found = gates(judge(outcome, glucose=draw.normal(distance * outcome, 1)))
    assert set(found) <= {"strong feature"} and set(found) >= told
    assert not any(verdict.stops for verdict in found.values())


def test_a_perfect_feature_of_few_patients_is_not_yet_sure() -> None:
    assert lower_end(1.0, 20) < 0.85
    assert lower_end(1.0, 80) > 0.95
    assert lower_end(float("nan"), 80) == lower_end(0.5, 0) == 0.0


def test_rows_of_one_patient_count_once(outcome: Array) -> None:
    matrix, who = outcome[:, None].astype(np.float32), np.arange(ROWS) % 40
    sides = (Side(matrix[rows], outcome[rows], who[rows]) for rows in (slice(EARLIER), slice(EARLIER, None)))
    single = single_features(("copy",), *sides, smallest=200)["copy"]
    assert single.auc == 1.0 and single.surely < 0.95
