"""An image for every step, made of what that step imports and nothing else; no Docker is needed to see it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rounds import code
from tests.checkout import ROOT
from tests.test_rooms import MAY, STEPS, imported, modules

SERVERS = {"airflow", "mlflow", "serving"}
IMAGES = ROOT / "images"
DOCKERFILE = (IMAGES / "Dockerfile").read_text(encoding="utf-8")
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
BUILT = {name: service for name, service in SERVICES.items() if "build" in service}


def image(service: dict[str, str]) -> str:
    return service["image"].removeprefix("${REGISTRY:-rounds}/").removesuffix(":${TAG:-local}")


def test_compose_builds_an_image_for_every_step_and_server() -> None:
    assert sorted(image(service) for service in BUILT.values()) == sorted(STEPS | SERVERS)
    assert {name for name in BUILT if SERVICES[name].get("scale") == 0} == STEPS, "only the scheduler starts steps"
    assert all(service["pull_policy"] == "build" for service in BUILT.values())


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_installs_its_own_group_and_starts_itself(step: str) -> None:
    build = BUILT[step]["build"]
    assert build["target"] == "step"
    assert build["args"] == {"GROUP": step, "STEP": step}


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_holds_what_it_imports_and_no_more(step: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, IMAGES / "base/keep_imported.py", step]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    imported = {path for path in code.digests([f"jobs.{step}"], ROOT) if path.startswith("jobs/")}
    needed = imported | {"jobs/__init__.py"}
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.py")}
    assert needed <= left
    assert {path.split("/")[1] for path in left} == {path.split("/")[1] for path in needed}


def test_an_unknown_step_has_no_image(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    command = [sys.executable, IMAGES / "base/keep_imported.py", "tarin"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert finished.returncode == 1 and "'tarin'" in finished.stderr


def test_the_base_image_and_uv_are_each_named_once() -> None:
    assert len(re.findall(r"python:3", DOCKERFILE)) == 1
    files = [path for path in sorted(IMAGES.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    texts = [path.read_text(encoding="utf-8") for path in files]
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert not re.search(r"uv==|:latest|^# syntax=", "\n".join([*texts, compose]), re.MULTILINE)
    assert SERVICES["secrets"]["image"] == re.findall(r"^FROM (python:\S+)", DOCKERFILE, re.MULTILINE)[0]


def test_nothing_of_ours_needs_what_images_leave_out() -> None:
    """`images/base/packages` leaves of SciPy what XGBoost imports, and `groups` no database to the service."""
    found = {(path, name) for room in MAY for path in modules(room) for name in imported(path)}
    assert [path for path, name in found if name in {"alembic", "google", "scipy", "sqlalchemy"}] == []
