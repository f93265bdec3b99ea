"""Airflow's task logs go into the store and come back, in a folder and in a bucket."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.checkout import ROOT

TRY = "dag_id=a/run_id=b/task_id=c/attempt=1.log"
SAYS = f"""
import json, pathlib
from airflow.configuration import conf
from airflow.logging_config import get_remote_task_log
logs, base = get_remote_task_log(), pathlib.Path(conf.get("logging", "base_log_folder"))
assert type(logs).__name__ == "StoreLogs", logs
def write(name, text):
    (base / name).parent.mkdir(parents=True, exist_ok=True)
    (base / name).write_text(text)
    logs.upload(name, None)
write("{TRY}", "one")
write("{TRY}", "one two")
write("{TRY}", " after a pause")
write("{TRY}.trigger.7.log", "waited")
logs.upload("{TRY}.none", None)
print("FOUND" + json.dumps(logs.read("{TRY}", None)))
"""


def told(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """By this project's Airflow with obstore beside it, as the image has it."""
    python = ROOT / ".rounds/envs/airflow/bin/python"
    beside = next((ROOT / ".rounds/envs/ingest/lib").glob("python*/site-packages"))
    own = {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "images/airflow"), str(beside)]),
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "remote_logs.LOGGING",
    }
    return subprocess.run([python, "-c", SAYS], env={**os.environ, **own, **more}, capture_output=True, text=True)


def test_a_log_comes_back_whole(tmp_path: Path) -> None:
    done = told(tmp_path, STORE=(tmp_path / "a store").as_uri())
    assert f'FOUND[["{TRY}", "{TRY}.trigger.7.log"], ["one two after a pause", "waited"]]' in done.stdout, done.stderr
    assert (tmp_path / "a store/.logs" / TRY).is_file()


def test_a_store_that_is_down_fails_no_task(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    done = told(tmp_path, STORE="s3://a/b", AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ALLOW_HTTP="true", **keys)
    assert done.returncode == 0, done.stderr
    assert "this task's log stays on the worker" in done.stdout + done.stderr
    assert 'FOUND[["the store cannot be read' in done.stdout


@pytest.mark.docker
def test_the_image_s_airflow_uses_it() -> None:
    image = f"{os.environ.get('REGISTRY') or 'rounds'}/airflow:{os.environ['TAG']}"
    asks = "from airflow.logging_config import get_remote_task_log as asks; print(type(asks()).__name__)"
    given = ["--env", "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS=remote_logs.LOGGING", "--env", "STORE=file:///tmp/store"]
    command = ["docker", "run", "--rm", *given, image, "python", "-c", f"import airflow.settings; {asks}"]
    assert "StoreLogs" in subprocess.run(command, capture_output=True, text=True).stdout
