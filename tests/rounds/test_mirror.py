"""Runs in MLflow: what is written, and that it is written once, whatever happens meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rounds import places
from rounds.errors import Refused
from tests.rounds.mirrored import TRIALS, Place, artifacts, bundled, filled
from tests.tracked import Death, Killed


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return filled(tmp_path / "place")


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
    found = artifacts(place.door, run.info.run_id, "")
    assert {"evaluate/report.html", "evaluate/metrics.json", "tune/trials.svg", "model/MLmodel"} <= set(found)


@pytest.mark.data_safety
def test_no_table_leaves_the_store(place: Place) -> None:
    place.mirror()
    [run] = place.top()
    assert not [name for name in artifacts(place.door, run.info.run_id, "") if name.endswith(".parquet")]


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


@pytest.mark.data_safety
def test_written_twice_is_written_once(place: Place) -> None:
    place.mirror()
    before, counting = place.state(), Death()
    place.mirror(death=counting)
    assert place.state() == before
    assert counting.calls == 2, "to find a run and that it lacks nothing"


@pytest.mark.data_safety
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
    assert artifacts(place.door, run.info.run_id, "") == ["evaluate/report.html"]


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


def test_a_bundle_that_is_not_whole_is_refused(place: Place) -> None:
    place.put("c", "train", {**bundled()[0], "model.ubj": b"altered"}, facts={"bundle": "0" * 64})
    with pytest.raises(Refused, match=r"model\.ubj was altered"):
        place.mirror("c")
