"""How measurements are taken and shown: processor seconds, the best of some; each size in a process of its own."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    """What the work takes of one core, at best; on a busy machine that differs less than what the clock says."""
    found = []
    for _ in range(times):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def peak() -> float:
    """The most memory that this process has held, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def alone(module: str, *arguments: str, threads: int = 1) -> dict[str, float]:
    """Run `python -m module arguments`, which ends by printing its figures as one JSON object."""
    environment = {**os.environ, "POLARS_MAX_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", module, *arguments]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def slope(figures: Mapping[int, float]) -> float:
    """The steepness of seconds over rows on a log-log scale: 1 where twice the rows take twice as long."""
    x, y = [math.log(rows) for rows in figures], [math.log(spent) for spent in figures.values()]
    middle, level = math.fsum(x) / len(x), math.fsum(y) / len(y)
    rise = math.fsum((a - middle) * (b - level) for a, b in zip(x, y, strict=True))
    return rise / math.fsum((a - middle) ** 2 for a in x)


def show(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """A short table: what, how much, and what was wanted."""
    print(f"\n{title}")
    for what, found, wanted in rows:
        print(f"  {what:<44} {found:>18}   {wanted}".rstrip())
    sys.stdout.flush()
