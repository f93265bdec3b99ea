"""The system that is played with: the steps as their own processes, the real service over HTTP, one clock for all."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as hour
from pathlib import Path
from typing import Any

from bench.drill import clock
from bench.steps import python
from rounds import places
from rounds.errors import RoundsError
from rounds.journal import secret
from rounds.manifest import Facts
from rounds.recorded import Ledger
from rounds.settings import ROOT
from rounds.store import Store, open_store

PATIENCE = 120.0
OURS = {"CACHE", "HISTORY", "HOST", "KEYS", "LOG", "MODEL", "PORT", "PROBLEM", "RUN", "SOURCE", "STORE"}


class Fallen(RoundsError):
    """A part of the system did not do what the drill needs."""


@dataclass(frozen=True)
class Hospital:
    """All of it lies in one folder."""

    place: Path
    problem: str

    @property
    def store(self) -> Store:
        return open_store((self.place / "store").as_uri())

    @property
    def calendar(self) -> Path:
        return self.place / "calendar"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in OURS}
        scratch = self.place / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        return {
            **kept,
            "STORE": (self.place / "store").as_uri(),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.place / 'mlflow' / 'mlflow.db'}",
            "JOURNAL_FOLDER": str(self.place / "journal"),
            "CACHE": str(self.place / "cache"),
            "TMPDIR": str(scratch),
            **more,
        }

    def at(self, day: date, time_of_day: hour) -> None:
        clock.set_to(self.calendar, datetime.combine(day, time_of_day, UTC))

    def step(self, name: str, run: str, *more: str, source: str = "") -> int:
        """One step as a launcher starts it; its exit code, 1 only where a retry did not help either."""
        words = ["--problem", self.problem, "--run", run, *more]
        for _ in range(2):
            code = self._said(f"jobs.{name}", name, words, run, SOURCE=source)
            if code != 1:
                return code
        return code

    def done(self, names: Sequence[str], run: str, **more: Any) -> str:
        """Steps one after the other; empty if all went well, else what the first that did not says."""
        for name in names:
            words = (f"--source={more['typed']}",) if name == "ingest" and more.get("typed") else ()
            code = self.step(name, run, *words, source=more.get("source", ""))
            if code not in {0, 99}:
                done = places.read(self.store, places.manifest_path(self.problem, run, name))
                why = " ".join(done.content.message.split()) if done and done.content.message else self.log(run)
                return f"{name} ended with {code}: {why}"
        return ""

    def facts(self, run: str, step: str) -> Facts:
        done = places.read(self.store, places.manifest_path(self.problem, run, step))
        if done is None:
            raise Fallen(f"{step} of run {run} left no manifest: {self.log(run)}")
        return done.content.facts

    def rounds(self, *words: str) -> str:
        """The command `rounds`."""
        argv = [python("register"), "-m", "rounds.cli", *words]
        ended = subprocess.run(argv, cwd=ROOT, env=self.environment(), capture_output=True, text=True)
        if ended.returncode:
            raise Fallen(f"rounds {' '.join(words)}: {ended.stderr.strip()}")
        return ended.stdout.strip()

    def log(self, run: str) -> str:
        return f"its log is {self.place / 'logs' / f'{run}.log'}"

    @contextmanager
    def serving(self) -> Iterator[Service]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        out = self.place / "logs" / "service.log"
        out.parent.mkdir(parents=True, exist_ok=True)
        own = self.environment(PORT=str(port), PROBLEM=self.problem, WATCH="0.5", DRAIN="0.1")
        argv = [python("serve"), "-m", "bench.drill.clock", str(self.calendar), "serving.__main__"]
        with out.open("ab") as file:
            process = subprocess.Popen(argv, cwd=ROOT, env=own, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield Service(process, port, out, self).ready()
        finally:
            process.terminate()
            process.wait()

    def _said(self, module: str, step: str, words: Sequence[str], run: str, **more: str) -> int:
        path = self.place / "logs" / f"{run}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        argv = [python(step), "-m", "bench.drill.clock", str(self.calendar), module, *words]
        given = {name: value for name, value in more.items() if value}
        with path.open("ab") as file:
            out = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": subprocess.STDOUT}
            return subprocess.run(argv, cwd=ROOT, env=self.environment(**given), **out).returncode  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True)
class Service:
    """`python -m serving` on a port of its own."""

    process: subprocess.Popen[bytes]
    port: int
    out: Path
    hospital: Hospital

    def ask(self, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            raw = None if body is None else json.dumps(body).encode()
            connection.request("GET" if raw is None else "POST", path, raw, {"content-type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise Fallen(f"{path} answered {answer.status}: {said[:500].decode(errors='replace')}")
        return json.loads(said)

    def until(self, path: str, wanted: Any, what: str) -> Any:
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self.process.poll() is None:
            try:
                found = self.ask(path)
            except (OSError, Fallen):
                found = None
            if found is not None and wanted(found):
                return found
            time.sleep(0.1)
        raise Fallen(f"the service {what}; its log is {self.out}")

    def ready(self) -> Service:
        self.until("/readyz", lambda found: found["ready"], "did not become ready")
        return self

    def follows(self, version: int) -> None:
        self.until("/version", lambda found: found["version"] == version, f"did not follow to version {version}")

    def shipped(self, day: date, rows: int) -> None:
        """Until the store has so many predictions of a day: the journal closes a day when the next one begins."""
        ends = time.monotonic() + PATIENCE
        while _lines(self.hospital, day) < rows:
            if time.monotonic() > ends:
                raise Fallen(f"the store has fewer than the {rows:,} predictions of {day}; its log is {self.out}")
            time.sleep(0.1)


def _lines(hospital: Hospital, day: date) -> int:
    key = secret("", hospital.place / "journal")
    return sum(1 for _ in Ledger(hospital.store, hospital.problem, key).records(day, day))
