"""An hour's worth of requests in some minutes, and long lists again and again: memory and lateness from part to part.

Eight callers ask at a steady pace over connections that stay; each part says what it found, so that growth is seen.
"""

from __future__ import annotations

import http.client
import json
import re
import statistics
import subprocess
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.measure import show
from bench.serving import MANY, OURS, ask, prepare, served
from bench.steps import python

CALLERS, PACE = 8, 60  # each asks so often a second
PARTS, SECONDS = 12, 15
LISTS = 8


def resident(process: subprocess.Popen[bytes]) -> float:
    """Megabytes now."""
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    (found,) = re.findall(r"VmRSS:\s+(\d+)", text)
    return int(found) / 1024


def caller(body: bytes, ends: float, late: list[float], failed: list[str]) -> None:
    """Requests at their times; one that is late does not put the next ones off."""
    connection, due = http.client.HTTPConnection("127.0.0.1", OURS, timeout=30), time.perf_counter()
    while due < ends:
        time.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failed.append(str(answer.status))
        except (OSError, http.client.HTTPException) as error:
            failed.append(repr(error))
            connection.close()
        late.append((time.perf_counter() - begun) * 1000)
        due = max(due + 1 / PACE, begun)
    connection.close()


def part(body: bytes) -> tuple[list[float], list[str]]:
    """Milliseconds of each answer, and what failed."""
    late: list[float] = []
    failed: list[str] = []
    ends = time.perf_counter() + SECONDS
    threads = [threading.Thread(target=caller, args=(body, ends, late, failed)) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return late, failed


def growth(figures: list[float]) -> str:
    """The second half beside the first: 1.00 is flat."""
    half = len(figures) // 2
    return f"{statistics.median(figures[half:]) / statistics.median(figures[:half]):.2f} times the first half"


def requests(process: subprocess.Popen[bytes], example: dict[str, Any]) -> list[tuple[str, str, str]]:
    body = json.dumps({"appointments": [example]}).encode()
    part(body)  # what is loaded at first is no growth
    held, middle, last, asked, failed = [], [], [], 0, 0
    for _ in range(PARTS):
        late, wrong = part(body)
        cuts = statistics.quantiles(late, n=100)
        asked, failed = asked + len(late), failed + len(wrong)
        held.append(resident(process))
        middle.append(cuts[49])
        last.append(cuts[98])
    steps = max(after - before for before, after in pairwise(held))
    return [
        (f"{asked:,} requests, failed", str(failed), "0"),
        ("memory after the first and last part", f"{held[0]:.0f}, {held[-1]:.0f} MB", "flat"),
        ("largest step of it from part to part", f"{steps:.1f} MB", ""),
        ("half of the answers within", f"{statistics.median(middle):.1f} ms", growth(middle)),
        ("99 of 100 answers within", f"{statistics.median(last):.1f} ms", growth(last)),
    ]


def lists(process: subprocess.Popen[bytes], example: dict[str, Any]) -> list[tuple[str, str, str]]:
    body = json.dumps({"appointments": [{**example, "patient_id": str(at)} for at in range(MANY)]}).encode()
    took, held = [], []
    for _ in range(LISTS):
        begun = time.perf_counter()
        ask(f"http://127.0.0.1:{OURS}/predict", body)
        took.append(time.perf_counter() - begun)
        held.append(resident(process))
    return [
        (f"{LISTS} lists of {MANY:,}, the slowest", f"{max(took):.2f} s", "at most 2 s each"),
        ("memory after the first, second, last", "  ".join(f"{held[at]:.0f}" for at in (0, 1, -1)) + " MB", "flat"),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = prepare(Path(folder))
        url, own = f"http://127.0.0.1:{OURS}", {**environment, "PORT": str(OURS), "DRAIN": "0.1"}
        with served([python("serve"), "-m", "serving"], own, f"{url}/readyz") as process:
            example = ask(f"{url}/schema")["examples"][0]
            rows = [*requests(process, example), *lists(process, example)]
        show(f"a soak of {PARTS * SECONDS} s by {CALLERS} callers, {CALLERS * PACE} requests a second", rows)


if __name__ == "__main__":
    main()
