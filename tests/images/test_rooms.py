"""An image for every step, made of what that step imports and nothing else; no Docker is needed to see it."""

from __future__ import annotations

import re

import pytest

from rounds import code
from tests.checkout import ROOT
from tests.test_rooms import MAY, STEPS, imported, modules

SERVERS = {"airflow", "mlflow", "serving"}
IMAGES = ROOT / "images"


def instructions(image: str) -> str:
    return (IMAGES / image / "Dockerfile").read_text(encoding="utf-8")


def test_the_matrix_the_folders_and_the_steps_are_one_list() -> None:
    bake = (ROOT / "docker-bake.hcl").read_text(encoding="utf-8")
    found = re.search(r"matrix += \{ image = \[(.+?)\] \}", bake)
    assert found
    assert sorted(re.findall(r'"(\w+)"', found[1])) == sorted(STEPS | SERVERS)
    assert {path.parent.name for path in IMAGES.glob("*/Dockerfile")} == STEPS | SERVERS - {"serving"} | {"base"}


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_installs_its_own_group_and_starts_itself(step: str) -> None:
    assert re.findall(r"/groups/([\w-]+)/", instructions(step)) == [step]
    assert f'ENTRYPOINT ["python", "-m", "jobs.{step}"]' in instructions(step)


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_holds_what_it_imports_and_no_more(step: str) -> None:
    copied = {path for path, _ in re.findall(r"^COPY (jobs/\S+) (jobs/\S*)$", instructions(step), re.MULTILINE)}
    imported = {path for path in code.digests([f"jobs.{step}"], ROOT) if path.startswith("jobs/")}
    wanted = {"/".join(path.split("/")[:2]) for path in imported - {"jobs/__init__.py"}}
    assert copied == wanted


def test_the_base_image_and_uv_are_each_named_once() -> None:
    files = [path for path in sorted(IMAGES.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    texts = [path.read_text(encoding="utf-8") for path in files]
    everywhere = "\n".join([*texts, (ROOT / "docker-bake.hcl").read_text(encoding="utf-8")])
    assert len(re.findall(r"python:3", everywhere)) == 1
    assert not re.search(r"uv==|:latest|^# syntax=", everywhere, re.MULTILINE)


def test_nothing_of_ours_needs_what_images_leave_out() -> None:
    """`images/base/packages` leaves of SciPy what XGBoost imports, and `groups` no database to the service."""
    found = {(path, name) for room in MAY for path in modules(room) for name in imported(path)}
    assert [path for path, name in found if name in {"alembic", "google", "scipy", "sqlalchemy"}] == []
