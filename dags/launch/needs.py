"""What a step may use and for how long: `steps.yaml`, or the file that LAUNCH_STEPS names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import yaml

USUAL = Path(__file__).with_name("steps.yaml")
T = TypeVar("T")


@dataclass(frozen=True)
class Needs:
    """One step's."""

    cpu: float
    memory: str
    scratch: str
    minutes: float

    @property
    def time(self) -> timedelta:
        return timedelta(minutes=self.minutes)

    @property
    def memory_bytes(self) -> int:
        return int(self.memory.removesuffix("Mi").removesuffix("Gi")) * UNITS[self.memory[-2:]]


@dataclass(frozen=True)
class Cluster:
    """Where pods go, the same for every step."""

    namespace: str
    service_account: str
    secret: str = ""
    journal: str = ""
    signing: str = ""
    verify: str = ""
    claim: str = ""
    share: float = 1.0
    start_minutes: float = 5
    deferrable: bool = False
    pull_policy: str = "IfNotPresent"
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)


UNITS = {"Mi": 1024**2, "Gi": 1024**3}


def of(step: str) -> Needs:
    """What the step may use."""
    found = _file()
    made = _made(Needs, {**(found.get("every") or {}), **((found.get("steps") or {}).get(step) or {})}, step)
    for name in ("memory", "scratch"):
        if not re.fullmatch(r"[1-9]\d*(Mi|Gi)", value := str(getattr(made, name))):
            raise ValueError(f"{_path()}: {step}: {name} is '{value}'; want a whole number of Mi or Gi, such as 4Gi.")
    for name in ("cpu", "minutes"):
        if not isinstance(value := getattr(made, name), int | float) or value <= 0:
            raise ValueError(f"{_path()}: {step}: {name} is '{value}'; want a number above 0.")
    return made


def cluster() -> Cluster:
    """Where its pod goes."""
    return _made(Cluster, _file().get("cluster") or {}, "cluster")


def _file() -> dict[str, Any]:
    found = yaml.safe_load(_path().read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{_path()} holds no sections; want `every`, `steps` and `cluster` as in {USUAL}.")
    return found


def _path() -> Path:
    return Path(os.environ.get("LAUNCH_STEPS") or USUAL)


def _made(kind: type[T], found: dict[str, Any], section: str) -> T:
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(found) - known):
        raise ValueError(f"{_path()}: {section} has '{unknown[0]}'; want some of: {', '.join(sorted(known))}.")
    try:
        return kind(**found)
    except TypeError as error:
        raise ValueError(f"{_path()}: {section}: {error}; see {USUAL}.") from error
