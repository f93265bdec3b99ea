"""Settings: what holds where nothing is said, and a wrong one is named."""

from __future__ import annotations

import pytest

from rounds.errors import Refused
from serving.settings import Wanted, read


def test_what_holds_where_nothing_is_said() -> None:
    found = read({})
    assert (found.problem, found.host, found.port, found.journal) == ("noshow", "127.0.0.1", 8000, "durable")
    assert found.model == Wanted("NoShowXGBoost", "champion", None)
    assert found.keys is None


@pytest.mark.parametrize("text", ["models:/NoShowXGBoost@champion", "models:/NoShowXGBoost/7"])
def test_a_model_is_named_by_alias_or_by_number(text: str) -> None:
    assert str(read({"MODEL": text}).model) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODEL", "NoShowXGBoost"),
        ("MODEL", "models:/NoShowXGBoost/0"),
        ("JOURNAL", "maybe"),
        ("PORT", "65536"),
        ("PORT", "eight"),
        ("ROWS", "0"),
        ("ROWS", "٣"),
        ("SECONDS", "0"),
        ("SECONDS", "-1"),
        ("HEAD_SECONDS", "0"),
        ("HISTORY_SECONDS", "soon"),
        ("CONNECTIONS", "0"),
        ("LOG", "loud"),
    ],
)
def test_a_wrong_one_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(Refused, match=f"^{name} is '{value}'; want "):
        read({name: value})
