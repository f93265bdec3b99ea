"""A release of the service's chart on a real cluster."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.checkout import ROOT
from tests.dags.namespace import Namespace, kubectl
from tests.serving.callers import Callers, calling

CHART = str(ROOT / "helm/serving")
NAME = "noshow"
SERVICE = f"service/{NAME}-serving"
DEPLOYMENT = f"deployment/{NAME}-serving"
PODS = f"--selector=app.kubernetes.io/instance={NAME},app.kubernetes.io/component=service"

# It kills, from the node, the process that a pod's container began with: nobody in the pod can.
KILLER = """
import os, pathlib, sys
for found in pathlib.Path("/proc").glob("[0-9]*"):
    try: group, command = (found / "cgroup").read_text(), (found / "cmdline").read_bytes()
    except OSError: continue
    if sys.argv[1] in group.replace("_", "-") and b"serving" in command: os.kill(int(found.name), 9)
"""


@dataclass(frozen=True)
class Release:
    """`helm install noshow` in a namespace, of the image of this commit."""

    place: Namespace
    image: str
    answered: list[str] = field(default_factory=list)  # ids of all predictions that callers were given

    def command(self, verb: str, *words: str) -> list[str]:
        return ["helm", "--namespace", self.place.name, verb, NAME, *words]

    def well(self, verb: str, *words: str) -> str:
        done = subprocess.run(self.command(verb, *words), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.place.kubectl('describe', 'pods', PODS)}"
        return done.stdout

    def install(self, **values: Any) -> None:
        self.well("install", CHART, "--wait", "--timeout=300s", *self.given(values))

    def upgrade(self, **values: Any) -> None:
        self.well("upgrade", CHART, "--reuse-values", "--wait", "--timeout=300s", *self.given(values))

    def given(self, values: dict[str, Any]) -> list[str]:
        file = self.place.folder / "values.yaml"
        file.write_text(json.dumps(values))
        return ["--values", str(file)]

    def refused(self, **values: Any) -> tuple[str, str]:
        """What Helm says where an upgrade cannot succeed, and what Kubernetes said of the pods meanwhile."""
        words = ["--reuse-values", "--wait", "--rollback-on-failure", "--timeout=40s", *self.given(values)]
        command = self.command("upgrade", CHART, *words)
        seen = ""
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
            while running.poll() is None:
                seen += self.place.kubectl("describe", "pods", PODS)
                time.sleep(2)
            said = running.stdout.read() if running.stdout else ""
        assert running.returncode != 0, said
        return said, seen

    def history(self) -> list[dict[str, Any]]:
        return list(json.loads(self.well("history", "--output=json")))

    def pods(self, *, ending: bool = False) -> list[dict[str, Any]]:
        """Those that are to stay, and those that are ending too if they are asked for."""
        found = json.loads(self.place.kubectl("get", "pods", PODS, "--output=json"))["items"]
        return [pod for pod in found if ending or "deletionTimestamp" not in pod["metadata"]]

    def names(self, *, ending: bool = False) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.pods(ending=ending)}

    def restarts(self) -> int:
        return sum(each["restartCount"] for pod in self.pods() for each in pod["status"]["containerStatuses"])

    @property
    def key(self) -> str:
        found = json.loads(self.place.kubectl("get", "secret", f"{NAME}-serving", "--output=json"))
        return base64.b64decode(found["data"]["key"]).decode()

    @property
    def port(self) -> int:
        """On which every node answers for the service."""
        return int(self.place.kubectl("get", SERVICE, "--output=jsonpath={.spec.ports[0].nodePort}"))

    def ask(self, path: str, body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", path, json.dumps(body), headers)
            found = connection.getresponse()
            return found.status, json.loads(found.read())
        finally:
            connection.close()

    @contextmanager
    def calling(self, number: int = 4) -> Iterator[Callers]:
        """So many callers; some are answered before, and some after."""
        with calling(self.port, number, pause=0.01, key=self.key) as found:
            found.more()
            yield found
            found.more()
        self.answered.extend(found.ids)

    def kill(self, pod: dict[str, Any]) -> None:
        """As the kernel does where memory is short; in the namespace where pods may see the node's processes."""
        killer = {
            "name": "killer",
            "image": self.image,
            "command": ["python", "-c", KILLER, pod["metadata"]["uid"]],
            "securityContext": {"runAsUser": 0},
        }
        spec = {"spec": {"hostPID": True, "containers": [killer]}}
        words = ["--image", self.image, "--restart=Never", "--rm", "--attach", "--quiet"]
        kubectl("--namespace=default", "run", self.place.name, *words, "--overrides", json.dumps(spec))
