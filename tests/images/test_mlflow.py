"""MLflow's image: a server that can write nothing but its scratch folder."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.images.engine import HARD, built, docker

pytestmark = pytest.mark.docker

ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:5000/health', timeout=5).read().decode())"


@pytest.fixture
def server() -> Iterator[str]:
    places = (
        "--env",
        "MLFLOW_BACKEND_STORE_URI=sqlite:////tmp/mlflow.db",
        "--env",
        "MLFLOW_ARTIFACTS_DESTINATION=/tmp/files",
    )
    started = docker("run", "--detach", *HARD, *places, built("mlflow")).stdout.strip()
    yield started
    docker("rm", "--force", "--volumes", started)


def test_it_becomes_healthy_without_a_network(server: str) -> None:
    deadline = time.monotonic() + 300
    while (asked := docker("exec", server, "python", "-c", ASK, check=False)).returncode != 0:
        assert docker("inspect", server, "--format", "{{.State.Running}}").stdout == "true\n", docker(
            "logs", server
        ).stderr
        assert time.monotonic() < deadline, docker("logs", server).stderr[-4000:]
        time.sleep(1)
    assert asked.stdout == "OK\n"
    assert docker("exec", server, "id", "-u").stdout == "10001\n"
