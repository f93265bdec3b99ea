"""One word names a step in every room, and imports point one way."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rounds.knobs import Problem

ROOT = Path(__file__).parent.parent
# They look at the world outside, or act on it, day by day: nothing that DVC could reproduce.
DAILY = {"publish", "score", "collect", "monitor", "decide"}
STEPS = {path.stem for path in (ROOT / "jobs").glob("*.py")} - {"__init__"}
OWN = {"dags", "jobs", "launch", "problems", "rounds", "serving"}
# What each room may import of our own rooms, and whether it may import Airflow.
MAY = {
    "dags": ({"launch"}, True),
    "jobs": ({"jobs", "problems", "rounds"}, False),
    "serving": ({"problems", "rounds", "serving"}, False),
    "problems": ({"problems", "rounds"}, False),
    "rounds": ({"problems", "rounds"}, False),
}


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("room", MAY)
def test_imports_point_one_way(room: str) -> None:
    ours, airflow = MAY[room]
    for path in modules(room):
        found = set(imported(path))
        assert found & OWN <= ours, path
        assert airflow or "airflow" not in found, path


def test_dags_import_airflow_and_the_standard_library_alone() -> None:
    clients = {"docker", "kubernetes", "requests", "urllib3"}  # they come with Airflow's providers
    allowed = {"airflow", "launch", "yaml", *clients, *sys.stdlib_module_names}
    assert {name for path in modules("dags") for name in imported(path)} <= allowed


def test_a_feature_definition_imports_nothing() -> None:
    for path in (ROOT / "problems").glob("*/features.py"):
        assert set(imported(path)) <= {"__future__"}, path


def test_every_step_has_its_dependency_group() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert set(groups) >= STEPS


def test_every_step_of_training_has_its_dvc_stage() -> None:
    assert set(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]) == STEPS - DAILY


def test_every_step_is_a_task() -> None:
    found = {path.stem: set(re.findall(r'@launch\("(\w+)"', path.read_text())) for path in (ROOT / "dags").glob("*.py")}
    assert found["training"] == STEPS - DAILY
    assert found["publishing"] == {"ingest", "validate", "publish"}
    assert found["scoring"] == {"score"}
    assert found["watching"] == {"collect", "monitor", "decide"}


def test_every_step_has_its_tests() -> None:
    assert {path.stem.removeprefix("test_") for path in (ROOT / "tests/jobs").rglob("test_*.py")} >= STEPS


def test_every_step_has_its_section() -> None:
    sections = {field.alias or name for name, field in Problem.model_fields.items()}
    assert {"source" if step == "ingest" else step for step in STEPS} <= sections


def test_every_step_says_what_it_reads_and_writes() -> None:
    for step in STEPS:
        text = ast.get_docstring(ast.parse((ROOT / f"jobs/{step}.py").read_text(encoding="utf-8"))) or ""
        assert re.search(r"Reads .+\.  Writes .+\.$", text), step
