"""What tests of the service stand on: a clinic whose registry has a champion, a second version, and a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from rounds.store import Store, open_store
from tests.checkout import copied, lenient
from tests.serving.running import Clinic, trained
from tests.warm import Warm


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Clinic:
    """Version 1 is champion; version 2 is of another model, with another feature. For no test to change."""
    checkout = lenient(copied(tmp_path_factory.mktemp("clinic")))
    trained(checkout, warm, "first")
    checkout.change("problems/noshow/features.py", '        "lead_days": lead,', '        "lead_weeks": lead // 7,')
    trained(checkout, warm, "second")
    found = Clinic(checkout)
    found.champion(1)
    return found


@pytest.fixture
def own(clinic: Clinic, tmp_path: Path) -> Clinic:
    """The same, to be changed."""
    return clinic.copy(tmp_path / "own")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a journal writes."""
    return tmp_path / "journal"
