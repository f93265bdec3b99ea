"""A run's name is safe in every room, and no two become one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds.names import LONGEST, safe

LABEL = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"


@pytest.mark.parametrize("name", ["2026-11-20", "a", "A.b_c-9", "x" * LONGEST])
def test_a_safe_name_stays(name: str) -> None:
    assert safe(name) == name


def test_airflow_run_ids_stay_readable() -> None:
    assert re.fullmatch(r"manual__2026-11-20T00-00-00-00-00-[0-9a-f]{8}", safe("manual__2026-11-20T00:00:00+00:00"))


@given(st.text())
def test_every_name_is_a_label_and_stays_what_it_became(raw: str) -> None:
    name = safe(raw)
    assert re.fullmatch(LABEL, name)
    assert len(name) <= LONGEST
    assert safe(name) == name


@given(st.text(), st.text())
def test_two_names_stay_two(one: str, other: str) -> None:
    assert (safe(one) == safe(other)) == (one == other)


@pytest.mark.parametrize("other", ["a b", "a/b", "a:b", "a+b", "a-b-", "-a-b", ".a-b", "a\n-b", "a-b\n", "ä-b"])
def test_like_names_stay_apart(other: str) -> None:
    assert safe(other) != safe("a-b")
