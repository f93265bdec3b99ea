"""Whose container it is, how long it is wanted, and the removal of those that nobody waits for any more."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError

from launch import engine
from launch.needs import Needs

GRACE = 300  # seconds after its time in which whoever waits for a container takes it away
SAME = ("rounds.owner", "rounds.dag", "rounds.dag_run", "rounds.task", "rounds.map")  # tries of one task


def labels(task: Any, arguments: Sequence[str], told: Mapping[str, str], needs: Needs) -> dict[str, str]:
    """What tells whose container it is and how long it is wanted; `task` is Airflow's instance."""
    named = dict(pairwise(arguments))
    owner = "\n".join([told["STORE"], os.environ.get("LAUNCH_NETWORK") or ""])
    return {
        "rounds.owner": hashlib.sha256(owner.encode()).hexdigest()[:12],
        "rounds.problem": named.get("--problem", ""),
        "rounds.run": named.get("--run", ""),
        "rounds.step": task.task_id,
        "rounds.dag": task.dag_id,
        "rounds.dag_run": task.run_id,
        "rounds.task": task.task_id,
        "rounds.map": str(task.map_index),
        "rounds.try": str(task.try_number),
        "rounds.until": str(int(time.time() + needs.time.total_seconds() + GRACE)),
        "rounds.watcher": f"{_machine()}/{os.getpid()}",
    }


def sweep(docker: APIClient, own: Mapping[str, str] | None = None) -> list[str]:
    """The janitor: remove containers for which nobody waits, and those of earlier tries of `own`; say which."""
    gone = []
    for found in docker.containers(all=True, filters={"label": "rounds.watcher"}):
        if _forgotten(found["Labels"]) or (own and all(found["Labels"].get(name) == own[name] for name in SAME)):
            remove(docker, found["Id"])
            gone.append(f"{found['Id'][:12]} ({found['Labels'].get('rounds.step')})")
    return gone


def remove(docker: APIClient, container: str) -> None:
    """At once, with its /tmp; a step survives being killed at any moment."""
    with contextlib.suppress(APIError):  # it is gone already, or somebody else is at it
        docker.remove_container(container, force=True, v=True)


def _forgotten(labels: Mapping[str, str]) -> bool:
    """Past its time, or started by a process of this machine that is no more."""
    machine, _, process = labels["rounds.watcher"].rpartition("/")
    return float(labels["rounds.until"]) < time.time() or (machine == _machine() and not _lives(int(process)))


def _machine() -> str:
    """Where a process id means what it means here: two containers on one machine are two places."""
    space = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}/{space.readlink() if space.exists() else ''}"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    for one in sweep(engine.connect()):
        print(f"removed container {one}")
