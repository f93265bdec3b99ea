"""The DAGs that problems/ makes: their shape in an environment of Airflow alone, and one real run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.checkout import ROOT
from tests.dags.scratch import Scratch, said

PARSE = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization

folder = Path(sys.argv[1])
bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags")
kept = json.dumps([DagSerialization.to_dict(dag) for dag in bag.dags.values()], default=str)
print("found", json.dumps({"errors": bag.import_errors, "kept": kept, "polars": "polars" in sys.modules, "dags": {
    name: {
        "schedule": dag.schedule,
        "catchup": dag.catchup,
        "runs": dag.max_active_runs,
        "tags": sorted(dag.tags),
        "doc": dag.doc_md,
        "description": dag.description,
        "owner": dag.owner,
        "params": {key: dag.params.get_param(key).schema["type"] for key in dag.params},
        "given": dag.params.dump(),
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "quiet": not any(task.do_xcom_push for task in dag.tasks),
    } for name, dag in bag.dags.items()}}))
"""
SAYS = "import json, sys; print('given', json.dumps(sys.argv[1:]))"


def parsed(scratch: Scratch, **settings: str) -> dict[str, Any]:
    """What Airflow finds in the DAG folder."""
    shutil.copy(ROOT / "dags/training.py", scratch.root / "dags")
    command = [scratch.command()[0], "-c", PARSE, str(scratch.root / "dags")]
    done = subprocess.run(command, env=scratch.settings(**settings), capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("found ")]
    assert lines, done.stderr
    found: dict[str, Any] = json.loads(lines[0][6:])
    return found


def test_every_problem_has_a_dag(scratch: Scratch) -> None:
    for file in (ROOT / "problems").glob("*/problem.yaml"):
        (scratch.root / "problems" / file.parent.name).mkdir(parents=True)
        shutil.copy(file, scratch.root / "problems" / file.parent.name)
    found = parsed(scratch)
    assert found["errors"] == {}
    assert not found["polars"]
    assert set(found["dags"]) == {f"train_{file.parent.name}" for file in (ROOT / "problems").glob("*/problem.yaml")}
    one = found["dags"]["train_noshow"]
    assert one["schedule"] == "@weekly"
    assert (one["catchup"], one["runs"], one["tags"], one["quiet"]) == (False, 1, ["noshow", "train"], True)
    assert (one["owner"], one["description"]) == ("rounds", "Will this appointment be missed?")
    text = ["null", "string"]
    assert one["params"] == {"run": text, "source": text, "search": "boolean", "force": "boolean"}
    assert one["given"] == {"run": None, "source": None, "search": False, "force": False}
    flow = list(one["tasks"])
    assert flow[:3] == ["ingest", "validate", "features"]
    assert one["tasks"] == {step: flow[i + 1 : i + 2] for i, step in enumerate(flow)}
    for word in ("rounds show RUN", "rounds why RUN STEP", "rounds quarantine RUN", "manifest.json", "refused"):
        assert word in one["doc"]


def test_a_broken_problem_takes_no_other_down(scratch: Scratch) -> None:
    texts = {
        "well": b"title: Will it work?\nowner: the clinic\nschedule: '@daily'\n",
        "by_hand": b"title: Only by hand\n",
        "cron": b"title: x\nschedule: 61 * * * *\n",
        "number": b"title: x\nschedule: 5\n",
        "yaml": b"title: [x\n",
        "bytes": b"title: \xff\n",
        "empty": b"",
        "word": b"title",
    }
    for name, text in texts.items():
        (scratch.root / "problems" / name).mkdir(parents=True)
        (scratch.root / "problems" / name / "problem.yaml").write_bytes(text)
    found = parsed(scratch)
    assert found["errors"] == {}
    assert {name for name, dag in found["dags"].items() if dag["tags"] != ["broken"]} == {"train_well", "train_by_hand"}
    assert {name: dag["schedule"] for name, dag in found["dags"].items() if dag["schedule"]} == {"train_well": "@daily"}
    assert set(found["dags"]) == {f"train_{name}" for name in texts}
    assert all("problem.yaml cannot be used" in dag["doc"] for dag in found["dags"].values() if "broken" in dag["tags"])
    assert {name: dag["owner"] for name, dag in found["dags"].items() if dag["owner"] != "rounds"} == {
        "train_well": "the clinic"
    }


def test_a_run_gives_its_parameters_to_the_steps(scratch: Scratch) -> None:
    shutil.copy(ROOT / "dags/training.py", scratch.root / "dags")
    (scratch.root / "problems/one").mkdir(parents=True)
    (scratch.root / "problems/one/problem.yaml").write_text("title: One\n")
    flow = re.findall(r'@launch\("(\w+)"', (ROOT / "dags/training.py").read_text())
    scratch.steps(**dict.fromkeys(flow, SAYS))
    done = scratch.runs("train_one", {"run": "a run", "source": "a 'file'.csv", "force": True})
    assert done.returncode == 0, done.stdout[-3000:]
    given = [json.loads(line.removeprefix("given ")) for line in said(done.stdout)]
    base = ["--problem", "one", "--run", "a run", "--force"]
    assert given[:3] == [[*base, "--source=a 'file'.csv"], base, base]
    assert scratch.tasks() == dict.fromkeys(flow, ("success", 1))


def test_no_date_is_templated() -> None:
    for file in (ROOT / "dags").rglob("*.py"):
        text = Path(file).read_text()
        assert not any(f"{{{{ {word}" in text for word in ("ds", "ts", "logical_date", "data_interval")), file


def test_where_steps_run_does_not_change_the_dag(scratch: Scratch) -> None:
    (scratch.root / "problems/noshow").mkdir(parents=True)
    shutil.copy(ROOT / "problems/noshow/problem.yaml", scratch.root / "problems/noshow")
    secret = {"AWS_SECRET_ACCESS_KEY": "word-that-nobody-may-see", "TAG": "1"}
    found = {launcher: parsed(scratch, LAUNCH=launcher, **secret) for launcher in ("process", "docker", "kubernetes")}
    assert [one["errors"] for one in found.values()] == [{}] * 3
    assert all("word-that-nobody-may-see" not in one.pop("kept") for one in found.values())
    assert found["docker"] == found["process"]
    assert found["kubernetes"] == found["process"]
