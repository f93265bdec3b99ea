"""A registry that trickles: a real MLflow server whose answers, or whose files alone, come byte by byte."""

from __future__ import annotations

import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.steps import python
from tests.ports import free
from tests.serving.running import ONE, Clinic
from tests.serving.slowness import Proxy, proxy
from tests.waiting import until

pytestmark = pytest.mark.long  # a server of MLflow's takes its time to start
MINE = "update runs set artifact_uri = 'mlflow-artifacts:' || substr(artifact_uri, length(?) + 1)"


@pytest.fixture
def own(clinic: Clinic, tmp_path: Path) -> Clinic:
    """A clinic whose MLflow hands out the models itself."""
    copy = clinic.copy(tmp_path / "own")
    with sqlite3.connect(copy.registry / "mlflow.db") as database:
        database.execute(MINE, ((clinic.registry / "mlartifacts").as_uri(),))
    database.close()
    return copy


@pytest.fixture
def registry(own: Clinic, clinic: Clinic) -> Iterator[Proxy]:
    port = free()
    command = [python("mlflow"), "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{own.registry / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(clinic.registry / "mlartifacts"), "--serve-artifacts"]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=own.place, stdout=quiet, stderr=quiet)
    try:
        until(lambda: server.poll() is not None or answers(f"http://127.0.0.1:{port}/health"))
        with proxy(port) as between:
            yield between
    finally:
        server.terminate()
        server.wait()


def answers(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(address, timeout=2):
        return True
    return False


@pytest.mark.parametrize("slow", [b"", b"/artifacts/"], ids=["answers", "files"])
def test_a_registry_that_trickles_is_given_up_and_asked_again(own: Clinic, registry: Proxy, slow: bytes) -> None:
    registry.slow = slow
    url = f"http://127.0.0.1:{registry.port}"
    with own.serving(MLFLOW_TRACKING_URI=url, REGISTRY_SECONDS="1.5") as service:
        service.until("/version", lambda found: found.json["version"] == 1)
        registry.pause = 0.5
        own.champion(2)
        told = service.until("/readyz", lambda found: "no whole answer" in found.json["registry"])
        assert told.status == 200 and "REGISTRY_SECONDS" in told.json["registry"]
        assert b"rounds_registry_up 0.0" in service.ask("/metrics").body
        assert service.predict(ONE).json["version"] == 1
        registry.pause = None
        service.until("/version", lambda found: found.json["version"] == 2)
        assert service.until("/readyz", lambda found: found.json["registry"] == "well").json["ready"]


def test_a_registry_that_trickles_does_not_hold_the_end(own: Clinic, registry: Proxy) -> None:
    registry.slow, registry.pause = b"/artifacts/", 0.5
    url = f"http://127.0.0.1:{registry.port}"
    with own.serving(MLFLOW_TRACKING_URI=url, REGISTRY_SECONDS="1.5") as service:
        service.until("/readyz", lambda found: "no whole answer" in found.json["registry"])
        assert service.end() == 0
        assert "told to end" in service.out.read_text(encoding="utf-8")
