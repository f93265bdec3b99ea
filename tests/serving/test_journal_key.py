"""The service and the journal's key: another one, or a short one, is refused; what the store lost is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serving.running import KEY, ONE, Clinic


def refused(own: Clinic, **extra: str) -> str:
    """What a service says that does not start."""
    with own.serving(**extra) as service:
        assert service.process.wait(600) != 0
        return service.out.read_text(encoding="utf-8")


@pytest.fixture
def served(own: Clinic) -> Clinic:
    """A clinic whose service has answered, shipped and ended."""
    with own.serving() as service:
        assert service.ready().predict(ONE).status == 200
        assert service.end() == 0
    return own


def test_another_key_is_refused_by_store_and_folder(served: Clinic, tmp_path: Path) -> None:
    other = {"JOURNAL_KEY": "another secret of the clinic that is long"}
    elsewhere = refused(served, JOURNAL_FOLDER=str(tmp_path / "elsewhere"), **other)
    assert "is written with the key" in elsewhere and served.checkout.store.as_uri() in elsewhere
    away = refused(served, STORE=(tmp_path / "another store").as_uri(), **other)
    assert "is written with the key" in away and str(served.place / "journal") in away
    assert KEY not in elsewhere + away and other["JOURNAL_KEY"] not in elsewhere + away


def test_a_short_key_is_refused(own: Clinic) -> None:
    assert "JOURNAL_KEY has a key of 1 bytes; want at least 32" in refused(own, JOURNAL_KEY="a")


def test_what_the_store_lost_is_told(served: Clinic) -> None:
    [part] = (served.checkout.store / "noshow/.journal").rglob("*.jsonl.gz")
    part.unlink()
    with served.serving() as service:
        found = service.seen("/ops/health", lambda found: found["parts"].get("evidence", "well") != "well")
        assert part.name in found["parts"]["evidence"] and not found["well"]
        assert any(told.startswith("evidence: ") for told in found["says"])
        assert service.metrics()["rounds_journal_lacking"] == 1
