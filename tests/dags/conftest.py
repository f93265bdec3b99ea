"""What tests of the DAGs stand on: scratch checkouts with stand-in steps, and this project's own Airflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

sys.path.insert(0, str(ROOT / "dags"))  # as Airflow does

import console

from launch import environment
from tests.dags.scratch import Scratch

SCHEDULES = [path.name for path in (ROOT / "dags").glob("*ing.py")]  # a scratch checkout has only those of its test


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of Airflow, made once."""
    home = tmp_path_factory.mktemp("airflow")
    settings = console.settings(ROOT, home, os.environ)
    command = [environment.python("airflow"), "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "airflow.db"


@pytest.fixture
def scratch(tmp_path: Path, database: Path) -> Scratch:
    """A checkout with the real launchers and no steps yet."""
    made = Scratch(tmp_path / "a checkout")
    made.home.mkdir(parents=True)
    shutil.copy(database, made.home)
    shutil.copytree(ROOT / "dags", made.root / "dags", ignore=shutil.ignore_patterns(*SCHEDULES, "__pycache__"))
    (made.root / "jobs").mkdir()
    environment.uv()
    (made.root / ".rounds").mkdir()
    (made.root / ".rounds/tools").symlink_to(environment.HOME / "tools")
    return made
