"""The whole system in Docker: from nothing to a green run, through the doors that its users have."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import time
import urllib.error
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
RUNNING = ("airflow", "dag-processor", "mlflow", "postgres", "scheduler", "serving", "store", "triggerer")
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


def test_each_service_sees_only_the_secrets_that_it_uses(system: System) -> None:
    seen = {}
    for service in RUNNING:
        seen[service] = set(system.inside(service, "ls", "/run/secrets").split())
    assert {service for service, names in seen.items() if "JOURNAL_KEY" in names} == {"scheduler", "serving"}
    assert {service for service, names in seen.items() if "signing-key.pem" in names} == {"scheduler"}
    secrets = {value for name, value in system.settings.items() if name.endswith(("PASSWORD", "KEY"))}
    for service in RUNNING:
        environment = inspected(system.container(service))["Config"]["Env"]
        assert not [line for line in environment if line.split("=", 1)[1] in secrets], service


def mlflow(system: System, user: str, password: str, path: str, body: Any = None) -> int:
    """The status with which MLflow answers."""
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{system.settings['MLFLOW_PORT']}/api/2.0/mlflow/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"} | ({"Authorization": f"Basic {login}"} if user else {}),
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_mlflow_refuses_who_has_no_password_and_the_service_may_only_read(system: System) -> None:
    models, make = "registered-models/search", "registered-models/create"
    assert mlflow(system, "", "", models) == 401
    assert mlflow(system, "admin", "password1234", models) == 401
    assert mlflow(system, "serving", "wrong", models) == 401
    assert mlflow(system, "", "", make, {"name": "planted"}) == 401
    serving = system.secret("serving", "MLFLOW_TRACKING_PASSWORD")
    assert mlflow(system, "serving", serving, models) == 200
    assert mlflow(system, "serving", serving, make, {"name": "planted"}) == 403
    assert mlflow(system, "serving", serving, "experiments/create", {"name": "planted"}) == 403
    assert mlflow(system, "serving", serving, "runs/search", {"experiment_ids": []}) == 200, "it reads by POST"
    steps = system.secret("scheduler", "MLFLOW_TRACKING_PASSWORD")
    assert mlflow(system, "steps", steps, "users/create", {"username": "planted", "password": "long-enough-1"}) == 403
    admin = system.settings["MLFLOW_TRACKING_PASSWORD"]
    assert mlflow(system, "admin", admin, "users/list") == 200


def airflow(system: System, token: str, method: str, path: str, body: Any = None) -> int:
    """The status with which Airflow answers."""
    try:
        system.ask(method, f"/api/v2/{path}", body, token)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def test_the_service_s_user_of_airflow_can_start_that_training_and_nothing_else(system: System, token: str) -> None:
    password = system.secret("serving", "AIRFLOW_PASSWORD")
    assert password != system.settings["AIRFLOW_PASSWORD"]
    own = system.login(password, "serving")
    runs = f"dags/{DAG}/dagRuns"
    for path in (f"dags/{DAG}", f"{runs}?state=running", f"{runs}/none"):
        assert airflow(system, own, "GET", path) in {200, 404}, path
    started = {"logical_date": None, "conf": {"run": "refused", "source": "nowhere/at/all.csv"}}
    run = system.ask("POST", f"/api/v2/{runs}", started, own)["dag_run_id"]
    assert airflow(system, own, "DELETE", f"{runs}/{run}") == 403
    others = ("score_noshow", "publish_noshow", "watch_noshow")
    there = {dag["dag_id"] for dag in system.ask("GET", "/api/v2/dags", token=token)["dags"]}
    assert set(others) <= there
    for dag in others:
        assert airflow(system, own, "GET", f"dags/{dag}") == 403
        assert airflow(system, own, "POST", f"dags/{dag}/dagRuns", {"logical_date": None}) == 403
        assert airflow(system, own, "PATCH", f"dags/{dag}", {"is_paused": False}) == 403
    for path in ("connections", "variables", "pools", "config", "eventLogs", "importErrors", "jobs"):
        assert airflow(system, own, "GET", path) == 403, path
    assert airflow(system, own, "POST", "variables", {"key": "a", "value": "b"}) == 403
    assert system.ended(DAG, run, token) == "failed", "its source is not there"


def bucket_status(system: System, user: str, secret: str, path: str, write: bool) -> str:
    """What the store answers to a user of that name."""
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    bucket, _, key = path.partition("/")
    port = system.settings["STORE_PORT"]
    store = S3Store(
        bucket,
        endpoint=f"http://127.0.0.1:{port}",
        region="us-east-1",
        access_key_id=user,
        secret_access_key=secret,
        client_options={"allow_http": True},
    )
    try:
        if write:
            obstore.put(store, key, b"x")
        else:
            obstore.get(store, key)
    except FileNotFoundError:
        return "allowed"
    except (BaseError, PermissionError) as error:
        assert "AccessDenied" in str(error), error
        return "refused"
    return "allowed"


@pytest.mark.parametrize(
    ("service", "user", "reads", "writes", "refused"),
    [
        ("mlflow", "mlflow", ["mlflow/1/a"], ["mlflow/1/a"], ["rounds/store/noshow/a"]),
        (
            "airflow",
            "logs",
            ["rounds/store/.logs/a"],
            ["rounds/store/.logs/a"],
            ["rounds/store/noshow/a", "mlflow/1/a"],
        ),
        ("scheduler", "steps", ["rounds/store/none/a"], ["rounds/store/none/a"], ["rounds/other", "mlflow/1/a"]),
        (
            "serving",
            "serving",
            ["rounds/store/none/a"],
            ["rounds/store/none/.journal/a", "rounds/store/none/.outcomes/a", "rounds/store/none/.retrains/a"],
            ["rounds/store/none/a", "rounds/store/none/.registry/snapshot.json", "rounds/store/.logs/a", "mlflow/1/a"],
        ),
    ],
)
def test_each_user_of_the_store_reaches_its_own_part(
    system: System, service: str, user: str, reads: list[str], writes: list[str], refused: list[str]
) -> None:
    secret = system.secret(service, "AWS_SECRET_ACCESS_KEY")
    assert {path: bucket_status(system, user, secret, path, False) for path in reads} == dict.fromkeys(reads, "allowed")
    assert {path: bucket_status(system, user, secret, path, True) for path in writes} == dict.fromkeys(
        writes, "allowed"
    )
    written = {path: bucket_status(system, user, secret, path, True) for path in refused}
    assert written == dict.fromkeys(refused, "refused")


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
    answers_from(system, in_processes["champion"])


def answers_from(system: System, bundle: str) -> None:
    """Wait until the service answers from this bundle: it looks at the registry every few seconds."""
    address = f"http://127.0.0.1:{system.settings['SERVING_PORT']}/predict"
    key = {"Authorization": f"Bearer {system.settings['SERVING_KEY']}", "Content-Type": "application/json"}
    asked = urllib.request.Request(address, json.dumps({"appointments": [ONE]}).encode(), key)
    for _ in range(120):
        with contextlib.suppress(OSError), urllib.request.urlopen(asked, timeout=30) as answer:
            found = json.load(answer)
            assert 0 < found["predictions"][0]["probability"] < 1
            if found["bundle"] == bundle:
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


def test_down_and_up_again_keeps_everything(system: System, token: str) -> None:
    before = dict(system.settings)
    system.compose("down", "--timeout", "60")
    system.up()
    vars(system).pop("settings")
    assert system.settings == before
    word = system.login()
    states = {run["dag_run_id"] for run in system.ask("GET", f"/api/v2/dags/{DAG}/dagRuns", token=word)["dag_runs"]}
    assert len(states) >= 2
    answers_from(system, told.of("equal", {**os.environ, **system.store})["champion"])
