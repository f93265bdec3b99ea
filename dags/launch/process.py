"""Run a step as a process on this machine, in the environment of its own dependency group."""

from __future__ import annotations

import logging
import os
import subprocess
from collections import deque
from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator, Context

from launch import child, environment
from launch.ending import conclude

NEEDED = frozenset({"HOME", "LANG", "LOG", "PATH", "SOURCE", "STORE", "TMPDIR", "TZ"})
PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})  # in either case
PREFIXES = ("AWS_", "LC_", "MLFLOW_", "OMP_", "OPENBLAS_", "POLARS_", "ROUNDS_", "SSL_CERT_")
LAST = 15  # lines of a failed step that its failure repeats

log = logging.getLogger(__name__)


def task(step: str, arguments: list[str], **settings: Any) -> BaseOperator:
    return Process(task_id=step, arguments=arguments, **settings)


class Process(BaseOperator):
    """A step as a process that ends with its task, however the task ends."""

    template_fields = ("arguments",)

    def __init__(self, *, arguments: list[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.arguments = arguments
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> None:
        step = self.task_id
        command = [str(environment.python(step)), "-m", f"jobs.{step}", *filter(None, self.arguments)]
        last: deque[str] = deque(maxlen=LAST)
        with child.started(command, environment.ROOT, needed(os.environ)) as self._process:
            for line in child.lines(self._process):
                last.append(line)
                log.info("%s", line)
        conclude(step, self._process.returncode, last)

    def on_kill(self) -> None:
        if self._process:
            child.end(self._process)


def needed(environ: Mapping[str, str]) -> dict[str, str]:
    """What a step may see of the environment: nothing of Airflow's, no credential that it has no use for."""
    return {"PYTHONUNBUFFERED": "1"} | {name: value for name, value in environ.items() if _is_needed(name)}


def _is_needed(name: str) -> bool:
    return name in NEEDED or name.upper() in PROXIES or name.startswith(PREFIXES)
