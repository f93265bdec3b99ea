"""A namespace of the cluster for one test session, as helm/steps.yaml makes it, and stand-in images for its pods."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import keypairs
from tests.checkout import ROOT
from tests.waiting import until

SECRET = {"AWS_SECRET_ACCESS_KEY": "s3cret-word"}
RESTRICTED = {  # what the restricted pod security wants of a container
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
MANIFEST = ROOT / "helm/steps.yaml"
DOCKERFILE = (
    'FROM python:3.13-slim-trixie\nCOPY {step}.py /step.py\nUSER 10001\nENTRYPOINT ["python", "-u", "/step.py"]\n'
)


def kubectl(*words: str, given: str | None = None) -> str:
    done = subprocess.run(["kubectl", *words], input=given, capture_output=True, text=True)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Namespace:
    name: str
    folder: Path
    registry: str = ""  # whose images its pods may be of; empty: the stand-ins' own

    @property
    def kubeconfig(self) -> Path:
        """Of the account that Airflow's workers have, and of nobody with more rights."""
        return self.folder / "kubeconfig"

    def make(self, **secret: str) -> None:
        """All that helm/steps.yaml says but its quota and limits, which a test asks for by name."""
        for one in self.manifests():
            if one["kind"] not in {"ResourceQuota", "LimitRange"}:
                kubectl("apply", "-f", "-", given=json.dumps(one))
        for account in ("airflow-worker", "airflow-triggerer"):
            self.kubectl("create", "serviceaccount", account)
        words = [f"--from-literal={name}={word}" for name, word in (secret or SECRET).items()]
        self.kubectl("create", "secret", "generic", "rounds-step", *words)
        pair, secret_of = keypairs.environ(), ("create", "secret", "generic")
        self.kubectl(*secret_of, "rounds-journal", "--from-literal=JOURNAL_KEY=a-secret-of-the-clinic-of-tests")
        self.kubectl(*secret_of, "rounds-signing", f"--from-file=SIGNING_KEY={pair['SIGNING_KEY']}")
        self.kubectl("create", "configmap", "rounds-verify", f"--from-file=VERIFY_KEYS={pair['VERIFY_KEYS']}")
        found = json.loads(kubectl("config", "view", "--raw", "--flatten", "--minify", "-o", "json"))
        found["users"][0]["user"] = {"token": self.kubectl("create", "token", "airflow-worker").strip()}
        self.kubeconfig.write_text(json.dumps(found))
        self.kubeconfig.chmod(0o600)

        self._await_policy()

    def remove(self) -> None:
        """With what is not in the namespace: its admission policy."""
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy", "namespace"):
            kubectl("delete", kind, self.name, "--wait=false", "--ignore-not-found")

    def _await_policy(self) -> None:
        """The API server enforces a policy some time after it took it."""
        container = {"name": "step", "image": "elsewhere/step:1", "securityContext": RESTRICTED}
        spec = {"serviceAccountName": "rounds-step", "containers": [container]}
        metadata = {"name": "step", "namespace": self.name}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        create = ["kubectl", "--kubeconfig", str(self.kubeconfig), "create", "--dry-run=server", "--filename=-"]

        def is_enforced() -> bool:
            done = subprocess.run(create, input=json.dumps(pod), capture_output=True, text=True)
            return "as helm/steps.yaml says" in done.stderr

        until(is_enforced)

    def manifests(self) -> list[dict[str, Any]]:
        """With this namespace in the place of both that the file names."""
        text = MANIFEST.read_text(encoding="utf-8").replace("rounds-steps", self.name)
        text = text.replace("namespace: airflow}", f"namespace: {self.name}}}")
        text = text.replace("serviceaccounts:airflow", f"serviceaccounts:{self.name}")
        return list(yaml.safe_load_all(text.replace("'rounds/'", f"'{self.registry or self.name}/'")))

    def kubectl(self, *words: str, given: str | None = None) -> str:
        return kubectl("--namespace", self.name, *words, given=given)

    def pods(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, pod: str, seconds: int = 300) -> None:
        """Wait until it is; where it never is, tell what the cluster knows of it."""
        wait = ["kubectl", "--namespace", self.name, "wait", "--for=condition=Ready", f"pod/{pod}"]
        waited = subprocess.run([*wait, f"--timeout={seconds}s"], capture_output=True, text=True)
        if waited.returncode != 0:
            logs = self.kubectl("logs", pod, "--all-containers", "--prefix", "--ignore-errors", "--tail=40")
            known = self.kubectl("describe", "pod", pod)
            raise AssertionError(f"{waited.stderr}{known}{logs}{kubectl('describe', 'nodes')}")

    def build(self, **programs: str) -> None:
        """An image for each stand-in step, known to the cluster: ROUNDS_LOAD is the command that sees to that."""
        for step, program in programs.items():
            (self.folder / f"{step}.py").write_text(program)
            (self.folder / "Dockerfile").write_text(DOCKERFILE.format(step=step))
            build = ["docker", "build", "--quiet", "--tag", self.image(step), str(self.folder)]
            subprocess.run(build, check=True, capture_output=True)
        self.load(*map(self.image, programs))

    def load(self, *images: str) -> None:
        if load := os.environ.get("ROUNDS_LOAD"):
            subprocess.run([*shlex.split(load), *images], check=True)

    def image(self, step: str) -> str:
        return f"{self.name}/{step}:1"

    def settings(self, steps: dict[str, Any] | None = None, **cluster: Any) -> dict[str, str]:
        """What makes Airflow launch here; `steps` and `cluster` are of steps.yaml."""
        usual = {"namespace": self.name, "service_account": "rounds-step", "secret": "rounds-step"}
        usual |= {"journal": "rounds-journal", "signing": "rounds-signing", "verify": "rounds-verify"}
        file = self.folder / "steps.yaml"
        every = {"cpu": 0.5, "memory": "128Mi", "scratch": "16Mi", "minutes": 2}
        found = {"every": every, "steps": steps or {}, "cluster": {**usual, "share": 0.1, **cluster}}
        file.write_text(json.dumps(found))
        place = {"LAUNCH": "kubernetes", "LAUNCH_STEPS": str(file), "KUBECONFIG": str(self.kubeconfig)}
        return {**place, "REGISTRY": self.name, "TAG": "1", "STORE": "s3://a/store"}
