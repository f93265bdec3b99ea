"""Where a step runs does not change what it says: one run by each launcher, each from an empty store."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import trained
from tests.dags.namespace import Namespace
from tests.s3 import Server
from tests.servers import IMAGE, Servers, ours

pytestmark = pytest.mark.data_safety

NEEDS = {"cpu": 2, "memory": "4Gi", "scratch": "4Gi", "minutes": 10}
IMAGES = ("ingest", "validate", "features", "tune", "train", "evaluate", "register", "mlflow")


def test_processes_say_something(in_processes: Any) -> None:
    """So that what the others are compared with is no empty thing."""
    assert set(in_processes["content"]) == {"ingest", "validate", "features", "tune", "train", "evaluate", "register"}
    assert in_processes["reused"] == []
    assert len(in_processes["mlflow"]) == 1
    assert in_processes["mlflow"][0]["metrics"]["auc"] > 0.6
    assert in_processes["champion"] == in_processes["content"]["train"]["facts"]["bundle"]


@pytest.mark.docker
@pytest.mark.long
def test_processes_say_the_same_in_a_bucket(in_processes: Any, s3: Server, tmp_path: Path) -> None:
    ours = {**trained.on_files(tmp_path), **s3.environment, "STORE": f"s3://{s3.bucket()}/a/store"}
    assert trained.by("process", ours) == in_processes


@pytest.mark.docker
def test_containers_say_the_same(in_processes: Any, tmp_path: Path) -> None:
    """In a folder; tests/test_compose.py has containers with a bucket and a server."""
    tmp_path.parent.chmod(0o755)
    assert trained.by("docker", trained.on_files(tmp_path)) == in_processes


@pytest.mark.cluster
def test_pods_say_the_same(in_processes: Any, cluster: Servers) -> None:
    address = f"http://servers.{cluster.place.name}.svc"
    settings = {**os.environ, **cluster.place.settings(dict.fromkeys(IMAGES, NEEDS))}
    settings |= {
        "REGISTRY": os.environ.get("REGISTRY", "rounds"),
        "TAG": os.environ["TAG"],
        "STORE": "s3://rounds/store",
    }
    settings |= {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"{address}:7070", "AWS_ALLOW_HTTP": "true"}
    settings |= {"MLFLOW_TRACKING_URI": f"{address}:5000"}
    with cluster.reached() as seen:
        assert trained.by("kubernetes", settings, seen) == in_processes
    assert [pod["metadata"]["name"] for pod in cluster.place.pods()] == ["servers"], "no pod is left"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """In a namespace of their own; the images of this commit are known to it."""
    registry = os.environ.get("REGISTRY", "rounds")
    made = Namespace(f"rounds-test-{secrets.token_hex(4)}", tmp_path_factory.mktemp("pods"), registry)
    found = Servers(made)
    made.load(*map(ours, IMAGES), IMAGE)
    try:
        made.make(AWS_ACCESS_KEY_ID="rounds", AWS_SECRET_ACCESS_KEY=found.word)
        found.start()
        yield found
    finally:
        made.remove()
