"""A run of `make train` on Airflow's pages: found by its name, with the log of each step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import console
import pytest

from tests.checkout import ROOT
from tests.dags.scratch import Scratch
from tests.dags.test_watching import TRAINING

WELL = dict.fromkeys(TRAINING, "print('a line of the step')")


def trained(scratch: Scratch, conf: dict[str, Any], **programs: str) -> int:
    """`make train` in the scratch checkout."""
    for name in ("training.py", "training.md"):
        shutil.copy(ROOT / "dags" / name, scratch.root / "dags")
    (scratch.root / "problems/one").mkdir(parents=True, exist_ok=True)
    (scratch.root / "problems/one/problem.yaml").write_text("title: One\n")
    scratch.steps(**{**WELL, **programs})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "airflow", scratch.command)
        patch.setattr(console, "_settings", scratch.settings)
        return console.train("one", conf)


def logs(scratch: Scratch) -> dict[str, Path]:
    """The log of each try, as Airflow's page looks for it: `ingest/1`."""
    return {
        f"{path.parent.name.removeprefix('task_id=')}/{path.stem.removeprefix('attempt=')}": path
        for path in scratch.home.glob("logs/dag_id=train_one/run_id=*/task_id=*/attempt=*.log")
    }


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_step_has_its_log_where_the_page_looks(scratch: Scratch) -> None:
    """The run's name begins as Airflow's own names do, which it refuses by hand."""
    assert trained(scratch, {"run": "scheduled__a run"}) == 0
    files = logs(scratch)
    assert set(files) == {f"{step}/1" for step in TRAINING}
    for path in files.values():
        lines = [event["event"] for event in events(path) if event["logger"] == "launch.process"]
        assert lines == ["a line of the step"]
    ((run,),) = scratch.rows("run_id", "dag_run")
    assert run.startswith("scheduled_a_run~")


def test_each_try_has_its_own_and_a_failure_is_in_it(scratch: Scratch) -> None:
    assert trained(scratch, {}, ingest="print('no table'); raise SystemExit(1)") == 1
    files = logs(scratch)
    assert set(files) == {"ingest/1", "ingest/2", "ingest/3"}
    for path in files.values():
        raised = [event["exception"][0]["exc_value"] for event in events(path) if "exception" in event]
        assert raised == ["ingest: crashed (exit 1), a retry may help\nno table"]
    ((run,),) = scratch.rows("run_id", "dag_run")
    assert run.startswith("manual__")


def test_it_ends_with_the_exit_code_of_the_step(scratch: Scratch) -> None:
    assert trained(scratch, {}, validate="print('a bad table'); raise SystemExit(2)") == 2
