"""The knobs of models are checked by name, those of a search as well."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rounds.modelling import Register
from tests.clinic import train, tune


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"threads": [1, 2]}, "names 'threads'; want knobs among trees, depth"),
        ({"depth": [3, -1]}, "depth holds -1; want greater than 0"),
        ({"rate": ["fast"]}, "rate holds 'fast'; want a valid number"),
        ({"trees": [100, 100]}, "trees holds a value twice"),
        ({"trees": []}, "at least 1 item"),
        ({}, "at least 1 item"),
        ({"depth": 4}, "valid tuple"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(space: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        tune(space=space)


def test_a_value_has_its_knobs_own_type() -> None:
    assert tune(space={"rate": [1], "leaf": [5]}).space == {"rate": (1.0,), "leaf": (5.0,)}


@pytest.mark.parametrize(
    "wrong",
    [{"trees": 0}, {"depth": 2.5}, {"rate": 0}, {"capacity": 0}, {"capacity": 1}, {"family": "oracle"}, {"tree": 3}],
)
def test_a_wrong_knob_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        train(**wrong)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"must": "improve"}, "by is missing; want how much better"),
        ({"metric": "f1"}, "metric is f1, and by is missing"),
        ({"must": "improve", "by": "2%"}, "by is '2%', which may mean points or a part"),
        ({"must": "improve", "by": 0}, "greater than 0"),
        ({"must": "improve", "by": 2}, "less than 1"),
        ({"must": "improve", "by": float("nan")}, "finite"),
        ({"must": "better", "by": 0.02}, "not_worse' or 'improve"),
        ({"must": "improve", "by": 0.02, "metric": "ece"}, "metric"),
        ({"must": "improve", "by": 0.02, "metric": "roc_auc"}, "metric"),
        ({"by": 0.02, "surely": True}, "surely is for must: improve"),
        ({"margin": 0}, "greater than 0"),
    ],
)
def test_a_promotion_that_cannot_be_asked_for_is_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Register.model_validate(section)


@pytest.mark.parametrize(
    ("section", "by"),
    [
        ({}, 0.005),
        ({"margin": 0.01}, 0.01),
        ({"by": 0.02}, 0.02),
        ({"promotion": "auto", "must": "not_worse", "by": 0.02, "metric": "f1"}, 0.02),
        ({"promotion": "auto", "must": "improve", "by": 0.02, "metric": "f1"}, 0.02),
    ],
)
def test_a_promotion_asks_for_a_difference(section: dict[str, Any], by: float) -> None:
    assert Register.model_validate(section).least_difference == by
