"""A checkout whose steps are stand-ins: small programs that end as a test wants them to."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import console

from launch import environment
from tests.checkout import STRAY

PROJECT = """[project]
name = "scratch"
version = "0"
requires-python = ">=3.11"

[dependency-groups]
{groups}

[tool.uv]
package = false
"""

PROBE = """from airflow.sdk import dag
from launch import launch

@dag("probe", schedule=None)
def probe():
    for step in {steps}:
        launch(step)(lambda: ["--run", "{{{{ run_id }}}}", ""])

probe()
"""


@dataclass(frozen=True)
class Scratch:
    root: Path

    @property
    def home(self) -> Path:
        """Airflow's."""
        return self.root.parent / "airflow"

    def steps(self, **programs: str) -> None:
        """Stand-in steps, each with an environment of its own that holds nothing."""
        for name, program in programs.items():
            (self.root / f"jobs/{name}.py").write_text(program)
        groups = "\n".join(f"{name} = []" for name in programs)
        (self.root / "pyproject.toml").write_text(PROJECT.format(groups=groups))
        lock = [str(environment.uv()), "lock", "--quiet", "--offline"]
        subprocess.run(lock, cwd=self.root, check=True, env=self.settings())

    def probe(self, **programs: str) -> None:
        """A DAG `probe` with a task for each stand-in, none after another."""
        self.steps(**programs)
        (self.root / "dags/probe.py").write_text(PROBE.format(steps=list(programs)))

    def settings(self, **more: str) -> dict[str, str]:
        stray = {name: value for name, value in os.environ.items() if name not in STRAY}
        return console.settings(self.root, self.home, {**stray, "LAUNCH_RETRY_SECONDS": "0.1", **more})

    def command(self, *words: str) -> list[str]:
        return [str(environment.python("airflow")), "-m", "airflow", *words]

    def airflow(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), env=self.settings(**more), capture_output=True, text=True)

    def runs(self, dag: str, conf: dict[str, Any] | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return self.airflow("dags", "test", dag, "--conf", json.dumps(conf or {}), **more)

    def tasks(self) -> dict[str, tuple[str, int]]:
        """How each task ended, and at which try."""
        return {task: (state, tries) for task, state, tries in self.rows("task_id, state, try_number")}

    def rows(self, columns: str, table: str = "task_instance") -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            return database.execute(f"select {columns} from {table}").fetchall()


def said(log: str) -> list[str]:
    """The steps' own words in what Airflow wrote."""
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [event["event"] for event in events if event.get("logger") == "launch.process"]
