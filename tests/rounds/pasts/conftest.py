"""A Redis of its own for each test that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keeper import Keeper, keeper


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Keeper]:
    with keeper(tmp_path) as found:
        yield found
