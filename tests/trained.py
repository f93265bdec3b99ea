"""One run of the real DAG by the real Airflow, with each step in the place that the environment names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import told
from tests.checkout import ROOT, STRAY

RUN = "equal"


def by(launcher: str, environ: dict[str, str], seen: dict[str, str] | None = None) -> Any:
    """What store and MLflow say afterwards; `seen` is how they are reached from here, if that is not how steps do."""
    kept = {name: value for name, value in os.environ.items() if name not in STRAY}
    command = [sys.executable, str(ROOT / "dags/console.py"), "train", "noshow", "--run", RUN]
    ours = {**kept, "LAUNCH": launcher, **environ}
    done = subprocess.run(command, env=ours, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return told.of(RUN, {**ours, **(seen or {})})


def on_files(place: Path) -> dict[str, str]:
    """A store and an MLflow of its own, in a folder."""
    for folder in ("store", "mlflow"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    return {
        "STORE": (place / "store").as_uri(),
        "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow' / 'mlflow.db'}",
    }
