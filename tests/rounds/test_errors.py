"""Every kind of failure has an exit code of its own meaning."""

from __future__ import annotations

import pytest

from rounds.errors import NotAsked, Refused, RoundsError, SourceError, StoreError


@pytest.mark.parametrize(
    ("kind", "code"), [(RoundsError, 1), (StoreError, 1), (SourceError, 1), (Refused, 2), (NotAsked, 99)]
)
def test_exit_codes(kind: type[RoundsError], code: int) -> None:
    assert kind("a sentence.").exit_code == code


def test_facts_are_copied() -> None:
    facts = {"rows": 1}
    error = Refused("a sentence.", facts)
    facts["rows"] = 2
    assert error.facts == {"rows": 1}
    assert Refused("a sentence.").facts == {}
