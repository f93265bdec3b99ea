"""What the contract of a step costs: all seven, the first time and with nothing changed, beside a bare Python."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import show
from rounds.settings import ROOT

STEPS = ("ingest", "validate", "features", "tune", "train", "evaluate", "register")
TIMES = 5
WELL = {0, 99}


def timed(command: list[str], environment: dict[str, str]) -> float:
    begun = time.perf_counter()
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if ended.returncode not in WELL:
        sys.exit(ended.stdout.decode())
    return time.perf_counter() - begun


def python(step: str) -> str:
    """The step's own environment where it was made, else this one."""
    own = ROOT / ".rounds" / "envs" / step / "bin" / "python"
    return str(own if own.exists() else sys.executable)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        environment = {
            **os.environ,
            "STORE": (place / "store").as_uri(),
            "TMPDIR": folder,
            "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}",
        }
        rows, first, again = [], 0.0, 0.0
        for step in STEPS:
            command = [python(step), "-m", f"jobs.{step}", "--problem", "noshow", "--run", "bench"]
            bare = min(timed([python(step), "-c", "pass"], environment) for _ in range(TIMES))
            ran = timed(command, environment)
            unchanged = min(timed(command, environment) for _ in range(TIMES))
            rows.append((step, f"{ran:.2f} s, {unchanged:.2f} s", f"{unchanged - bare:.2f} s above a bare Python"))
            first, again = first + ran, again + unchanged
        rows.append(("all seven", f"{first:.1f} s, {again:.1f} s", f"{first / again:.1f} times"))
        show("a step, the first time and with nothing changed (register always looks)", rows)


if __name__ == "__main__":
    main()
