"""The whole system in Docker: from nothing to a green run, through the doors that its users have."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import composed, told
from tests.checkout import ROOT
from tests.composed import System
from tests.serving.running import ONE

DAG = "train_noshow"
pytestmark = pytest.mark.docker
SHOWN = """
services:
  dag-processor:
    volumes: ["{file}:/opt/airflow/problems/noshow/problem.yaml:ro"]
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Without its schedule: early in a week Airflow would start the run of that week beside ours."""
    folder = tmp_path_factory.mktemp("system")
    scheduled(folder, "null")
    (folder / "override.yml").write_text(SHOWN.format(file=folder / "problem.yaml"))
    with composed.system(folder) as made:
        yield made


def scheduled(folder: Path, when: str) -> None:
    """Only Airflow is shown another schedule; the steps' images hold the file as it is."""
    usual = (ROOT / "problems/noshow/problem.yaml").read_text()
    changed = usual.replace('schedule: "@weekly"', f"schedule: {when}")
    assert changed != usual
    (folder / "problem.yaml").write_text(changed)
    (folder / "problem.yaml").chmod(0o644)


@pytest.fixture(scope="module")
def token(system: System) -> str:
    word = system.login()
    until_parsed(system, word)
    system.ask("PATCH", f"/api/v2/dags/{DAG}", {"is_paused": False}, word)
    return word


def until_parsed(system: System, token: str) -> None:
    for _ in range(600):
        found = system.ask("GET", "/api/v2/dags", token=token)
        if DAG in {dag["dag_id"] for dag in found["dags"]}:
            return
        time.sleep(1)
    raise AssertionError(system.ask("GET", "/api/v2/importErrors", token=token))


def started(system: System, token: str, **conf: Any) -> str:
    body = {"logical_date": None, "conf": conf}
    return str(system.ask("POST", f"/api/v2/dags/{DAG}/dagRuns", body, token)["dag_run_id"])


def inspected(container: str) -> Any:
    done = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[0]


@pytest.mark.data_safety
def test_nobody_gets_in_without_the_password(system: System) -> None:
    assert composed.refused(system, "admin")
    assert composed.refused(system, "airflow")


@pytest.mark.data_safety
def test_nothing_listens_to_other_machines(system: System) -> None:
    for service in ("airflow", "mlflow", "postgres", "scheduler", "store"):
        ports = inspected(system.container(service))["NetworkSettings"]["Ports"]
        hosts = {bound["HostIp"] for found in ports.values() for bound in found or []}
        assert hosts <= {"127.0.0.1"}, service


@pytest.mark.data_safety
def test_a_run_through_the_api_says_what_processes_say(system: System, token: str, in_processes: Any) -> None:
    run = started(system, token, run="equal")
    assert system.ended(DAG, run, token) == "success", system.tasks(DAG, run, token)
    states = system.tasks(DAG, run, token)
    assert states.pop("tune") == "skipped", "nobody asked for a search"
    assert set(states.values()) == {"success"}
    assert told.of("equal", {**os.environ, **system.store}) == in_processes
    assert system.steps() == [], "no container is left"


def test_the_service_answers_from_the_champion_of_that_run(system: System, token: str, in_processes: Any) -> None:
    address = f"http://127.0.0.1:{system.settings['SERVING_PORT']}/predict"
    key = {"Authorization": f"Bearer {system.settings['SERVING_KEY']}", "Content-Type": "application/json"}
    asked = urllib.request.Request(address, json.dumps({"appointments": [ONE]}).encode(), key)
    for _ in range(120):
        with contextlib.suppress(OSError), urllib.request.urlopen(asked, timeout=30) as answer:
            found = json.load(answer)
            assert found["bundle"] == in_processes["champion"]
            assert 0 < found["predictions"][0]["probability"] < 1
            return
        time.sleep(0.5)
    raise AssertionError("the service did not take up the champion")


def test_a_killed_scheduler_costs_seconds(system: System, token: str) -> None:
    run = started(system, token, run="killed", force=True)
    until_running(system, run, token, "features", "train", "evaluate")
    system.compose("kill", "scheduler")
    system.compose("up", "--detach", "--wait", "scheduler")
    assert system.ended(DAG, run, token) == "success", system.tasks(DAG, run, token)
    ours = {**os.environ, **system.store}
    assert told.of("killed", ours)["content"] == told.of("equal", ours)["content"]
    assert system.steps() == []


def until_running(system: System, run: str, token: str, *tasks: str) -> None:
    """One of these."""
    for _ in range(600):
        if "running" in map(system.tasks(DAG, run, token).get, tasks) and system.steps():
            return
        time.sleep(0.2)
    raise AssertionError(system.tasks(DAG, run, token))


def test_a_task_that_is_marked_failed_takes_its_container_along(system: System, token: str) -> None:
    run = started(system, token, run="marked", force=True, search=True)
    until_running(system, run, token, "tune")
    system.ask("PATCH", f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/tune", {"new_state": "failed"}, token)
    assert system.ended(DAG, run, token) == "failed"
    for _ in range(100):
        if not system.steps():
            return
        time.sleep(0.2)
    raise AssertionError("the container of a task that was marked failed still runs")


def test_a_scheduled_run_searches(system: System, token: str) -> None:
    scheduled(system.override.parent, '"* * * * *"')
    system.compose("restart", "dag-processor")
    run = by_itself(system, token)
    assert system.ended(DAG, run, token) == "success", system.tasks(DAG, run, token)
    assert system.tasks(DAG, run, token)["tune"] == "success"


def by_itself(system: System, token: str) -> str:
    for _ in range(600):
        found = system.ask("GET", f"/api/v2/dags/{DAG}/dagRuns?run_type=scheduled", token=token)["dag_runs"]
        if found:
            return str(found[0]["dag_run_id"])
        time.sleep(1)
    raise AssertionError("the schedule started no run")
