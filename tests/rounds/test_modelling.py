"""The knobs of models are checked by name, those of a search as well."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

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
