"""The whole system in Docker under a name of its own, as `make up` starts it, and its doors for a test."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.checkout import ROOT
from tests.ports import free

SETTINGS = ("REGISTRY", "TAG")


@dataclass(frozen=True)
class System:
    """One Compose project."""

    name: str
    env: Path
    override: Path

    def compose(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        files = ["-f", str(ROOT / "docker-compose.yml")]
        files += ["-f", str(self.override)] if self.override.exists() else []
        command = ["docker", "compose", "--project-name", self.name, "--env-file", str(self.env), *files, *words]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0 or not check, done.stdout[-2000:] + done.stderr[-4000:]
        return done

    def container(self, service: str) -> str:
        return self.compose("ps", "--quiet", service).stdout.strip()

    @property
    def settings(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.env.read_text().splitlines())

    @property
    def store(self) -> dict[str, str]:
        """The environment of whoever reads its store from this machine."""
        return {
            "AWS_ACCESS_KEY_ID": "rounds",
            "AWS_SECRET_ACCESS_KEY": self.settings["STORE_PASSWORD"],
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.settings['STORE_PORT']}",
            "AWS_ALLOW_HTTP": "true",
            "STORE": "s3://rounds/store",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{self.settings['MLFLOW_PORT']}",
        }

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """Airflow's answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.settings['AIRFLOW_PORT']}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}),
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def login(self, password: str = "") -> str:
        words = {"username": "admin", "password": password or self.settings["AIRFLOW_PASSWORD"]}
        return str(self.ask("POST", "/auth/token", words)["access_token"])

    def ended(self, dag: str, run: str, token: str, seconds: float = 900) -> str:
        """The state in which a run of Airflow's ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            state = str(self.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}", token=token)["state"])
            if state in {"success", "failed"}:
                return state
            time.sleep(2)
        raise AssertionError(f"{run} did not end: {self.tasks(dag, run, token)}")

    def tasks(self, dag: str, run: str, token: str) -> dict[str, str]:
        found = self.ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", token=token)
        return {task["task_id"]: task["state"] for task in found["task_instances"]}

    def steps(self) -> list[str]:
        """The steps' containers that are there now, running or not."""
        network = f"network={self.name}_default"
        command = ["docker", "ps", "--all", "--quiet", "--filter", network, "--filter", "label=rounds.step"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@contextmanager
def system(folder: Path) -> Iterator[System]:
    """Up from nothing; gone, with its data, afterwards."""
    made = System(f"rounds-{secrets.token_hex(4)}", folder / ".env", folder / "override.yml")
    words = [f"{name}={os.environ[name]}" for name in SETTINGS if name in os.environ]
    words += [f"{name}={free()}" for name in ("AIRFLOW_PORT", "MLFLOW_PORT", "SERVING_PORT", "STORE_PORT")]
    subprocess.run([sys.executable, ROOT / "images/passwords.py", made.env, *words], check=True)
    try:
        made.compose("up", "--detach", "--wait")
        yield made
    finally:
        made.compose("stop", "--timeout", "5", check=False)
        if left := made.steps():
            subprocess.run(["docker", "rm", "--force", "--volumes", *left], capture_output=True)
        made.compose("down", "--volumes", "--timeout", "5", check=False)


def refused(system: System, password: str) -> bool:
    """Whether Airflow lets nobody in with this password."""
    try:
        system.login(password)
    except urllib.error.HTTPError as error:
        return error.code == 401
    return False
