"""`dvc repro` does the same steps with equal content, and looks at all that they read."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import problems
from rounds import code
from rounds.knobs import Problem
from tests.checkout import ROOT, STRAY, Checkout, copied
from tests.s3 import Server

STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
YAML = "problems/${item.problem}/problem.yaml"
# In place of the one that makes environments: the command with this Python, in the copied checkout.
LAUNCHER = f"""
import os, sys
from pathlib import Path
root = Path(__file__).resolve().parents[2]
command = sys.argv[sys.argv.index("--") + 1:]
path = os.pathsep.join([{str(Path(sys.executable).parent)!r}, os.environ["PATH"]])
os.chdir(root)
os.execvpe(command[0], command, {{**os.environ, "PATH": path, "PYTHONPATH": str(root)}})
"""


def step(name: str) -> Any:
    return importlib.import_module(f"jobs.{name}").main


def test_the_stages_are_there_for_every_problem() -> None:
    assert {name: stage["matrix"]["problem"] for name, stage in STAGES.items()} == dict.fromkeys(
        STAGES, problems.names()
    )


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_code_of_its_step(name: str) -> None:
    deps = [dep.replace("${item.problem}", "noshow") for dep in STAGES[name]["deps"]]
    modules = [f"jobs.{name}", *(f"problems.noshow.{module}" for module in step(name).modules)]
    missed = [path for path in code.digests(modules, ROOT) if not any(f"{path}/".startswith(f"{dep}/") for dep in deps)]
    assert missed == []
    assert all((ROOT / dep).exists() for dep in deps if not dep.startswith("data/"))


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_what_its_step_reads(name: str) -> None:
    before = {dep.rsplit("/", 1)[-1] for dep in STAGES[name]["deps"] if dep.startswith("data/")}
    assert before == {entry.partition("/")[0] for entry in step(name).reads}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_knobs_of_its_step_and_on_no_others(name: str) -> None:
    fields = [field.name for field in dataclasses.fields(step(name).knobs)]
    sections = {Problem.model_fields[field].alias or field for field in fields} - {"name"}
    params = STAGES[name].get("params")
    if params is None:
        assert YAML in STAGES[name]["deps"]
    else:
        assert {key.split(".")[0] for key in params[0][YAML]} == sections
        assert YAML not in STAGES[name]["deps"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_nobody_asked_for_is_no_failure(name: str) -> None:
    run, _ = STAGES[name]["cmd"]
    assert run.endswith(f"python -m jobs.{name} --problem ${{item.problem}} --run dvc || test $? -eq 99")


def test_the_pointer_is_of_the_public_table() -> None:
    if "ROUNDS_DATA" not in os.environ:
        pytest.skip("ROUNDS_DATA names no folder with the public table noshow.csv.gz")
    table = gzip.decompress((Path(os.environ["ROUNDS_DATA"]) / "noshow.csv.gz").read_bytes())
    (out,) = yaml.safe_load((ROOT / "data/raw/noshow.csv.dvc").read_text(encoding="utf-8"))["outs"]
    md5 = hashlib.md5(table, usedforsecurity=False).hexdigest()
    assert out == {"md5": md5, "size": len(table), "hash": "md5", "path": "noshow.csv"}


@pytest.fixture
def cloned(tmp_path: Path) -> Checkout:
    """A clone at a path with a space, and a home that is empty."""
    checkout = copied(tmp_path)
    for name in (".dvc", "data"):
        tracked = shutil.ignore_patterns("cache", "tmp", *problems.names())
        shutil.copytree(ROOT / name, checkout.root / name, ignore=tracked)
    for name in (".dvcignore", ".gitignore", "dvc.yaml", "uv.lock"):
        shutil.copy(ROOT / name, checkout.root / name)
    (checkout.root / "dags/launch").mkdir(parents=True)
    (checkout.root / "dags/launch/environment.py").write_text(LAUNCHER)
    (tmp_path / "home").mkdir()
    git(checkout, "init", "--quiet")
    git(checkout, "add", "--all")
    git(checkout, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "a clone")
    return checkout


def git(checkout: Checkout, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=checkout.root, check=True, capture_output=True, text=True).stdout


def dvc(checkout: Checkout, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """DVC as a user with an empty home would call it."""
    kept = {name: value for name, value in os.environ.items() if name not in STRAY and not name.startswith("DVC")}
    environ = {**kept, "HOME": str(checkout.place / "home"), "STORE": checkout.store.as_uri(), **extra}
    launcher = [sys.executable, str(ROOT / "dags/launch/environment.py"), "dvc"]
    tool = subprocess.run([*launcher, "--", "which", "dvc"], check=True, capture_output=True, text=True).stdout.strip()
    return subprocess.run([tool, *words], cwd=checkout.root, env=environ, capture_output=True, text=True)


def repro(checkout: Checkout, last: str) -> list[str]:
    """`dvc repro` as far as that step; answers which steps worked, as they say it themselves."""
    ended = dvc(checkout, "repro", f"{last}@noshow")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return [line.split(":")[0] for line in ended.stdout.splitlines() if ": done in" in line]


@pytest.mark.data_safety
def test_repro_does_what_plain_processes_do(cloned: Checkout) -> None:
    steps = ["ingest", "validate", "features"]
    assert repro(cloned, "features") == steps
    for name in steps:
        assert cloned.run(name, "plain", "--force").well
        assert cloned.content(name, "dvc") == cloned.content(name, "plain")
        fetched = cloned.root / "data/noshow" / name
        assert {path.name for path in fetched.iterdir()} == set(cloned.content(name, "dvc")["files"])
    assert repro(cloned, "features") == [], "nothing changed"
    assert list((cloned.place / "home").iterdir()) == []
    assert git(cloned, "status", "--short") == ""

    cloned.change("problems/noshow/problem.yaml", "area: neighbourhood", "area: sex")
    assert repro(cloned, "features") == ["features"]
    assert cloned.why("features", "dvc") == ["problem.yaml features.history.area neighbourhood -> sex"]


@pytest.mark.data_safety
@pytest.mark.docker
def test_a_table_goes_to_a_bucket_and_comes_back(cloned: Checkout, s3: Server) -> None:
    remote, table, pointer = f"s3://{s3.bucket()}/dvc", cloned.root / "data/raw/own.csv", "data/raw/own.csv.dvc"
    given = {**s3.environment, "NO_PROXY": "*"}
    table.write_bytes(b"a,b\n007,2\n" * 1000)
    for words in (["add", str(table)], ["remote", "add", "--local", "--default", "bucket", remote]):
        assert dvc(cloned, *words).returncode == 0
    pushed = dvc(cloned, "push", pointer, **given)
    assert "1 file pushed" in pushed.stdout, pushed.stdout + pushed.stderr
    table.unlink()
    shutil.rmtree(cloned.root / ".dvc/cache")
    assert "failed to pull" in dvc(cloned, "pull", pointer, **given | {"AWS_SECRET_ACCESS_KEY": "wrong"}).stderr
    assert not table.exists()
    pulled = dvc(cloned, "pull", pointer, **given)
    assert pulled.returncode == 0, pulled.stdout + pulled.stderr
    assert table.read_bytes() == b"a,b\n007,2\n" * 1000
    assert git(cloned, "status", "--short") == f"?? {pointer}\n", "neither the table nor where it lies is git's"
    assert list((cloned.place / "home").iterdir()) == []
