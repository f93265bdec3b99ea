"""Run a step as a process on this machine, in the environment of its own dependency group."""

from __future__ import annotations

import logging
import os
import subprocess
from collections import deque
from typing import Any

from airflow.sdk import BaseOperator, Context

from launch import child, environment
from launch.ending import conclude
from launch.passed import here

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
        with child.started(command, environment.ROOT, here(os.environ, step)) as self._process:
            for line in child.lines(self._process):
                last.append(line)
                log.info("%s", line)
        conclude(step, self._process.returncode, last)

    def on_kill(self) -> None:
        if self._process:
            child.end(self._process)
