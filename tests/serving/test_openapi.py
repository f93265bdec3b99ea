"""Every route does what its description says, however it is asked: schemathesis over the whole of OpenAPI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rounds.store import open_store
from tests.serving.orchestrator import PASSWORD, Orchestrator
from tests.serving.running import ONE, Clinic
from tests.serving.watched import published

# An id is on record or not, days have an order, a training waits for another: no schema can say so.
HOOKS = """
import os

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if not isinstance(body, dict) or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.operation.path == "/ops/retrain":
        body["reason"] = "a new clinic"
        return
    if case.operation.path == "/explain":
        body["id"] = os.environ["ON_RECORD"]
        return
    for row in body["outcomes"] if case.operation.path == "/outcomes" else []:
        row |= {"id": os.environ["ON_RECORD"], "appointment": None, "outcome": True, "action": "none"}
        row["observed"] = "2026-03-31T09:30:00Z"
    for row in body["appointments"] if case.operation.path == "/predict" else []:
        row["scheduled_day"] = "2026-03-12T09:30:00Z"
        row["appointment_day"] = "2026-03-30"
"""
EVERYTHING = """
[generation]
deterministic = true
allow-x00 = true

[checks]
positive_data_acceptance.expected-statuses = ["2xx"]
"""


@pytest.mark.parametrize("keys", [False, True])
def test_every_route_does_what_it_says(clinic: Clinic, tmp_path: Path, keys: bool) -> None:
    extra, sent = {}, []
    if keys:
        extra["KEYS"] = str(tmp_path / "keys")
        command = [sys.executable, "-m", "serving.keys", "new", "tester", "--file", extra["KEYS"]]
        made = subprocess.run(
            [*command, "--scopes", "predict,explain,outcome,operate"], capture_output=True, text=True, check=True
        )
        sent = ["--header", f"Authorization: Bearer {made.stdout.strip()}"]
    (tmp_path / "hooks.py").write_text(HOOKS, encoding="utf-8")
    (tmp_path / "schemathesis.toml").write_text(EVERYTHING, encoding="utf-8")
    extra |= {"AIRFLOW_USER": "watch", "AIRFLOW_PASSWORD": PASSWORD}
    own = clinic.copy(tmp_path / "own")
    published(open_store(own.checkout.store.as_uri()), "b" * 64)
    with Orchestrator().serving() as airflow, own.serving(ROWS="20", AIRFLOW_URL=airflow, **extra) as service:
        service.ready().until("/ops/health", lambda found: found.json["looked"])
        answer = service.predict(ONE, **({"Authorization": sent[1].partition(": ")[2]} if keys else {}))
        on_record = answer.json["predictions"][0]["id"]
        program = Path(sys.executable).with_name("schemathesis")
        url = f"http://127.0.0.1:{service.port}/openapi.json"
        words = ["--checks", "all", "--max-examples", "60", "--request-timeout", "60", "--no-color"]
        asked = [str(program), "run", url, *words, *sent]
        ended = subprocess.run(
            asked,
            cwd=tmp_path,
            env={
                "SCHEMATHESIS_HOOKS": "hooks",
                "ON_RECORD": on_record,
                "PYTHONPATH": str(tmp_path),
                "PATH": "/usr/bin:/bin",
                "HOME": str(tmp_path),
            },
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
        assert "No issues found" in ended.stdout, ended.stdout[-3000:]
