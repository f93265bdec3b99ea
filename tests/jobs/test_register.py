"""Registering: one version however often and by however many, the champion test, and a registry that is not well."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import tracked
from tests.checkout import KNOBS, Checkout, broken_promises
from tests.jobs.test_disks import mounted
from tests.warm import Started, Warm

EIGHT = [f"run{number}" for number in range(8)]


def registered(checkout: Checkout, warm: Warm, name: str = "a") -> dict[str, Any]:
    ended = warm.run(checkout, "register", name)
    assert ended.code == 0, ended.text
    return dict(checkout.content("register", name)["facts"])


def shelf(checkout: Checkout) -> tuple[dict[str, int], list[str]]:
    """The aliases, and the stage of each version."""
    client = tracked.door(checkout.place / "mlflow").client
    found = sorted(client.search_model_versions("name = 'NoShowXGBoost'"), key=lambda version: int(version.version))
    aliases = client.get_registered_model("NoShowXGBoost").aliases if found else {}
    return {name: int(number) for name, number in aliases.items()}, [version.tags["stage"] for version in found]


@pytest.fixture
def ready(done: Checkout, tmp_path: Path) -> Checkout:
    return copy(done, tmp_path / "ready")


def copy(checkout: Checkout, place: Path) -> Checkout:
    shutil.copytree(checkout.place / "store", place / "store")
    shutil.copytree(checkout.root, place / checkout.root.name)
    tracked.url(place / "mlflow")
    return Checkout(place / checkout.root.name, place).at(place)


def test_the_first_model_needs_only_its_gates(ready: Checkout, warm: Warm) -> None:
    facts = registered(ready, warm)
    assert facts["version"] == facts["champion"] == facts["anchor"] == 1
    assert facts["stage"] == "Production"
    assert facts["test"] == {}
    assert shelf(ready) == ({"champion": 1, "anchor": 1}, ["Production"])


@pytest.mark.data_safety
def test_registered_twice_is_registered_once(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    first = ready.content("register")
    registered(ready, warm)
    assert ready.content("register") == first
    assert ready.why("register") == ["it looks outside the store every time"]
    assert shelf(ready) == ({"champion": 1, "anchor": 1}, ["Production"])


@pytest.mark.data_safety
def test_eight_at_once_are_one_version(ready: Checkout, warm: Warm) -> None:
    for name in EIGHT:
        warm.flow(ready, name)
    ended = [one.wait() for one in [warm.start(ready, "register", name) for name in EIGHT]]
    assert [one.code for one in ended] == [0] * 8, "\n".join(one.text for one in ended)
    contents = [ready.content("register", name) for name in EIGHT]
    assert contents == [contents[0]] * 8
    assert shelf(ready) == ({"champion": 1, "anchor": 1}, ["Production"])


def changed(checkout: Checkout, warm: Warm, name: str, margin: str = "0.4", old: str = "0.005") -> dict[str, Any]:
    """Another model in another run; by such a margin every challenger passes."""
    checkout.change(KNOBS, "trees: 20, depth: 4", "trees: 30, depth: 4")
    checkout.change(KNOBS, f"margin: {old}", f"margin: {margin}")
    warm.flow(checkout, name)
    return registered(checkout, warm, name)


def test_a_challenger_that_passes_becomes_champion(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    facts = changed(ready, warm, "b")
    assert (facts["version"], facts["champion"], facts["anchor"]) == (2, 2, 1)
    assert facts["test"]["passed"] is True
    assert facts["test"]["uses_of_slice"] == 1
    assert shelf(ready) == ({"champion": 2, "anchor": 1}, ["Archived", "Production"])


def test_rows_that_the_champion_was_fitted_on_are_not_compared(ready: Checkout, warm: Warm) -> None:
    """The champion was fitted on nearly all rows of the table, the challenger is tested on more of them."""
    ready.change(KNOBS, "fit: 55%, calibrate: 17%, test: 28%", "fit: 80%, calibrate: 17%, test: 3%")
    warm.flow(ready, "whole")
    registered(ready, warm, "whole")
    ready.change(KNOBS, "fit: 80%, calibrate: 17%, test: 3%", "fit: 55%, calibrate: 17%, test: 28%")
    facts = registered(ready, warm)
    test = facts["test"]
    assert (facts["champion"], facts["challenger"], test["passed"], test["against"]) == (1, 2, False, {})
    assert 0 < test["rows"] < 0.2 * test["of_rows"]
    assert f"nobody can tell: {test['rows']:,} of {test['of_rows']:,} test rows are new to both" in test["cannot_tell"]


def test_more_tests_than_a_year_has_are_not_made(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    ready.change(KNOBS, "surprise: 0.02", "surprise: 0.02, tests_per_year: 1")
    facts = changed(ready, warm, "b")
    assert (facts["champion"], facts["test"]["tests_of_year"]) == (2, 1)
    ready.change(KNOBS, "trees: 30, depth: 4", "trees: 40, depth: 4")
    warm.flow(ready, "c")
    facts = registered(ready, warm, "c")
    assert (facts["champion"], facts["test"]["passed"]) == (2, False)
    assert "test 2 within a year" in facts["test"]["cannot_tell"]
    ready.change(KNOBS, "trees: 40, depth: 4", "trees: 50, depth: 4")
    warm.flow(ready, "d")
    facts = registered(ready, warm, "d")
    assert "test 2 within a year" in facts["test"]["cannot_tell"]  # c was not tested, so it is not counted
    assert registered(ready, warm, "d") == facts


def test_a_challenger_that_does_not_pass_stays_one(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    facts = changed(ready, warm, "b", margin="0.000001")
    assert (facts["version"], facts["stage"], facts["champion"], facts["challenger"]) == (2, "Staging", 1, 2)
    assert facts["test"]["passed"] is False
    told = json.loads(ready.file("register", "registration.json", "b").read_bytes())["why_not"]
    assert told.startswith("version 2 stays challenger: its AUC is ")
    assert "1e-06 is tolerated" in told


def test_by_hand_a_challenger_waits_for_a_person(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    ready.change(KNOBS, "promotion: auto", "promotion: manual")
    facts = changed(ready, warm, "b")
    assert (facts["stage"], facts["champion"], facts["challenger"]) == ("Staging", 1, 2)
    told = json.loads(ready.file("register", "registration.json", "b").read_bytes())["why_not"]
    assert told.startswith("version 2 may become champion: 'rounds promote 2' does it: its AUC is ")


def test_a_champion_is_replaced_by_an_improvement_alone(ready: Checkout, warm: Warm) -> None:
    ready.change(KNOBS, "trees: 20, depth: 4", "trees: 1, depth: 1")
    warm.flow(ready, "weak")
    registered(ready, warm, "weak")
    ready.change(KNOBS, "trees: 1, depth: 1", "trees: 20, depth: 4")
    ready.change(KNOBS, "surprise: 0.02", "surprise: 0.4")
    ready.change(KNOBS, "must: not_worse, margin: 0.005", "must: improve, by: 0.9, metric: log_loss, margin: 0.05")
    facts = registered(ready, warm)
    against = facts["test"]["against"]
    assert (facts["version"], facts["champion"], against["champion"]["chance"]) == (2, 1, 1.0)
    assert (against["champion"]["metric"], against["anchor"]["metric"]) == ("log_loss", "auc")
    written = json.loads(ready.file("register", "registration.json").read_bytes())
    assert "its log loss is " in written["why_not"] and "a gain of at least 0.9" in written["why_not"]
    ready.change(KNOBS, "by: 0.9,", "by: 0.001,")
    facts = registered(ready, warm)
    against = facts["test"]["against"]
    assert facts["champion"] == 2, against
    assert against["champion"]["low"] < against["champion"]["gain"] < against["champion"]["high"]
    assert against["champion"]["chance"] < 0.5
    written = json.loads(ready.file("register", "registration.json").read_bytes())
    assert (written["why_not"], written["test"]["against"]) == (None, against)


def test_a_jump_is_not_promoted_without_a_person(ready: Checkout, warm: Warm) -> None:
    """A weak champion, then a version that is surely much better: as if its features knew the outcome."""
    ready.change(KNOBS, "trees: 20, depth: 4", "trees: 1, depth: 1")
    ready.change(KNOBS, "rows: 0.7, columns: 0.7", "rows: 0.7, columns: 0.01")
    ready.change(KNOBS, "surprise: 0.02", "surprise: 0.001")
    ready.change(KNOBS, "smallest: 150", "smallest: 50")
    warm.flow(ready, "weak")
    registered(ready, warm, "weak")
    ready.change(KNOBS, "trees: 1, depth: 1", "trees: 20, depth: 4")
    ready.change(KNOBS, "rows: 0.7, columns: 0.01", "rows: 0.7, columns: 0.7")
    warm.flow(ready, "a")
    facts = registered(ready, warm)
    assert (facts["version"], facts["stage"], facts["champion"], facts["challenger"]) == (2, "Staging", 1, 2)
    assert facts["test"]["passed"] is True
    written = json.loads(ready.file("register", "registration.json").read_bytes())
    assert written["why_not"].startswith("version 2 stays challenger: its AUC is at least 0.")
    gained = facts["test"]["gain"]["features"]
    assert gained[0]["gain"] > 0.01 and [each["gain"] for each in gained] == sorted(
        (each["gain"] for each in gained), reverse=True
    )
    assert {"slice", "part", "rows", "auc", "champion", "gain"} == set(facts["test"]["gain"]["slices"][0])
    report = ready.file("register", "report.html").read_text(encoding="utf-8")
    assert gained[0]["feature"].replace("_", " ") in report and written["why_not"].split(";")[0] in report
    assert "'rounds promote 2 --reason'" in written["why_not"]
    refused = refusal(ready, "promote", "2")
    assert "version 2 waits for a person" in refused and "--reason" in refused
    assert shelf(ready) == ({"champion": 1, "anchor": 1, "challenger": 2}, ["Production", "Staging"])
    why = "the first champion was a stump"
    assert rounds(ready, "promote", "2", "--reason", why, "--by", "Ana").startswith(
        "version 2 of NoShowXGBoost (run a)"
    )
    assert shelf(ready) == ({"champion": 2, "anchor": 1}, ["Archived", "Production"])
    version = tracked.door(ready.place / "mlflow").client.get_model_version("NoShowXGBoost", "2")
    record = json.loads(version.tags["rounds.confirmed"])
    assert (record["reason"], record["by"]) == (why, "Ana")
    assert registered(ready, warm)["champion"] == 2


def refusal(checkout: Checkout, *words: str) -> str:
    """What the command says when it refuses."""
    command = [sys.executable, "-m", "rounds.cli", *words]
    done = subprocess.run(command, cwd=checkout.root, env=checkout.environment(), capture_output=True, text=True)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


def test_a_champion_with_another_definition_is_asked_with_its_own(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    first = ready.content("features")["facts"]["features"]
    with (ready.root / "problems/noshow/features.py").open("a", encoding="utf-8") as file:
        file.write(
            "\n\n_all = features\n\n\ndef features(row, op, moment):\n"
            '    return {"twice_the_age": row.age * 2, **_all(row, op, moment)}\n'
        )
    facts = changed(ready, warm, "b")
    assert ready.content("features", "b")["facts"]["features"] == first + 1
    assert facts["champion"] == 2
    assert abs(facts["test"]["against"]["champion"]["gain"]) < 0.2


BY_STAGE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
(version,) = mlflow.MlflowClient().get_latest_versions("NoShowXGBoost", stages=["Production"])
folder = mlflow.artifacts.download_artifacts("models:/NoShowXGBoost/Production")
files = sorted(path.name for path in __import__("pathlib").Path(folder).rglob("bundle.json"))
print(version.version, *files)
"""


def in_production(checkout: Checkout) -> str:
    """The version that tools find that know MLflow's stages alone, and whether its files come."""
    command = [sys.executable, "-c", BY_STAGE, checkout.environment()["MLFLOW_TRACKING_URI"]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_what_was_taken_back_is_not_promoted_again_by_itself(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    assert in_production(ready) == "1 bundle.json"
    changed(ready, warm, "b")
    assert in_production(ready) == "2 bundle.json"
    taken = rounds(ready, "rollback")
    assert taken == "version 1 of NoShowXGBoost (run a) is champion\n"
    assert in_production(ready) == "1 bundle.json"
    facts = registered(ready, warm, "b")
    assert (facts["version"], facts["stage"], facts["champion"]) == (2, "Archived", 1)
    back = rounds(ready, "promote", "2")
    assert back.startswith("version 2 of NoShowXGBoost (run b) is champion; 'rounds rollback' brings version 1 back")


@pytest.mark.data_safety
def test_a_lost_registry_comes_back(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    changed(ready, warm, "b")
    before = shelf(ready)
    lost = copy(ready, ready.place / "lost")
    assert rounds(lost, "mirror") == "2 runs of noshow in MLflow\n"
    assert shelf(lost) == ({}, before[1])
    registered(lost, warm, "b")
    assert shelf(lost) == before


@pytest.mark.data_safety
def test_a_champion_outlives_its_run(ready: Checkout, warm: Warm) -> None:
    registered(ready, warm)
    changed(ready, warm, "b", margin="0.000001")
    before = shelf(ready)
    rounds(ready, "prune", "--keep", "1", "--yes")
    assert [path.name for path in (ready.store / "noshow").glob("*/train/manifest.json")] == ["manifest.json"]
    lost = copy(ready, ready.place / "lost")
    facts = registered(lost, warm, "b")
    assert (facts["champion"], facts["challenger"]) == (1, 2)
    assert shelf(lost) == before
    assert rounds(lost, "promote", "2").startswith("version 2 of NoShowXGBoost (run b) is champion")
    assert rounds(lost, "rollback") == "version 1 of NoShowXGBoost (run a) is champion\n"


def rounds(checkout: Checkout, *words: str) -> str:
    environment = checkout.environment()
    command = [sys.executable, "-m", "rounds.cli", *words]
    done = subprocess.run(command, cwd=checkout.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.data_safety
@pytest.mark.parametrize("apart", [11, pytest.param(3, marks=pytest.mark.long)])
def test_killed_at_any_call_to_the_registry_it_ends_the_same(
    ready: Checkout, warm: Warm, tmp_path: Path, apart: int
) -> None:
    registered(ready, warm)
    ready.change(KNOBS, "trees: 20, depth: 4", "trees: 30, depth: 4")
    ready.change(KNOBS, "margin: 0.005", "margin: 0.4")
    warm.flow(ready, "b")
    log = tmp_path / "points"
    peace = with_mlflow(ready, tmp_path / "peace")
    assert warm.run(peace, "register", "b", FAULT_LOG=str(log)).code == 0
    wanted, points = (peace.content("register", "b"), shelf(peace)), log.read_text(encoding="utf-8").splitlines()
    calls = [number for number, point in enumerate(points, 1) if " mlflow " in point]
    assert len(calls) > 40
    for number in calls[::apart]:
        killed = with_mlflow(ready, tmp_path / f"killed {number}")
        ended = warm.run(killed, "register", "b", FAULT_AT=str(number))
        assert ended.code == -signal.SIGKILL, points[number - 1]
        assert broken_promises(killed.store) == []
        registered(killed, warm, "b")
        assert (killed.content("register", "b"), shelf(killed)) == wanted, points[number - 1]


def with_mlflow(checkout: Checkout, place: Path) -> Checkout:
    """A copy that goes on with the same registry, not with an empty one."""
    place.mkdir()
    shutil.copytree(checkout.place / "mlflow", place / "mlflow")
    return copy(checkout, place)


@pytest.mark.data_safety
def test_an_incomplete_bundle_is_refused(ready: Checkout, warm: Warm) -> None:
    path = ready.file("train", "model.ubj")
    path.write_bytes(path.read_bytes()[:-1])
    ended = warm.run(ready, "register")
    assert ended.code == 2
    assert "model" in ended.text and "was altered" in ended.text
    assert shelf(ready) == ({}, [])


@pytest.mark.parametrize(
    ("uri", "code", "said"),
    [
        ("http://127.0.0.1:9", 1, "MLflow at http://127.0.0.1:9 could not"),
        ("/nowhere/mlruns", 2, "MLflow's file store knows no aliases"),
    ],
    ids=["down", "a folder"],
)
def test_a_registry_that_cannot_be_used_is_named(ready: Checkout, warm: Warm, uri: str, code: int, said: str) -> None:
    ended = warm.run(ready, "register", "a", MLFLOW_TRACKING_URI=uri)
    assert (ended.code, said in ended.text) == (code, True), ended.text
    assert registered(ready, warm)["champion"] == 1


def test_a_registry_that_is_full_ends_in_one_sentence_and_the_next_try_completes(ready: Checkout, warm: Warm) -> None:
    path = ready.place / "mlflow" / "mlflow.db"
    with sqlite3.connect(path) as found:
        found.execute("create trigger full before insert on runs begin select raise(abort, 'database is full'); end")
    found.close()
    ended = warm.run(ready, "register")
    assert ended.code == 1
    assert "could not create run" in ended.text and "database is full" in ended.text
    assert len(ended.text.splitlines()) == 2
    with sqlite3.connect(path) as found:
        found.execute("drop trigger full")
    found.close()
    assert registered(ready, warm)["champion"] == 1


def test_a_registry_that_is_read_only_ends_in_one_sentence_and_the_next_try_completes(
    ready: Checkout, warm: Warm
) -> None:
    ended = mounted(ready, ready.place / "mlflow", "ro", "register")
    assert ended.code == 1
    assert "could not" in ended.text and "readonly database" in ended.text
    assert registered(ready, warm)["champion"] == 1


def test_a_server_that_never_answers_is_given_up(ready: Checkout, warm: Warm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ended = warm.run(
            ready,
            "register",
            MLFLOW_TRACKING_URI=f"http://127.0.0.1:{silent.getsockname()[1]}",
            MLFLOW_HTTP_REQUEST_TIMEOUT="1",
            MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
        )
    assert ended.code == 1
    assert "could not" in ended.text and "timed out" in ended.text
    assert registered(ready, warm)["champion"] == 1


def test_a_registry_that_another_holds_is_waited_for(ready: Checkout, warm: Warm) -> None:
    held = sqlite3.connect(ready.place / "mlflow" / "mlflow.db", isolation_level=None)
    held.execute("begin exclusive")
    running = warm.start(ready, "register")
    with pytest.raises(TimeoutError):
        _wait(running, 3)
    held.execute("rollback")
    held.close()
    assert running.wait().code == 0


def _wait(running: Started, seconds: float) -> None:
    """As long as that, unless it ends."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        os.kill(running.pid, 0)
        time.sleep(0.1)
    raise TimeoutError
