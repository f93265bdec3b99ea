"""What a container of a step is made with: its settings, its folders, whom it runs as and what it may use."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from docker.types import Mount

from launch import keys
from launch.environment import HOME, ROOT
from launch.needs import Needs
from launch.passed import passed
from launch.sources import INSIDE, source_mounts

SQLITE = "sqlite:///"
PROCESSES = 1024
SHARED = (".dvc/cache", "data")  # folders of the checkout that every container reads


def environment(step: str) -> dict[str, str]:
    """What a step is told; where it was told nothing, its places and its keys are those of this checkout."""
    tracking = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{HOME / 'mlflow' / 'mlflow.db'}"
    if tracking.startswith(SQLITE):
        tracking = f"{SQLITE}{ROOT / tracking.removeprefix(SQLITE)}"
    store = os.environ.get("STORE") or (HOME / "store").as_uri()
    own = {**os.environ, **keys.texts(os.environ, HOME / "signing")}
    return {**passed(own, step), "STORE": store, "MLFLOW_TRACKING_URI": tracking}


def folders(told: Mapping[str, str]) -> list[Path]:
    """Those of this machine in which a step writes, made if they are not there."""
    found = []
    if urlsplit(told["STORE"]).scheme == "file":
        found.append(Path(unquote(urlsplit(told["STORE"]).path)))
    if told["MLFLOW_TRACKING_URI"].startswith(SQLITE):
        found.append(Path(told["MLFLOW_TRACKING_URI"].removeprefix(SQLITE)).parent)
    for folder in found:
        folder.mkdir(parents=True, exist_ok=True)
    return found


def user(written: Sequence[Path]) -> str | None:
    """Whoever owns what the step writes to; else whom the image names."""
    if not written:
        return None
    owner = written[0].stat()
    return f"{owner.st_uid}:{owner.st_gid}"


def mounts(written: Sequence[Path], arguments: Sequence[str]) -> list[Mount]:
    """A disk for /tmp, the folders that are written, each at its own path, and what is read.

    Memory for /tmp would be taken from what the step itself may use.
    """
    shared = {str(INSIDE / name): ROOT / name for name in SHARED if (ROOT / name).exists()}
    read = {**shared, **source_mounts(arguments, os.environ, ROOT)}
    return [
        Mount("/tmp", None),
        *(Mount(str(folder), str(folder), type="bind") for folder in dict.fromkeys(written)),
        *(Mount(inside, str(path), type="bind", read_only=True) for inside, path in sorted(read.items())),
    ]


def limits(needs: Needs, cores: int) -> dict[str, Any]:
    """What the container may use and do, in the engine's words; nothing that it might want back later."""
    return {
        "cap_drop": ["ALL"],
        "init": True,
        "mem_limit": needs.memory_bytes,
        "memswap_limit": needs.memory_bytes,
        "nano_cpus": int(min(needs.cpu, cores) * 1e9),
        "network_mode": os.environ.get("LAUNCH_NETWORK") or None,
        "pids_limit": PROCESSES,
        "read_only": True,
        "security_opt": ["no-new-privileges"],
    }
