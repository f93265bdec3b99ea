"""The sections that say what is watched: all may be left out, and what cannot be asked is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

import problems
from rounds.watched import Watch


def test_everything_may_be_left_out() -> None:
    watch = Watch()
    assert watch.monitor.agree <= watch.collect.windows
    assert (watch.decide.psi, watch.decide.drop, watch.decide.labels) == (None, None, None)


def test_shares_are_written_as_people_write_them() -> None:
    watch = Watch.model_validate({"monitor": {"false_alarms": "5%"}, "decide": {"drop": "10%", "drift": None}})
    assert (watch.monitor.false_alarms, watch.decide.drop, watch.decide.drift) == (0.05, 0.1, None)


@pytest.mark.parametrize(
    ("section", "wrong", "says"),
    [
        ("monitor", {"agree": 5}, "monitor.agree is 5; want at most 4, which is collect.windows"),
        ("monitor", {"false_alarms": 0}, "greater than 0"),
        ("monitor", {"rows": 10}, "greater than or equal to 50"),
        ("monitor", {"actions": ["none"]}, "'message' or 'call'"),
        ("decide", {"drop": "0%"}, "greater than 0"),
        ("collect", {"days": 27}, "collect.days is 27; want at least 28"),
        ("collect", {"weeks": 7}, "Extra inputs"),
    ],
)
def test_what_cannot_be_asked_is_refused(section: str, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Watch.model_validate({section: wrong})


def test_what_is_ignored_is_a_feature() -> None:
    for name in problems.names():
        found = problems.problem(name)
        text = problems.HERE.joinpath(name, "features.py").read_text(encoding="utf-8")
        assert all(f'"{feature}"' in text for feature in found.monitor.ignore)
