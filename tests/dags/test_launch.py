"""How a step ends decides what Airflow makes of it: proved on the real Airflow with steps that only end."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from launch import environment
from tests.checkout import ROOT
from tests.dags.scratch import Scratch, said
from tests.waiting import running, until

HEALS = """
import pathlib, sys
tried = pathlib.Path("tried")
known = tried.exists()
tried.touch()
sys.exit(0 if known else 1)
"""


@pytest.fixture
def ended(scratch: Scratch) -> tuple[Scratch, subprocess.CompletedProcess[str]]:
    """One run of steps that end in every way there is."""
    scratch.probe(
        well="import json, os, sys; print('saw', json.dumps([sys.argv[1:], sorted(os.environ)]))",
        refuses="print('age is not what it was'); raise SystemExit(2)",
        skips="raise SystemExit(99)",
        crashes="print('the store is gone'); raise SystemExit(1)",
        heals=HEALS,
        killed="import os; os.kill(os.getpid(), 9)",
    )
    return scratch, scratch.runs("probe", STORE="file:///a/store", AWS_REGION="here", DATABASE_PASSWORD="no")


def test_a_task_ends_as_its_step_did(ended: tuple[Scratch, subprocess.CompletedProcess[str]]) -> None:
    scratch, done = ended
    assert done.returncode != 0
    assert scratch.tasks() == {
        "well": ("success", 1),
        "refuses": ("failed", 1),
        "skips": ("skipped", 1),
        "crashes": ("failed", 3),
        "heals": ("success", 2),
        "killed": ("failed", 3),
    }
    assert "refuses: refused (exit 2), a retry does not help\\nage is not what it was" in done.stdout
    assert "crashes: crashed (exit 1), a retry may help\\nthe store is gone" in done.stdout
    assert "killed: killed by SIGKILL" in done.stdout
    assert scratch.rows("key", "xcom") == []
    arguments, seen = json.loads(next(line for line in said(done.stdout) if line.startswith("saw "))[4:])
    assert arguments[0] == "--run"
    assert len(arguments) == 2, "what renders to nothing is not given"
    assert {"STORE", "AWS_REGION", "PATH"} <= set(seen)
    assert [name for name in seen if "AIRFLOW" in name or "PASSWORD" in name] == []
    listed = scratch.airflow("tasks", "states-for-dag-run", "probe", arguments[1], "--output", "json")
    states = json.loads(listed.stdout[listed.stdout.index("[{") :])
    assert sorted(row["task_id"] for row in states) == sorted(scratch.tasks()), "one task instance a step"


def test_the_step_dies_with_its_task(scratch: Scratch) -> None:
    scratch.probe(
        sleeps="import os, pathlib, time; pathlib.Path('pid').write_text(f'{os.getpid()}\\n'); time.sleep(600)"
    )
    written = scratch.root / "pid"
    with subprocess.Popen(
        scratch.command("dags", "test", "probe"), env=scratch.settings(), stdout=-3, stderr=-3
    ) as run:
        until(lambda: written.is_file() and written.read_text().endswith("\n"))
        run.send_signal(signal.SIGKILL)
    until(lambda: not running(int(written.read_text())))


def test_an_unknown_place_is_refused_by_name() -> None:
    command = [environment.python("airflow"), "-c", "from launch import launch; launch('train')"]
    done = subprocess.run(
        command, cwd=ROOT / "dags", env={**os.environ, "LAUNCH": "cloud"}, capture_output=True, text=True
    )
    assert done.stderr.endswith(
        "ValueError: LAUNCH is 'cloud'; want one of: process, docker, kubernetes. Unset it to run in processes.\n"
    )
