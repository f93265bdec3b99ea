"""The service beside its floor and its peers, here alone: answers a second, and how late the last one in a hundred is.

Needs wrk and a package index. Each server is asked for some seconds over 1, 8 and 32 connections; then the service is
given a list of 100,000 appointments, three times, each in five requests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from bench.measure import show
from bench.peers.commands import PEERS, Peer
from bench.steps import STEPS, WELL, python
from rounds.settings import ROOT

SECONDS = 5
CONNECTIONS = (1, 8, 32)
MANY, LISTS = 100_000, 3
PART = 20_000  # appointments of a request, so that a list keeps within the service's limit of a body
THEIRS, OURS = 8141, 8142
JSON = {"Content-Type": "application/json"}
WANTED = {"floor": ("0.6  1.5  3", ""), "mlflow models serve": ("3 at 8 connections", "0.5 at most")}
Found: TypeAlias = dict[int, tuple[float, float]]  # by connections: answers a second, p99 in milliseconds


def prepare(place: Path) -> dict[str, str]:
    """A champion and published histories in a place of their own."""
    environment = {
        **os.environ,
        "STORE": (place / "store").as_uri(),
        "TMPDIR": str(place),
        "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}",
        "CACHE": str(place / "cache"),
        "JOURNAL_FOLDER": str(place / "journal"),
    }
    for step in (*STEPS, "publish"):
        command = [python(step), "-m", f"jobs.{step}", "--problem", "noshow", "--run", "bench"]
        ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if ended.returncode not in WELL:
            sys.exit(ended.stdout.decode())
    return environment


@contextmanager
def served(command: list[str], environment: dict[str, str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said)
        try:
            for _ in range(600):
                if answers(url):
                    break
                if process.poll() is not None:
                    said.seek(0)
                    sys.exit(said.read().decode())
                time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            process.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url).close()
    except urllib.error.HTTPError as error:
        return error.code in {404, 405}
    except OSError:
        return False
    return True


def loaded(url: str, body: bytes, connections: int, place: Path) -> tuple[float, float]:
    """Answers a second, and milliseconds within which 99 of 100 came."""
    (place / "body.json").write_bytes(body)
    script = (
        'wrk.method="POST"\nwrk.headers["Content-Type"]="application/json"\n'
        f'local f=io.open("{place / "body.json"}")\nwrk.body=f:read("*a")\nf:close()\n'
    )
    (place / "post.lua").write_text(script, encoding="ascii")
    asked = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", str(place / "post.lua"), url]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told:
        sys.exit(told)
    found = re.search(r"99%\s+([0-9.]+)(us|ms|s)", told)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", told)
    assert found is not None and rate is not None
    return float(rate[1]), float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def ask(url: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, body, JSON)) as answer:
        return json.loads(answer.read())


def lasted(url: str, bodies: list[bytes]) -> float:
    """Seconds to the last byte of the last answer; what its reader makes of it is not counted."""
    begun = time.perf_counter()
    for body in bodies:
        with urllib.request.urlopen(urllib.request.Request(url, body, JSON)) as answer:
            answer.read()
    return time.perf_counter() - begun


def line(name: str, found: Found, wanted: str = "") -> tuple[str, str, str]:
    return name, "  ".join(f"{rate:,.0f} ({late:.1f} ms)" for rate, late in found.values()), wanted


def memory(process: subprocess.Popen[bytes]) -> str:
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return ", ".join(f"{int(each) / 1024:.0f} MB" for each in re.findall(r"Vm(?:HWM|RSS):\s+(\d+)", text))


def asked(place: Path, environment: dict[str, str]) -> tuple[list[tuple[str, str, str]], Found, list[str]]:
    """The service: what it says of each, its answers a second, and the features of its model."""
    rows, url = [], f"http://127.0.0.1:{OURS}"
    own = {**environment, "PORT": str(OURS), "DRAIN": "0.1"}
    with served([python("serve"), "-m", "serving"], own, f"{url}/readyz") as process:
        example = ask(f"{url}/schema")["examples"][0]
        one = json.dumps({"appointments": [example]}).encode()
        ours = {count: loaded(f"{url}/predict", one, count, place) for count in CONNECTIONS}
        why = {count: loaded(f"{url}/predict?explain=true", one, count, place) for count in CONNECTIONS}
        list_of_all = [{**example, "patient_id": str(at)} for at in range(MANY)]
        many = [json.dumps({"appointments": list_of_all[at : at + PART]}).encode() for at in range(0, MANY, PART)]
        took = "  ".join(f"{lasted(f'{url}/predict', many):.2f}" for _ in range(LISTS))
        rows.append((f"{MANY:,} appointments, {PART:,} a request, {LISTS} times, s", took, "at most 2"))
        rows.append(("memory, the most and now", memory(process), "at most 350 MB"))
        features = ask(f"{url}/model")["features"]
    begun = time.perf_counter()
    with served([python("serve"), "-m", "serving"], own, f"{url}/readyz"):
        rows.append(("ready, with the bundle in its cache", f"{time.perf_counter() - begun:.2f} s", "under 2 s"))
    rows.insert(0, line("the service, durable journal", ours))
    rows.insert(1, line("the service, with reasons", why, "at least 300"))
    return rows, ours, features


def answered(peer: Peer) -> None:
    """Its first answer, however long that takes: what a server loads then is not counted."""
    with urllib.request.urlopen(urllib.request.Request(peer.url, peer.body, JSON), timeout=120) as answer:
        answer.read()


def beside(peer: Peer, environment: dict[str, str], place: Path) -> Found:
    with served(peer.command, {**environment, **peer.environment}, peer.alive):
        answered(peer)
        return {count: loaded(peer.url, peer.body, count, place) for count in CONNECTIONS}


def ratios(name: str, ours: Found, theirs: Found) -> list[tuple[str, str, str]]:
    """How many times as many answers, and what part of the lateness."""
    rate, late = WANTED.get(name, ("", "0.5 at most"))
    times = "  ".join(f"{ours[count][0] / theirs[count][0]:.2f}" for count in CONNECTIONS)
    parts = "  ".join(f"{ours[count][1] / theirs[count][1]:.2f}" for count in CONNECTIONS)
    return [(f"the service: answers beside {name}", times, rate), (f"the service: p99 beside {name}", parts, late)]


def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; on Debian and Ubuntu: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        environment = prepare(place)
        rows, ours, features = asked(place, environment)
        (model,) = (found.parent for found in place.rglob("MLmodel") if found.parent.name == "model")
        for make in PEERS:
            peer = make(model, features, place, THEIRS)
            found = beside(peer, environment, place)
            rows += [line(peer.name, found), *ratios(peer.name, ours, found)]
        show(f"answers a second (p99) over {', '.join(map(str, CONNECTIONS))} connections", rows)


if __name__ == "__main__":
    main()
