"""What the service asks of Airflow, asked of Airflow's own API server."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import console
import pytest

from launch import environment
from rounds.errors import Refused
from serving.airflow import Airflow, AirflowDown, UnderWay
from tests.checkout import ROOT, STRAY
from tests.ports import free

pytestmark = pytest.mark.long
PATIENCE = 120.0


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """An API server with the DAGs of this checkout, and nobody who would run them."""
    port = free()
    place = tmp_path_factory.mktemp("airflow")
    stray = {name: value for name, value in os.environ.items() if name not in STRAY}
    settings = console.settings(ROOT, place, stray, port) | {"AIRFLOW__API_AUTH__JWT_SECRET": "0" * 64}
    command = [str(environment.python("airflow")), "-m", "airflow"]
    for words in (["db", "migrate"], ["dags", "reserialize"]):
        subprocess.run([*command, *words], env=settings, check=True, capture_output=True)
    with (place / "out").open("wb") as out:
        server = subprocess.Popen(
            [*command, "api-server", "--port", str(port)], env=settings, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        found = Airflow(f"http://127.0.0.1:{port}")
        end = time.monotonic() + PATIENCE
        while not answers(found):
            assert time.monotonic() < end and server.poll() is None, (place / "out").read_text()
            time.sleep(0.5)
        yield found
    finally:
        server.terminate()
        server.wait(60)


def answers(airflow: Airflow) -> bool:
    try:
        airflow.health()
    except AirflowDown:
        return False
    return True


@pytest.mark.data_safety
def test_a_run_is_started_once_under_its_name(airflow: Airflow) -> None:
    conf = {"run": "retrain-a", "source": "journal:2026-11-21"}
    assert airflow.start("train_noshow", "retrain-a", conf) == (True, "queued")
    assert airflow.start("train_noshow", "retrain-a", conf) == (False, "queued")
    with pytest.raises(UnderWay, match="run retrain-a of train_noshow waits or works"):
        airflow.start("train_noshow", "retrain-b", conf)
    assert airflow.paused("train_noshow") is True


def test_what_cannot_be_started_is_said(airflow: Airflow, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="has no DAG train_nothing"):
        airflow.start("train_nothing", "a", {})
    with pytest.raises(Refused, match="may start DAG runs"):
        Airflow(airflow.url, token="nonsense").start("train_noshow", "b", {})


def test_a_scheduler_that_is_not_there_is_said(airflow: Airflow) -> None:
    assert airflow.health().endswith("not healthy: scheduler.")
