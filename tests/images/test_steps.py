"""Each step's image: alone, without rights, and with nothing in it that it has no use for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.images.engine import HARD, built, docker, inspected
from tests.test_rooms import STEPS

pytestmark = pytest.mark.docker

MODELLING = {"mlflow", "numpy", "polars", "scipy", "xgboost"}
HOLDS = {
    "ingest": {"numpy", "polars"},
    "validate": {"great_expectations", "numpy", "pandas", "polars", "scipy"},
    "features": {"numpy", "polars"},
    "tune": MODELLING,
    "train": MODELLING,
    "evaluate": MODELLING,
    "register": MODELLING,
    "publish": {"numpy", "polars"},
    "score": MODELLING,
    "collect": {"numpy", "polars"},
    "monitor": MODELLING | {"evidently", "pandas", "pyarrow", "sklearn"},
    "decide": {"mlflow"},
}
ASKED = {"airflow", "boto3", "dvc", "matplotlib", "pip", "pyarrow", "pytest", "sklearn", "uv"}.union(*HOLDS.values())
LOOK = """
import importlib, json, os, shutil, sys
def imports(name):
    try:
        return bool(importlib.import_module(name))
    except ModuleNotFoundError as error:
        return error.name.split(".")[0] != name.split(".")[0]
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "imports": [name for name in sys.argv[1:] if imports(name)],
    "tools": [name for name in ("gcc", "cc", "make", "strip", "git", "uv") if shutil.which(name)],
}))
"""


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_says_how_it_is_used(step: str) -> None:
    said = docker("run", "--rm", *HARD, built(step), "--help").stdout
    assert f"usage: python -m jobs.{step}" in said
    assert "--problem" in said


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_holds_its_own_packages_alone(step: str) -> None:
    words = ("run", "--rm", *HARD, "--entrypoint", "python", built(step), "-c", LOOK, *sorted(ASKED))
    found = json.loads(docker(*words).stdout.splitlines()[-1])
    assert found == {"user": [10001, 10001], "imports": sorted(HOLDS[step]), "tools": []}


@pytest.mark.parametrize("step", sorted(STEPS))
def test_no_step_holds_another(step: str) -> None:
    listed = docker("run", "--rm", *HARD, "--entrypoint", "ls", built(step), "/rounds", "/rounds/jobs").stdout.split()
    assert {name.removesuffix(".py") for name in listed if name.endswith(".py")} == {"__init__", step}
    assert not {"dags", "tests", "pyproject.toml"} & set(listed)


@pytest.mark.parametrize("step", sorted(STEPS))
def test_no_cache_and_no_tests_are_left(step: str) -> None:
    find = ("find", "/opt", "/root", "/tmp", "-name", "tests", "-o", "-name", ".cache", "-o", "-path", "/opt/uv")
    found = docker("run", "--rm", "--user", "0", "--entrypoint", find[0], built(step), *find[1:])
    # Evidently calls a part of itself tests, and imports it.
    assert [line for line in found.stdout.splitlines() if "/evidently/" not in line] == []


@pytest.mark.parametrize("image", [*sorted(STEPS), "airflow", "mlflow"])
def test_labels_say_where_an_image_comes_from(image: str) -> None:
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in inspected(built(image))["Config"]["Labels"].items()
    }
    assert set(labels) == {"licenses", "revision", "source", "title", "version"}
    assert (labels["licenses"], labels["title"]) == ("MIT", f"rounds {image}")
    assert len(labels["revision"]) == 40


def test_a_step_works_in_its_image(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    place = ("--volume", f"{tmp_path}:/store", "--env", "STORE=file:///store")
    docker("run", "--rm", *HARD, *place, built("ingest"), "--problem", "noshow", "--run", "a")
    listed = tmp_path / "noshow" / "a" / "ingest" / "manifest.json"
    made = json.loads(listed.read_bytes())
    assert made["content"]["verdict"] == "done"
    assert made["content"]["facts"]["rows"] > 0
    assert listed.stat().st_uid == 10001
