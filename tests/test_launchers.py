"""Where a step runs does not change what it says: one run by each launcher, each from an empty store."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import trained
from tests.composed import free
from tests.dags.namespace import Namespace, kubectl
from tests.dags.waiting import until
from tests.s3 import Server

# A store and an MLflow for pods, beside them.
SERVERS = """
apiVersion: v1
kind: Pod
metadata: {name: servers, labels: {app: servers}}
spec:
  automountServiceAccountToken: false
  securityContext: {runAsUser: 10001, runAsNonRoot: true, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
  volumes: [{name: data, emptyDir: {}}]
  containers:
    - name: store
      image: versity/versitygw:v1.8.0
      args: [posix, /data]
      env: [{name: ROOT_ACCESS_KEY, value: rounds}, {name: ROOT_SECRET_KEY, value: WORD}]
      volumeMounts: [{name: data, mountPath: /data}]
      securityContext: &restricted {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    - name: mlflow
      image: REGISTRY/mlflow:TAG
      env:
        - {name: MLFLOW_BACKEND_STORE_URI, value: "sqlite:////data/mlflow.db"}
        - {name: MLFLOW_ARTIFACTS_DESTINATION, value: /data/artifacts}
        - {name: MLFLOW_SERVER_ALLOWED_HOSTS, value: "*"}
      volumeMounts: [{name: data, mountPath: /data}]
      readinessProbe: {httpGet: {path: /health, port: 5000}, periodSeconds: 1}
      securityContext: *restricted
---
apiVersion: v1
kind: Service
metadata: {name: servers}
spec:
  selector: {app: servers}
  ports: [{name: store, port: 7070}, {name: mlflow, port: 5000}]
"""
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
def test_pods_say_the_same(in_processes: Any, cluster: Namespace) -> None:
    settings = {**os.environ, **json.loads((cluster.folder / "servers.json").read_text())}
    with reached(cluster) as seen:
        assert trained.by("kubernetes", settings, seen) == in_processes
    assert [pod["metadata"]["name"] for pod in cluster.pods()] == ["servers"], "no pod is left"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """A namespace with a store and an MLflow; the images of this commit are known to it."""
    made, word = (
        Namespace(f"rounds-test-{secrets.token_hex(4)}", tmp_path_factory.mktemp("pods")),
        secrets.token_hex(16),
    )
    registry, tag = os.environ.get("REGISTRY", "rounds"), os.environ["TAG"]
    made.load(*(f"{registry}/{name}:{tag}" for name in IMAGES), "versity/versitygw:v1.8.0")
    try:
        made.make(AWS_ACCESS_KEY_ID="rounds", AWS_SECRET_ACCESS_KEY=word)
        text = SERVERS.replace("WORD", word).replace("REGISTRY", registry).replace("TAG", tag)
        made.kubectl("apply", "-f", "-", given=text)
        made.kubectl("wait", "--for=condition=Ready", "pod/servers", "--timeout=120s")
        made.kubectl("exec", "servers", "-c", "store", "--", "mkdir", "/data/rounds")
        address = f"http://servers.{made.name}.svc"
        settings = made.settings(dict.fromkeys(IMAGES, NEEDS))
        settings |= {"REGISTRY": registry, "TAG": tag, "STORE": "s3://rounds/store", "AWS_REGION": "us-east-1"}
        settings |= {"AWS_ENDPOINT_URL": f"{address}:7070", "AWS_ALLOW_HTTP": "true"}
        settings |= {"MLFLOW_TRACKING_URI": f"{address}:5000"}
        (made.folder / "servers.json").write_text(json.dumps(settings))
        (made.folder / "word").write_text(word)
        yield made
    finally:
        kubectl("delete", "namespace", made.name, "--wait=false", "--ignore-not-found")


@contextmanager
def reached(cluster: Namespace) -> Iterator[dict[str, str]]:
    """The cluster's store and MLflow, as this machine reaches them."""
    store, mlflow = free(), free()
    forward = ["kubectl", "--namespace", cluster.name, "port-forward", "pod/servers", f"{store}:7070", f"{mlflow}:5000"]
    with subprocess.Popen(forward, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        try:
            assert running.stdout is not None
            until(lambda: "Forwarding" in running.stdout.readline())
            yield {
                "AWS_ACCESS_KEY_ID": "rounds",
                "AWS_SECRET_ACCESS_KEY": (cluster.folder / "word").read_text(),
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store}",
                "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow}",
            }
        finally:
            running.terminate()
