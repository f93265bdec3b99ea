"""Airflow's image: schedules and no step's packages."""

from __future__ import annotations

import json

import pytest

from tests.images.engine import built, docker

pytestmark = pytest.mark.docker

WANTED = {
    "apache-airflow",
    "apache-airflow-providers-cncf-kubernetes",
    "apache-airflow-providers-docker",
    "apache-airflow-providers-fab",
    "asyncpg",
    "obstore",
    "psycopg",
}
MODELLING = {
    "evidently",
    "great-expectations",
    "lightgbm",
    "mlflow",
    "mlflow-skinny",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
}
MODELLING |= {"scikit-learn", "scipy", "torch", "xgboost", "xgboost-cpu"}
BUILDING = {"hypothesis", "mypy", "pip", "pre-commit", "pytest", "rounds", "ruff", "setuptools", "uv", "wheel"}


WRITES = """
echo $(id -u):$(id -g)
for folder in . dags dags/launch problems logs; do test -w $folder && echo $folder; done; true
"""


def python(program: str) -> str:
    lines = docker("run", "--rm", "--network", "none", built("airflow"), "python", "-c", program).stdout
    return lines.splitlines()[-1]


def test_it_holds_airflow_and_neither_models_nor_tools() -> None:
    listed = "import importlib.metadata as m, json; print(json.dumps([one.name.lower() for one in m.distributions()]))"
    found = set(json.loads(python(listed)))
    assert found >= WANTED
    assert not found & (MODELLING | BUILDING)


def test_of_the_rooms_it_holds_the_schedules_and_what_they_read() -> None:
    listed = "import json, pathlib as p; print(json.dumps([str(f) for f in p.Path('.').rglob('*') if f.is_file()]))"
    found = {path for path in json.loads(python(listed)) if "__pycache__" not in path}
    assert found >= {"dags/training.py", "dags/training.md", "dags/launch/steps.yaml", "problems/noshow/problem.yaml"}
    assert not found & {"dags/airflow.cfg", "dags/console.py", "airflow.cfg"}
    assert {path for path in found if path.startswith("problems/")} == {"problems/noshow/problem.yaml"}


def test_it_runs_what_it_is_told_as_its_own_user_who_cannot_change_a_schedule() -> None:
    said = docker(
        "run", "--rm", "--cap-drop", "ALL", built("airflow"), "/entrypoint", "sh", "-c", WRITES
    ).stdout.split()
    assert said == ["50000:0", ".", "logs"]


@pytest.mark.parametrize("place", ["process", "docker", "kubernetes"])
def test_its_schedules_can_be_read_without_a_network(place: str) -> None:
    settings = ("--env", f"LAUNCH={place}", "--env", "TAG=a", "--env", "PYTHONPATH=/opt/airflow/dags")
    docker("run", "--rm", "--network", "none", *settings, built("airflow"), "python", "dags/training.py")
