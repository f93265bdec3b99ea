"""The real service as a process of its own, on a free port of this machine, and a registry for it to answer from."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import tracked
from tests.checkout import ROOT, STRAY, Checkout
from tests.ports import free
from tests.warm import Warm

FLOW = ("ingest", "validate", "features", "tune", "train", "evaluate", "register", "publish")
PATIENCE = 600.0
KEY = "a secret of the clinic that is long enough"
SERVING = {"BODY_BYTES", "CACHE", "CONCURRENT", "DRAIN", "HISTORY", "HOST", "KEYS", "MODEL", "PORT", "PROBLEM", "ROWS"}
ONE = {
    "patient_id": "1001",
    "appointment_id": "7",
    "sex": "F",
    "scheduled_day": "2026-03-12T09:30:00Z",
    "appointment_day": "2026-03-30",
    "age": 62,
    "neighbourhood": "CENTRO",
    "hypertension": True,
    "reminded": 0,
}


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Service:
    """`python -m serving`, and what it said."""

    process: subprocess.Popen[bytes]
    port: int
    out: Path

    def ask(self, path: str, body: Any = None, **headers: str) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            type = {} if raw is None else {"Content-Type": "application/json"}
            connection.request("GET" if raw is None else "POST", path, raw, {**type, **headers})
            found = connection.getresponse()
            return Answered(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def predict(self, *rows: dict[str, Any], query: str = "", **headers: str) -> Answered:
        return self.ask(f"/predict{query}", {"appointments": list(rows)}, **headers)

    def until(self, path: str, wanted: Any) -> Answered:
        """Ask until `wanted(answer)`; a service that ends or never says so fails the test with what it said."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self.process.poll() is None:
            try:
                found = self.ask(path)
            except OSError:
                time.sleep(0.02)
                continue
            if wanted(found):
                return found
            time.sleep(0.02)
        raise AssertionError(self.out.read_text(encoding="utf-8"))

    def ready(self) -> Service:
        self.until("/readyz", lambda found: found.status == 200)
        return self

    def seen(self, path: str, wanted: Any) -> Any:
        """What it tells there, once that is as wanted."""
        return self.until(path, lambda found: wanted(found.json)).json

    def metrics(self) -> dict[str, float]:
        lines = self.ask("/metrics").body.decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@dataclass(frozen=True)
class Clinic:
    """A store and a registry with one version, or more."""

    checkout: Checkout

    @property
    def place(self) -> Path:
        return self.checkout.place

    @property
    def registry(self) -> Path:
        return self.place / "mlflow"

    @contextmanager
    def serving(self, root: Path = ROOT, **extra: str) -> Iterator[Service]:
        port = free()
        out = self.place / f"served-{port}.out"
        kept = {name: value for name, value in os.environ.items() if name not in STRAY | SERVING}
        own = {
            "STORE": self.checkout.store.as_uri(),
            "MLFLOW_TRACKING_URI": tracked.url(self.registry),
            "JOURNAL_FOLDER": str(self.place / "journal"),
            "JOURNAL_KEY": KEY,
            "CACHE": str(self.place / "cache"),
            "PORT": str(port),
            "WATCH": "0.1",
            "DRAIN": "0.3",
        }
        with out.open("wb") as file:
            command = [sys.executable, "-m", "serving"]
            environment = {**kept, **own, **extra}
            process = subprocess.Popen(command, cwd=root, env=environment, stdout=file, stderr=subprocess.STDOUT)
        service = Service(process, port, out)
        try:
            yield service
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def copy(self, place: Path) -> Clinic:
        """The same to be changed; a registry's files are where its database says, so these stay where they were."""
        place.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.checkout.store, place / "store")
        shutil.copytree(self.registry, place / "mlflow")
        return Clinic(Checkout(self.checkout.root, place))

    def champion(self, version: int) -> None:
        client = tracked.door(self.registry).client
        client.set_registered_model_alias("NoShowXGBoost", "champion", str(version))

    def journaled(self) -> list[dict[str, Any]]:
        """Every prediction that lies in the journal's folder, shipped or not."""
        import gzip

        found = []
        for path in sorted((self.place / "journal" / "noshow").rglob("*.jsonl*")):
            raw = path.read_bytes()
            text = gzip.decompress(raw) if path.suffix == ".gz" else raw
            found += [line for line in map(json.loads, text.splitlines()) if "part" not in line]
        return found


def trained(checkout: Checkout, warm: Warm, name: str) -> None:
    for step in FLOW:
        ended = warm.run(checkout, step, name)
        assert ended.well, ended.text
