"""The whole system in Docker under a name of its own, as `docker compose up` starts it, and its doors for a test."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.checkout import ROOT
from tests.ports import free

SETTINGS = ("REGISTRY", "TAG")
PORTS = ("AIRFLOW_PORT", "MLFLOW_PORT", "SERVING_PORT", "STORE_PORT")


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

    def up(self, *services: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Start it from the images that `make images` built."""
        return self.compose("up", "--no-build", "--detach", "--wait", *services, check=check)

    def container(self, service: str) -> str:
        return self.compose("ps", "--quiet", service).stdout.strip()

    def secret(self, service: str, name: str) -> str:
        """What a running service holds under that name."""
        return self.inside(service, "cat", f"/run/secrets/{name}").strip()

    def inside(self, service: str, *command: str) -> str:
        """What a command says in a running service, as the user of that service."""
        user = ["--user", "50000"] if service == "scheduler" else []  # it begins as root
        return self.compose("exec", "--no-TTY", *user, service, *command).stdout

    @cached_property
    def settings(self) -> dict[str, str]:
        """The ports, and what a person is shown."""
        shown = self.compose("run", "--rm", "--no-TTY", "secrets", "show").stdout
        lines = [*self.env.read_text().splitlines(), *shown.splitlines()]
        return dict(line.split("=", 1) for line in lines)

    @property
    def store(self) -> dict[str, str]:
        """The environment of a person who reads its store and registry from this machine."""
        shown = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
        return {
            **{name: self.settings[name] for name in shown},
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

    def login(self, password: str = "", user: str = "admin") -> str:
        words = {"username": user, "password": password or self.settings["AIRFLOW_PASSWORD"]}
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
    lines = [f"{name}={os.environ[name]}" for name in SETTINGS if name in os.environ]
    lines += [f"{name}={free()}" for name in PORTS]
    made.env.write_text("".join(f"{line}\n" for line in lines))
    try:
        made.up()
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
