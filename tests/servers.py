"""A store and an MLflow for pods, beside them, and how this machine reaches both."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.dags.namespace import Namespace
from tests.ports import free
from tests.waiting import until

IMAGE = "versity/versitygw:v1.8.0"  # of the store
# They ask for memory, so that a node with little of it to spare takes them all the same.
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
      image: STORE
      args: [posix, /data]
      env: [{name: ROOT_ACCESS_KEY, value: rounds}, {name: ROOT_SECRET_KEY, value: WORD}]
      volumeMounts: [{name: data, mountPath: /data}]
      resources: &asked {requests: {cpu: 50m, memory: 512Mi}}
      securityContext: &restricted {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    - name: mlflow
      image: REGISTRY/mlflow:TAG
      env:
        - {name: MLFLOW_BACKEND_STORE_URI, value: "sqlite:////data/mlflow.db"}
        - {name: MLFLOW_ARTIFACTS_DESTINATION, value: /data/artifacts}
        - {name: MLFLOW_SERVER_ALLOWED_HOSTS, value: "*"}
      volumeMounts: [{name: data, mountPath: /data}]
      readinessProbe: {httpGet: {path: /health, port: 5000}, periodSeconds: 1, timeoutSeconds: 5}
      resources: *asked
      securityContext: *restricted
---
apiVersion: v1
kind: Service
metadata: {name: servers}
spec:
  selector: {app: servers}
  ports: [{name: store, port: 7070}, {name: mlflow, port: 5000}]
"""


def ours(name: str) -> str:
    """An image of this checkout."""
    return f"{os.environ.get('REGISTRY', 'rounds')}/{name}:{os.environ['TAG']}"


@dataclass(frozen=True)
class Servers:
    """Pods of the namespace know them as `servers`."""

    place: Namespace
    word: str = field(default_factory=lambda: secrets.token_hex(16))  # the store's password

    def start(self) -> None:
        """With an empty bucket `rounds`; the store and the image of MLflow are known to the cluster."""
        text = SERVERS.replace("WORD", self.word).replace("image: STORE", f"image: {IMAGE}")
        text = text.replace("REGISTRY/mlflow:TAG", ours("mlflow"))
        self.place.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        self.place.kubectl("apply", "-f", "-", given=text)
        self.place.ready("servers")
        self.place.kubectl("exec", "servers", "-c", "store", "--", "mkdir", "/data/rounds")

    @contextmanager
    def reached(self) -> Iterator[dict[str, str]]:
        """As this machine reaches them, for as long as it is asked to."""
        store, mlflow = free(), free()
        command = ["kubectl", "--namespace", self.place.name, "port-forward", "pod/servers"]
        command += [f"{store}:7070", f"{mlflow}:5000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
            try:
                assert running.stdout is not None
                until(lambda: "Forwarding" in running.stdout.readline())
                yield {
                    "AWS_ACCESS_KEY_ID": "rounds",
                    "AWS_SECRET_ACCESS_KEY": self.word,
                    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store}",
                    "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow}",
                }
            finally:
                running.terminate()
