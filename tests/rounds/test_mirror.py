"""Runs in MLflow: what is written, and that it is written once, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from jobs.train import Knobs, fit
from rounds import bundle, mirror, places
from rounds.errors import Refused
from rounds.files import Writer
from rounds.manifest import Circumstances, Content, Ingredients, Kept, Manifest
from rounds.mirror import Mirrored
from rounds.store import Store, open_store
from rounds.tracking import Tracking
from tests import clinic, tracked
from tests.tracked import Death, Killed

ROOT = Path(__file__).parents[2]
TRIALS = {
    "score": "roc_auc",
    "trials": [
        {"rank": 1, "number": 2, "knobs": {"depth": 4}, "scores": [0.7, 0.8], "mean": 0.75, "deviation": 0.05},
        {"rank": 2, "number": 1, "knobs": {"depth": 3}, "scores": [0.6, 0.7], "mean": 0.65, "deviation": 0.05},
    ],
}
METRICS = {"auc": {"value": 0.73, "low": 0.72, "high": 0.74}, "f1": {"value": 0.4, "low": 0.3, "high": 0.5}}


@dataclass
class Place:
    """A store with a run of three steps, and an MLflow."""

    root: Path
    minute: int = 0

    @property
    def store(self) -> Store:
        return open_store((self.root / "store").as_uri())

    @property
    def door(self) -> Tracking:
        return tracked.door(self.root)

    def put(self, run: str, step: str, files: dict[str, bytes], **given: Any) -> Manifest:
        kept, at = {}, {}
        for name, content in files.items():
            digest = hashlib.sha256(content).hexdigest()
            kept[name] = Kept(sha256=digest, bytes=len(content))
            at[name] = places.file_path("noshow", run, step, name, digest)
            self.store.write(at[name], content)
        self.minute += 1
        made = Manifest(
            problem="noshow",
            run=run,
            step=step,
            content=Content(
                verdict=given.get("verdict", "done"),
                files=kept,
                facts=given.get("facts", {}),
                message=given.get("message", ""),
            ),
            circumstances=Circumstances.model_validate(
                {
                    "why": ["the first run"],
                    "same_as": None,
                    "read": Ingredients(
                        code={}, knobs=given.get("knobs", {}), packages={}, inputs=given.get("inputs", {}), also={}
                    ),
                    "places": at,
                    "started": f"2026-11-20T12:{self.minute:02}:00+00:00",
                    "seconds": 1.0,
                    "machine": "Linux x86_64",
                    "python": "3.13.1",
                    **({"rounds": "0.1.0"} if "rounds" in Circumstances.model_fields else {}),
                }
            ),
        )
        places.publish(self.store, made)
        return made

    def runs(self) -> list[Any]:
        found = self.door.client.search_experiments(filter_string="name = 'noshow'")
        return list(self.door.client.search_runs([found[0].experiment_id])) if found else []

    def top(self) -> list[Any]:
        return [run for run in self.runs() if "rounds.run" in run.data.tags]

    def mirror(self, run: str = "a", death: Death | None = None) -> Mirrored | None:
        door = self.door
        return mirror.run(door.while_telling(death) if death else door, self.store, "noshow", run)

    def copy(self, root: Path) -> Place:
        shutil.copytree(self.root, root)
        return Place(root, self.minute)

    def state(self) -> list[Any]:
        """All that MLflow says, without what it makes up itself."""
        found = []
        for run in self.runs():
            tags = {name: value for name, value in run.data.tags.items() if "parentRunId" not in name}
            files = sorted(_files(self.door, run.info.run_id, ""))
            found.append((run.info.run_name, run.info.status, run.data.params, run.data.metrics, tags, files))
        return sorted(found, key=lambda each: str(each[0]))


def _files(door: Tracking, run: str, folder: str) -> list[str]:
    found = []
    for each in door.client.list_artifacts(run, folder):
        found += _files(door, run, each.path) if each.is_dir else [each.path]
    return found


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The three files of a small bundle."""
    knobs = Knobs(**{name: value for name, value in clinic.sections().items() if name != "tune"})
    made, facts = fit(clinic.appointments(rows=1500), knobs, clinic.DEFINITION, "noshow")
    write = Writer(tmp_path_factory.mktemp("bundle"))
    made.save(write)
    files = {name: write.path(name).read_bytes() for name in write.names}
    return {**files, "digest": facts["bundle"].encode()}


@pytest.fixture
def place(tmp_path: Path, bundled: dict[str, bytes]) -> Place:
    made = Place(tmp_path / "place")
    files = {name: content for name, content in bundled.items() if name != "digest"}
    tune = made.put("a", "tune", {"trials.json": json.dumps(TRIALS).encode(), "trials.svg": b"<svg/>"})
    facts = {"bundle": bundled["digest"].decode(), "calibrator": {"chosen": "isotonic"}}
    knobs = {"train": {"trees": 30, "depth": 3}}
    inputs = {"tune": tune.content.digest()}
    train = made.put("a", "train", files, facts=facts, knobs=knobs, inputs=inputs)
    made.put(
        "a",
        "evaluate",
        {"report.html": b"<html/>", "metrics.json": b"{}", "scores.parquet": b"rows"},
        facts={"metrics": METRICS, "rows": 400, "first_day": "2026-01-31"},
        inputs={"train": train.content.digest()},
    )
    return made


def test_a_run_shows_its_knobs_its_figures_and_its_pictures(place: Place) -> None:
    place.mirror()
    [run] = place.top()
    assert run.info.run_name == "a"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"train.trees": "30", "train.depth": "3"}
    assert run.data.metrics["auc"] == 0.73
    assert run.data.metrics["f1.high"] == 0.5
    assert run.data.metrics["rows"] == 400
    assert run.data.tags["verdict"] == "done"
    assert run.data.tags["train.calibrator.chosen"] == "isotonic"
    files = _files(place.door, run.info.run_id, "")
    assert {"evaluate/report.html", "evaluate/metrics.json", "tune/trials.svg", "model/MLmodel"} <= set(files)


def test_no_table_leaves_the_store(place: Place) -> None:
    place.mirror()
    [run] = place.top()
    assert not [name for name in _files(place.door, run.info.run_id, "") if name.endswith(".parquet")]


def test_every_trial_is_a_child_run(place: Place) -> None:
    place.mirror()
    [parent] = place.top()
    children = [run for run in place.runs() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    params = {run.info.run_name: run.data.params for run in children}
    assert params == {
        "trial 1": {"depth": "3"},
        "trial 2": {"depth": "4"},
    }
    assert {run.data.metrics["roc_auc"] for run in children} == {0.65, 0.75}
    assert {run.info.status for run in children} == {"FINISHED"}


def test_written_twice_is_written_once(place: Place) -> None:
    place.mirror()
    before, counting = place.state(), Death()
    place.mirror(death=counting)
    assert place.state() == before
    assert counting.calls == 2, "to find a run and that it lacks nothing"


def test_killed_before_any_call_the_next_try_ends_the_same(place: Place, tmp_path: Path) -> None:
    peace, counting = place.copy(tmp_path / "peace"), Death()
    peace.mirror(death=counting)
    wanted = peace.state()
    for number in range(1, counting.calls + 1):
        killed = place.copy(tmp_path / f"killed {number}")
        with pytest.raises(Killed):
            killed.mirror(death=Death(number))
        killed.mirror()
        assert killed.state() == wanted, number


def test_a_refused_run_is_there_too(place: Place) -> None:
    place.put("b", "evaluate", {"report.html": b"<html/>"}, verdict="refused", message="1 of 4 gates says no.")
    place.mirror("b")
    [run] = place.top()
    assert (run.info.status, run.data.tags["verdict"]) == ("FAILED", "refused")
    assert run.data.tags["evaluate.message"] == "1 of 4 gates says no."
    assert _files(place.door, run.info.run_id, "") == ["evaluate/report.html"]


def test_another_pass_under_the_same_name_is_another_run(place: Place) -> None:
    place.mirror()
    place.put("a", "tune", {"trials.json": json.dumps({**TRIALS, "score": "log_loss"}).encode()})
    place.mirror()
    current = [run for run in place.top() if run.data.tags["rounds.current"] == "yes"]
    assert len(place.top()) == 2
    assert [run.data.params for run in current] == [{}], "what is left of train and evaluate is of the pass before"


def test_a_step_that_was_added_is_added(place: Place) -> None:
    place.mirror()
    evaluate = places.read(place.store, "noshow/a/evaluate/manifest.json")
    assert evaluate is not None
    place.put("a", "register", {}, facts={"version": 1}, inputs={"evaluate": evaluate.content.digest()})
    place.mirror()
    [run] = place.top()
    assert run.data.metrics["register.version"] == 1
    assert run.data.metrics["auc"] == 0.73


@dataclass(frozen=True)
class Question:
    """Rows to score, and the scores that the bundle itself gives them."""

    folder: str
    table: pd.DataFrame
    scores: list[float]


@pytest.fixture
def question(place: Place, bundled: dict[str, bytes], tmp_path: Path) -> Question:
    place.mirror()
    [run] = place.top()
    for name, content in bundled.items():
        (tmp_path / name).write_bytes(content)
    loaded = bundle.load(lambda name: tmp_path / name)
    matrix = clinic.appointments(rows=200, seed=5).select(loaded.features).to_numpy()
    folder = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="model", tracking_uri=place.door.url
    )
    return Question(folder, pd.DataFrame(matrix, columns=list(loaded.features)), loaded.score(matrix).tolist())


@pytest.mark.filterwarnings("default")  # MLflow and pandas warn of each other
def test_the_model_answers_as_the_bundle_does(question: Question) -> None:
    served, table = mlflow.pyfunc.load_model(question.folder), question.table
    assert served.predict(table).tolist() == question.scores
    assert served.predict(table[table.columns[::-1]]).tolist() == question.scores
    with pytest.raises(mlflow.exceptions.MlflowException, match="missing inputs"):
        served.predict(table.drop(columns=[table.columns[0]]))


def test_mlflow_serves_what_was_logged(question: Question) -> None:
    tools = ROOT / ".rounds" / "envs" / "mlflow" / "bin"
    if not (tools / "mlflow").exists():
        pytest.skip("the environment of MLflow's server is not made; 'make test' makes it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(tools / "mlflow"), "models", "serve", "-m", question.folder, "--env-manager", "local"]
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=Path(question.folder).parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        for line in iter(server.stdout.readline, b""):  # type: ignore[union-attr]
            if b"Application startup complete" in line:
                break
        split = question.table.to_dict("split", index=False)
        body = json.dumps({"dataframe_split": split}).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
            assert json.load(answer)["predictions"] == question.scores
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate()


def test_a_bundle_that_is_not_whole_is_refused(place: Place, bundled: dict[str, bytes]) -> None:
    files = {name: content for name, content in bundled.items() if name in {"bundle.json", "features.py"}}
    place.put("c", "train", {**files, "model.ubj": b"altered"}, facts={"bundle": "0" * 64})
    with pytest.raises(Refused, match=r"model\.ubj was altered"):
        place.mirror("c")
