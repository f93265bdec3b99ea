"""MLflow as it is opened, made and missed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rounds import tracking
from rounds.errors import Refused, RegistryError
from rounds.tracking import SQLITE, Tracking, at, database
from tests import tracked

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("url", ["mlruns", "file:///a/mlruns", "./mlruns", "sqlite:///", "s3://bucket", "http://"])
def test_what_cannot_hold_a_registry_is_refused(url: str) -> None:
    with pytest.raises(Refused, match=r"MLFLOW_TRACKING_URI is .* Want sqlite:////a/file\.db or http"):
        database(url)


def test_the_file_store_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused, match="MLflow's file store knows no aliases"):
        database("file:///a/mlruns")


def test_a_server_has_no_file_and_knows_its_own_place_for_artifacts() -> None:
    assert database("http://a.server:5000") is None
    assert tracking.Tracking("http://a.server:5000", None).artifacts is None


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("http://mlflow:5000", "http://evil:5000/a"),
        ("http://mlflow:5000", "mlflow-artifacts://evil:5000/a"),
        ("http://mlflow:5000", "mlflow-artifacts://mlflow:5001/a"),
        ("http://mlflow:5000", "http://evil\\@mlflow:5000/a"),
        ("http://name:word@mlflow:5000", "https://mlflow.evil:5000/a"),
        ("sqlite:////a.db", "http://evil/a"),
    ],
)
def test_files_on_another_server_are_refused(url: str, uri: str) -> None:
    with pytest.raises(Refused, match="is another server") as refused:
        Tracking(url, None).check_place(uri)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("http://mlflow:5000", "mlflow-artifacts:/1/a/artifacts"),
        ("http://name:word@mlflow:5000", "mlflow-artifacts://mlflow:5000/1/a"),
        ("http://mlflow:5000", "http://MLflow:5000/api/2.0/mlflow-artifacts/artifacts/1"),
        ("http://mlflow:5000", "s3://bucket/1/a"),
        ("sqlite:////a.db", "file:///mlartifacts/noshow"),
        ("sqlite:////a.db", "/mlartifacts/noshow"),
    ],
)
def test_files_where_this_mlflow_keeps_its_own_are_taken(url: str, uri: str) -> None:
    Tracking(url, None).check_place(uri)


def test_artifacts_lie_beside_the_database() -> None:
    assert tracking.Tracking("sqlite:////a b/mlflow.db", None).artifacts == "file:///a%20b/mlartifacts"


@pytest.mark.data_safety
def test_eight_first_users_at_once_make_one_whole_database_and_say_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"{SQLITE}{tmp_path / 'a b' / 'mlflow.db'}"}
    command = [sys.executable, "-m", "rounds.tracking"]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(8)
    ]
    assert [(one.communicate()[0], one.returncode) for one in started] == [(b"", 0)] * 8
    assert sorted(path.name for path in (tmp_path / "a b").iterdir()) == [".mlflow.db.lock", "mlflow.db"]
    made, whole = (sqlite3.connect(path) for path in (tmp_path / "a b" / "mlflow.db", tracked.template()))
    tables = "select name from sqlite_master order by name"
    assert made.execute(tables).fetchall() == whole.execute(tables).fetchall()
    made.close()
    whole.close()


def test_a_half_made_database_is_made_again(tmp_path: Path) -> None:
    (tmp_path / ".mlflow.db.new").write_bytes(tracked.template().read_bytes()[:10_000])
    tracking.create(tmp_path / "mlflow.db")
    assert at(f"{SQLITE}{tmp_path / 'mlflow.db'}").call("search_experiments")


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("junk", encoding="ascii")
    with pytest.raises(RegistryError, match=r"mlflow\.db could not open: file is not a database\. See that it is"):
        at(f"{SQLITE}{tmp_path / 'mlflow.db'}")


def test_a_server_that_is_down_is_said_to_be() -> None:
    with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:9 could not search experiments"):
        at("http://127.0.0.1:9").call("search_experiments")


@pytest.mark.data_safety
def test_a_password_in_a_url_is_not_said() -> None:
    with pytest.raises(RegistryError) as caught, tracking._failing("http://me:secret@a.server", "open"):
        raise OSError("down")
    assert "secret" not in str(caught.value)


def test_a_mistake_of_ours_is_not_called_a_failure_of_mlflow() -> None:
    with pytest.raises(KeyError), tracking._failing("http://a.server", "open"):
        raise KeyError("ours")


@pytest.mark.data_safety
def test_nothing_calls_home(tmp_path: Path) -> None:
    tracked.door(tmp_path)
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert is_telemetry_disabled()
