"""Monitor killed wherever it changes the store: the next try gives what an undisturbed one gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.checkout import Checkout
from tests.jobs.monitor.clinic import Clinic

pytestmark = [pytest.mark.long, pytest.mark.data_safety]


def copied(of: Clinic, place: Path) -> Checkout:
    for name in ("store", "mlflow"):
        shutil.copytree(of.checkout.place / name, place / name)
    return of.checkout.at(place)


def test_killed_at_every_write_its_next_try_is_equal(clinic: Clinic, python: str, tmp_path: Path) -> None:
    def run(at: Checkout, **extra: str) -> int:
        return at.run("monitor", "w", python=(python,), DO_NOT_TRACK="true", **extra).code

    peace, log = copied(clinic, tmp_path / "peace"), tmp_path / "points"
    assert run(peace, FAULT_LOG=str(log)) == 0
    points = [line.split(" ", 1) for line in log.read_text(encoding="utf-8").splitlines()]
    kills = [number for number, name in points if name.startswith("after ") and ("write" in name or "upload" in name)]
    assert len(kills) >= 5
    for number in kills:
        killed = copied(clinic, tmp_path / f"killed {number}")
        assert run(killed, FAULT_AT=number) == -9
        assert run(killed) == 0
        assert killed.content("monitor", "w") == peace.content("monitor", "w")
        shutil.rmtree(killed.place)
