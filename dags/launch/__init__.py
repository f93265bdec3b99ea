"""Where a step runs: `@launch("train")` above a function that answers the step's arguments makes its task."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

# One module a place, each with `task(step, arguments, **settings)`; only the one that is asked for is loaded.
LAUNCHERS = {"process": "launch.process", "docker": "launch.docker", "kubernetes": "launch.kubernetes"}


def launch(step: str, **settings: Any) -> Callable[[Callable[[], list[str]]], BaseOperator]:
    """The step as a task in the place that `LAUNCH` names; `settings` are any that Airflow knows for a task.

    Arguments are templates, rendered when the task runs; one that renders to nothing is not given to the step.
    """
    from launch import needs
    from launch.ending import patience  # Airflow takes a second to import, and `console.py` has no need of it

    place = os.environ.get("LAUNCH") or "process"
    if place not in LAUNCHERS:
        raise ValueError(f"LAUNCH is '{place}'; want one of: {', '.join(LAUNCHERS)}. Unset it to run in processes.")
    launcher = import_module(LAUNCHERS[place])
    usual = {**patience(os.environ), "execution_timeout": needs.of(step).time}

    def task(arguments: Callable[[], list[str]]) -> BaseOperator:
        made: BaseOperator = launcher.task(step, arguments(), **{**usual, **settings})
        return made

    return task
