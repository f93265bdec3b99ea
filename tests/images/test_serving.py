"""The service's image: the real service beside a real MLflow server, a bucket and a Redis."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rounds.store import open_store
from tests import keypairs, parts
from tests.checkout import Checkout, copied, lenient
from tests.images.engine import HARD, built, docker
from tests.images.test_steps import LOOK
from tests.keeper import keeper
from tests.ports import free
from tests.s3 import Server
from tests.serving.running import FLOW, ONE, Clinic
from tests.waiting import until
from tests.warm import Warm

pytestmark = pytest.mark.docker

MOST = 360_000_000  # bytes that the image may add to its base
HOLDS = {"fastapi", "mlflow", "numpy", "polars", "redis", "uvloop", "xgboost"}
LEFT_OUT = {"airflow", "alembic", "boto3", "google.auth", "pandas", "pip", "sklearn", "sqlalchemy", "uv"}
# As a launcher starts steps, but on this machine's network: all that it asks is there.
HARD_AT_HOME = tuple("host" if word == "none" else word for word in HARD)


@dataclass(frozen=True)
class Running:
    """A container that answers at a port of this machine."""

    name: str
    port: int

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        raw = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", raw, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=60) as found:
                return found.status, json.loads(found.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as found:
                return bool(found.status == 200)
        except OSError:
            assert docker("inspect", self.name, "--format", "{{.State.Running}}").stdout == "true\n", self.said()
            return False

    def said(self) -> str:
        done = docker("logs", self.name)
        return done.stdout + done.stderr


@contextmanager
def running(image: str, port: int, environment: dict[str, str]) -> Iterator[Running]:
    given = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    name = docker("run", "--detach", *HARD_AT_HOME, *given, built(image)).stdout.strip()
    try:
        yield Running(name, port)
    finally:
        docker("rm", "--force", "--volumes", name)


@pytest.fixture(scope="module")
def mlflow() -> Iterator[str]:
    place = {"MLFLOW_BACKEND_STORE_URI": "sqlite:////tmp/mlflow.db", "MLFLOW_ARTIFACTS_DESTINATION": "/tmp/files"}
    port = free()
    with running("mlflow", port, {**place, "MLFLOW_HOST": "127.0.0.1", "MLFLOW_PORT": str(port)}) as found:
        until(lambda: found.answers("/health"))
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def clinic(
    mlflow: str, s3: Server, warm: Warm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Checkout, dict[str, str]]]:
    """A champion in MLflow, the histories in Redis; and what whoever uses them has set."""
    built("serving")
    checkout = lenient(copied(tmp_path_factory.mktemp("clinic")))
    with keeper(checkout.place) as redis:
        seen = {**s3.environment, "STORE": f"s3://{s3.bucket()}/rounds", "MLFLOW_TRACKING_URI": mlflow}
        seen |= {"HISTORY": redis.url, "HISTORY_SECONDS": "30"}
        for step in FLOW:
            ended = warm.run(checkout, step, "first", **seen)
            assert ended.well, ended.text
        yield checkout, seen


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[Running]:
    port = free()
    keys = {"VERIFY_KEYS": Path(keypairs.environ()["VERIFY_KEYS"]).read_text(encoding="ascii")}
    own = {"HOST": "127.0.0.1", "PORT": str(port), "WATCH": "0.1", **keys}
    with running("serving", port, {**own, **environment}) as found:
        until(lambda: found.answers("/healthz"))
        yield found


@pytest.mark.data_safety
def test_it_answers_what_the_service_answers_outside_of_it(
    clinic: tuple[Checkout, dict[str, str]], s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, seen = clinic
    table = next((s3.folder / seen["STORE"].removeprefix("s3://")).rglob("validate/table.*.parquet"))
    patients = [*pl.read_parquet(table)["patient_id"].unique(maintain_order=True).head(300), "nobody"]
    asked = {"appointments": [{**ONE, "patient_id": who, "appointment_id": str(at)} for at, who in enumerate(patients)]}
    with serving(seen) as inside, Clinic(checkout).serving(**seen) as outside:
        until(lambda: inside.answers("/readyz"))
        outside.ready()
        status, found = inside.ask("/predict?explain=true", asked)
        assert status == 200, found
        assert said(found) == said(outside.ask("/predict?explain=true", asked).json)
        one = found["predictions"][0]
        status, why = inside.ask("/explain", {"id": one["id"]})
        assert (status, why["reasons"]) == (200, one["reasons"])
        assert [each["history"] for each in found["predictions"]] == ["known"] * 300 + ["unknown"]
        told = inside.ask("/version")[1]
        assert (told["source"], told["version"]) == ("models:/NoShowXGBoost@champion", 1)
        docker("stop", "--time=60", inside.name)  # what it closes it ships
    for name, value in seen.items():
        monkeypatch.setenv(name, value)
    today = datetime.now(UTC).date()
    days = [str(today - timedelta(1)), str(today)]
    kept = {record["id"] for record in parts.records(open_store(seen["STORE"]), days)}
    assert {each["id"] for each in found["predictions"]} <= kept


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """All but the ids, which are nobody else's."""
    return {**answer, "predictions": [{**each, "id": ""} for each in answer["predictions"]]}


@pytest.mark.parametrize("given", [{}, {"MLFLOW_TRACKING_URI": "sqlite:////data/mlflow.db"}], ids=["nothing", "a file"])
def test_a_registry_that_is_no_server_is_refused_in_a_sentence(given: dict[str, str]) -> None:
    with serving(given) as found:
        until(lambda: "nothing here reads a database" in found.ask("/readyz")[1]["registry"])
        status, told = found.ask("/readyz")
    assert status == 503
    assert told["registry"].startswith("MLFLOW_TRACKING_URI is 'sqlite:///")
    assert told["registry"].endswith("Want http(s)://a.server.")


def test_without_keys_it_ends_in_a_sentence() -> None:
    name = docker("run", "--detach", *HARD_AT_HOME, built("serving")).stdout.strip()
    try:
        assert docker("wait", name).stdout.strip() == "2"
        done = docker("logs", name)
        assert "VERIFY_KEYS is not set; want a key, as PEM text or a path" in done.stdout + done.stderr
    finally:
        docker("rm", "--force", "--volumes", name)


def test_it_adds_less_than_promised_to_its_base() -> None:
    """What stands above the first instruction of ours in its history."""
    lines = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", built("serving"))
    sizes = []
    for line in lines.stdout.splitlines():
        sizes.append(int(line.split(" ", 1)[0]))
        if "ENV PATH=/opt/venv/bin" in line:
            break
    assert 200_000_000 < sum(sizes) < MOST


def test_it_holds_what_it_needs_and_no_tool() -> None:
    asked = sorted(HOLDS | LEFT_OUT)
    words = ("run", "--rm", *HARD, "--entrypoint", "python", built("serving"), "-c", LOOK, *asked)
    found = json.loads(docker(*words).stdout.splitlines()[-1])
    assert found == {"user": [10001, 10001], "imports": sorted(HOLDS), "tools": []}
