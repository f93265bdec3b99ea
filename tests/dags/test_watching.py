"""The DAG that watches: its shape, and real runs of it that start one training, wherever the start is killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import console
import pytest

from tests.checkout import ROOT
from tests.dags.scratch import Scratch, said
from tests.dags.test_training import SAYS, parsed
from tests.ports import free
from tests.waiting import until

STEPS = ("collect", "monitor", "decide")
TRAINING = ("ingest", "validate", "features", "tune", "train", "evaluate", "register")
# Kills the task that starts the training at one of its calls to Airflow: each try one call later, or where it is told.
FAULTS = """
from airflow.sdk.execution_time import task_runner

_execute, _seen = Start.execute, []


def _point(name, tries):
    _seen.append(name)
    with open(os.environ["ROUNDS_POINTS"], "a") as points:
        print(tries, name, file=points)
    if os.environ["ROUNDS_FAULT"] == name or (os.environ["ROUNDS_FAULT"] == "each" and len(_seen) == tries):
        os.kill(os.getpid(), 9)


def _execute_with_faults(self, context):
    kind, tries = type(task_runner.SUPERVISOR_COMMS), context["ti"].try_number
    send = kind.send

    def killed(self, msg):
        _point(f"before {type(msg).__name__}", tries)
        answer = send(self, msg)
        _point(f"after {type(msg).__name__}", tries)
        return answer

    kind.send = killed
    return _execute(self, context)


Start.execute = _execute_with_faults
"""


def of(scratch: Scratch, text: str = "title: One\n") -> None:
    """A problem with its two DAGs."""
    for name in ("training.py", "training.md", "watching.py", "watching.md"):
        shutil.copy(ROOT / "dags" / name, scratch.root / "dags")
    (scratch.root / "problems/one").mkdir(parents=True)
    (scratch.root / "problems/one/problem.yaml").write_text(text)


@pytest.fixture
def watched(scratch: Scratch) -> Scratch:
    """Both DAGs known to Airflow, neither on a schedule, that of training not paused; steps say what they are given."""
    of(scratch, "title: One\ncollect: {schedule: null}\n")
    scratch.steps(**dict.fromkeys([*STEPS, *TRAINING], SAYS))
    assert scratch.airflow("dags", "reserialize").returncode == 0
    assert scratch.airflow("dags", "unpause", "train_one", "--yes").returncode == 0
    return scratch


def runs(scratch: Scratch, dag: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Id, state and parameters of each run of a DAG, oldest first."""
    found = scratch.rows("id, dag_id, run_id, state, conf", "dag_run")
    return [(run, state, json.loads(conf or "{}")) for _, name, run, state, conf in sorted(found) if name == dag]


def retrains(scratch: Scratch) -> list[str]:
    """How the task that starts the training ended, run by run."""
    return [state for task, state in scratch.rows("task_id, state") if task == "retrain"]


@pytest.mark.parametrize(
    ("text", "schedule"), [("title: One\n", "0 5 * * *"), ("title: One\ncollect: {schedule: null}\n", None)]
)
def test_it_watches_when_its_section_says(scratch: Scratch, text: str, schedule: str | None) -> None:
    of(scratch, text)
    found = parsed(scratch)
    assert found["errors"] == {} and not found["polars"]
    watch = found["dags"]["watch_one"]
    assert watch["tasks"] == {"collect": ["monitor"], "monitor": ["decide"], "decide": ["retrain"], "retrain": []}
    assert (watch["schedule"], watch["catchup"], watch["runs"], watch["quiet"]) == (schedule, False, 1, True)
    assert watch["given"] == {"run": None, "to": None, "outcomes": None}
    assert "train_one" in watch["doc"] and "{problem}" not in watch["doc"]


def test_a_run_starts_one_training_and_none_while_that_waits(watched: Scratch) -> None:
    conf = {"run": "a run", "to": "2026-11-21T05:00:00+00:00", "outcomes": "late.csv"}
    done = watched.runs("watch_one", conf)
    assert done.returncode == 0, done.stdout[-3000:]
    base = ["--problem", "one", "--run", "a run"]
    assert [json.loads(line.removeprefix("given ")) for line in said(done.stdout)] == [
        [*base, "--to", conf["to"], "--outcomes=late.csv"],
        base,
        [*base, "--training", "retrain-a run"],
    ]
    ((watch, _, _),) = runs(watched, "watch_one")
    started = [(f"retrain-{watch}", "queued", {"run": "retrain-a run", "source": "journal:2026-11-21"})]
    assert runs(watched, "train_one") == started
    assert watched.runs("watch_one").returncode == 0
    assert (runs(watched, "train_one"), sorted(retrains(watched))) == (started, ["skipped", "success"])


def test_nothing_to_do_starts_nothing(watched: Scratch) -> None:
    watched.steps(**dict.fromkeys([*STEPS[:2], *TRAINING], SAYS), decide="raise SystemExit(99)")
    assert watched.runs("watch_one").returncode == 0
    assert (runs(watched, "train_one"), retrains(watched)) == ([], ["skipped"])


def test_a_paused_training_is_said(watched: Scratch) -> None:
    assert watched.airflow("dags", "pause", "train_one", "--yes").returncode == 0
    done = watched.runs("watch_one", LAUNCH_RETRIES="0")
    assert "Dag train_one is paused" in done.stdout
    assert (runs(watched, "train_one"), retrains(watched)) == ([], ["failed"])


@pytest.mark.data_safety
@pytest.mark.parametrize("fault", ["before TriggerDagRun", "after TriggerDagRun"])
def test_killed_with_all_of_airflow_the_next_watch_finds_or_starts_it(watched: Scratch, fault: str) -> None:
    faulty(watched)
    points = {"ROUNDS_POINTS": str(watched.root / "points"), "ROUNDS_FAULT": fault}
    assert watched.runs("watch_one", **points).returncode == -signal.SIGKILL
    (first, *_) = runs(watched, "watch_one")[0]
    assert watched.runs("watch_one", **{**points, "ROUNDS_FAULT": ""}).returncode == 0
    second = runs(watched, "watch_one")[1][0]
    assert [run for run, *_ in runs(watched, "train_one")] == [f"retrain-{second if 'before' in fault else first}"]


def faulty(scratch: Scratch) -> None:
    with (scratch.root / "dags/launch/start.py").open("a", encoding="utf-8") as start:
        start.write(FAULTS)


@pytest.mark.data_safety
@pytest.mark.long
def test_killed_at_each_of_its_calls_it_starts_one_training(watched: Scratch) -> None:
    """By a real scheduler and a real API server: every try is killed one call later than the one before."""
    faulty(watched)
    points = watched.root / "points"
    with airflow(watched, ROUNDS_POINTS=str(points), ROUNDS_FAULT="each", LAUNCH_RETRIES="40"):
        assert watched.airflow("dags", "unpause", "watch_one", "--yes").returncode == 0
        assert watched.airflow("dags", "trigger", "watch_one", "--run-id", "monday").returncode == 0
        until(lambda: runs(watched, "watch_one")[0][1] in {"success", "failed"})
        until(lambda: runs(watched, "train_one")[0][1] in {"success", "failed"})
    assert [run[:2] for run in runs(watched, "watch_one")] == [("monday", "success")]
    assert [run[:2] for run in runs(watched, "train_one")] == [("retrain-monday", "success")]
    tries = [line.split(" ", 1) for line in points.read_text().splitlines()]
    killed = {[name for at, name in tries if at == number][-1] for number, _ in tries}
    assert killed >= {"before GetDRCount", "after GetDRCount", "before TriggerDagRun", "after TriggerDagRun"}


@contextlib.contextmanager
def airflow(scratch: Scratch, **more: str) -> Iterator[int]:
    """The port of an Airflow as `make ui` starts it, ended with all that it started."""
    port, log = free(), scratch.home / "airflow.log"
    environ = {
        **console.settings(scratch.root, scratch.home, {**os.environ, "LAUNCH_RETRY_SECONDS": "0.1", **more}, port)
    }
    environ |= {
        "AIRFLOW__API_AUTH__JWT_SECRET": "a word for this test alone, long enough to sign with; 64 bytes at least"
    }
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(log.open("w"))
        parts = []
        for part in console.PARTS:
            command = scratch.command(*part)
            parts.append(subprocess.Popen(command, env=environ, stdout=out, stderr=out, start_new_session=True))
        try:
            until(lambda: console._serves(f"http://127.0.0.1:{port}"))
            yield port
        finally:
            for started in parts:
                os.killpg(started.pid, signal.SIGTERM)
            for started in parts:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    started.wait(20)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(started.pid, signal.SIGKILL)
                started.wait()
