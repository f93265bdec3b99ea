"""No other account of the machine may read what a run of the pipeline and a day of service write."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.serving.running import ONE, Clinic


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    """What most machines have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def readable(folder: Path) -> list[str]:
    """Files and folders under a folder that others may use."""
    found = [folder, *folder.rglob("*")]
    return [str(path) for path in found if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077]


def run(*words: str, **extra: str) -> str:
    own = {**os.environ, **extra}
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=own, check=True, capture_output=True, text=True
    ).stdout


def test_a_run_of_the_pipeline(clinic: Clinic) -> None:
    problem = clinic.checkout.store / "noshow"
    assert len(list(problem.rglob("*.parquet"))) > 4
    assert readable(problem) == []
    assert readable(clinic.registry / "mlartifacts") == []


def test_a_day_of_service(own: Clinic) -> None:
    with own.serving() as service:
        prediction = service.ready().predict(ONE).json["predictions"][0]["id"]
        told = service.ask("/outcomes", {"outcomes": [{"id": prediction, "outcome": True}]})
        assert told.status < 300, told.body
        assert service.ask("/ops/health").status == 200
        assert service.end() == 0
    assert own.journaled()
    for folder in (own.place / "journal", own.place / "cache", own.checkout.store / "noshow"):
        assert readable(folder) == []


def test_files_that_a_person_gets(clinic: Clinic, tmp_path: Path) -> None:
    target = tmp_path / "here" / "and there"
    store = clinic.checkout.store.as_uri()
    run("-m", "rounds.cli", "get", "first", "validate", "--problem", "noshow", "--to", str(target), STORE=store)
    assert len(list(target.iterdir())) > 3
    assert readable(tmp_path / "here") == []


def test_the_database_of_mlflow(tmp_path: Path) -> None:
    run("-m", "rounds.tracking", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
    assert (tmp_path / "mlflow" / "mlflow.db").exists()
    assert readable(tmp_path / "mlflow") == []


def test_a_store_that_a_person_gave_keeps_its_own_mode(own: Clinic) -> None:
    """Who may enter it is for its owner to say; what is written there is closed all the same."""
    own.checkout.store.chmod(0o755)
    with own.serving() as service:
        service.ready()
    assert stat.S_IMODE(own.checkout.store.stat().st_mode) == 0o755
