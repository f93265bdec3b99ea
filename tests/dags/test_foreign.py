"""What `make ui` serves answers this machine's own pages alone: real servers of Airflow and MLflow."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import console
import pytest

from launch import environment
from tests.checkout import ROOT, STRAY
from tests.ports import free
from tests.waiting import until

pytestmark = pytest.mark.long
KIND = {"Content-Type": "application/json"}
FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "10.evil.example"},
    {"Host": "localhost.evil.example"},
    {"Origin": "http://evil.example"},
]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an API server."""
    port, place = free(), tmp_path_factory.mktemp("airflow")
    stray = {name: value for name, value in os.environ.items() if name not in STRAY}
    settings = console.settings(ROOT, place, stray, port) | {"AIRFLOW__API_AUTH__JWT_SECRET": "0" * 64}
    command = [str(environment.python("airflow")), "-m", "airflow"]
    subprocess.run([*command, "db", "migrate"], env=settings, check=True, capture_output=True)
    yield from _served([*command, "api-server", "--port", str(port)], settings, port, place)


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port, place = free(), tmp_path_factory.mktemp("mlflow")
    address = f"sqlite:///{place / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        command = console.mlflow(port)
    stray = {**os.environ, "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true"}
    yield from _served(command, {**stray, **console.QUIET, **console.GUARDED}, port, place)


def _served(command: list[str], settings: dict[str, str], port: int, place: Path) -> Iterator[int]:
    with (place / "out").open("wb") as out:
        server = subprocess.Popen(command, env=settings, cwd=place, stdout=out, stderr=subprocess.STDOUT)
    try:
        until(lambda: server.poll() is not None or _answers(port))
        assert server.poll() is None, (place / "out").read_text()
        yield port
    finally:
        server.terminate()
        server.wait(60)


def _answers(port: int) -> bool:
    try:
        return _asked(port, "GET", "/api/v2/version", {}) in {200, 404}
    except OSError:
        return False


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_foreign_page_starts_a_run_in_airflow(airflow: int, headers: dict[str, str]) -> None:
    body = {"dag_run_id": "foreign", "logical_date": None, "conf": {}}
    assert _asked(airflow, "POST", "/api/v2/dags/train_noshow/dagRuns", headers, body) == 403
    assert _asked(airflow, "GET", "/api/v2/dags", headers) == 403
    assert _asked(airflow, "GET", "/", headers) == 403


def test_airflow_answers_its_own_page_and_a_link(airflow: int) -> None:
    assert _asked(airflow, "GET", "/api/v2/dags", {}) == 200
    own = {"Host": f"localhost:{airflow}", "Origin": f"http://localhost:{airflow}", "Sec-Fetch-Site": "same-origin"}
    assert _asked(airflow, "GET", "/api/v2/dags", own) == 200
    assert _asked(airflow, "GET", "/api/v2/dags", {"Sec-Fetch-Site": "cross-site"}) == 403
    assert _asked(airflow, "GET", "/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}) == 200


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_foreign_page_changes_anything_in_mlflow(mlflow: int, headers: dict[str, str]) -> None:
    assert _asked(mlflow, "POST", "/api/2.0/mlflow/experiments/create", headers, {"name": "foreign"}) == 403
    if "Host" in headers:
        assert _asked(mlflow, "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", headers) == 403


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_mlflow_answers_its_own_page(mlflow: int, name: str) -> None:
    own = {"Host": f"{name}:{mlflow}", "Origin": f"http://{name}:{mlflow}"}
    assert _asked(mlflow, "POST", "/api/2.0/mlflow/experiments/create", own, {"name": f"of {name}"}) == 200


def _asked(port: int, method: str, path: str, headers: dict[str, str], body: object = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        raw = None if body is None else json.dumps(body)
        connection.request(method, path, raw, {**KIND, **headers})
        return connection.getresponse().status
    finally:
        connection.close()
