"""An MLflow for one test alone: its database is a copy of one that is made once, for that takes seconds."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rounds import tracking
from rounds.tracking import SQLITE, Tracking, at


@cache
def template() -> Path:
    """An empty database of MLflow's newest schema."""
    folder = Path(tempfile.mkdtemp(prefix="mlflow-of-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tracking.create(folder / "mlflow.db")
    return folder / "mlflow.db"


def url(place: Path) -> str:
    """The address of a database of one's own in a folder."""
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "mlflow.db").exists():
        shutil.copyfile(template(), place / "mlflow.db")
    return f"{SQLITE}{place / 'mlflow.db'}"


def door(place: Path) -> Tracking:
    """MLflow in a folder, in this process."""
    return at(url(place))


class Killed(BaseException):
    """Stands for the signal that no process survives."""


@dataclass
class Death:
    """Comes before the n-th call to MLflow; `calls` counts them."""

    at: int = 0
    calls: int = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise Killed
