"""What a launcher costs: a run's wall time less the steps' own, in processes, in containers and in pods.

Containers want Docker and `make images`; pods what `make cluster-train` wants. What cannot run here is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import show
from rounds.settings import ROOT

STEPS = 7
WANTED = {"process": "", "docker": "wanted: 2 s above a process", "kubernetes": "wanted: 4 s above a process"}


def ran(launcher: str, environment: dict[str, str]) -> tuple[float, float]:
    """The run's seconds, and the steps' own among them."""
    begun = time.perf_counter()
    command = [sys.executable, "dags/console.py", "train", "noshow", "--run", "bench"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    wall = time.perf_counter() - begun
    if ended.returncode != 0:
        raise RuntimeError(ended.stdout[-500:] + ended.stderr[-500:])
    asked = [sys.executable, "-m", "bench.launchers", "own"]
    told = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return wall, float(json.loads(told.stdout))


def own() -> float:
    """What the manifests of the run say that its steps took."""
    from rounds import inventory
    from rounds.settings import settings
    from rounds.store import open_store

    found = inventory.run(open_store(settings().store), "bench", "noshow")
    return sum(done.circumstances.seconds for done in found.steps.values())


def main() -> None:
    rows, usual = [], 0.0
    for launcher, wanted in WANTED.items():
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            environment = {**os.environ, "LAUNCH": launcher}
            if launcher != "kubernetes":
                environment["STORE"] = (Path(folder) / "store").as_uri()
                environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow/mlflow.db"
            try:
                wall, steps = ran(launcher, environment)
            except RuntimeError as error:
                print(f"{launcher}: left out: {error}", file=sys.stderr)
                continue
        each = (wall - steps) / STEPS
        usual = usual or each
        rows.append((launcher, f"{wall:.1f} s, steps {steps:.1f} s", f"{each - usual:+.2f} s a step; {wanted}"))
    show("a run of seven steps by each launcher", rows)


if __name__ == "__main__":
    print(json.dumps(own())) if sys.argv[1:] == ["own"] else main()
