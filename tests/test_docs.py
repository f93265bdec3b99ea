"""What the pages tell people to type is there, and works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.checkout import ROOT, STEPS, Checkout
from tests.warm import Warm

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "problems").glob("*/README.md")])
VERBS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


PROGRAMS = ("curl", "docker", "dvc", "helm", "kubectl", "make", "model_signing", "python", "python3", "rounds")
# What needs Airflow's environment, images, a cluster, a bucket or minutes runs as written elsewhere.
ELSEWHERE = {
    "make demo": ".ci/run",
    "make test": ".ci/run",
    "make train": "tests/dags/test_one_run.py",
    "make drill": "tests/bench/test_drill.py",
    "make serve": "tests/serving/running.py",
    "make images": "tests/images/test_building.py",
    "make chart": "tests/helm/released.py",
    "make up": "tests/test_compose.py",
    "make dvc": "tests/test_dvc.py",
    "docker": "tests/test_compose.py",
    "kubectl": "tests/helm/test_cluster.py",
    "helm": "tests/helm/test_cluster.py",
    "curl": "tests/serving/test_retraining.py",
    "model_signing": "tests/jobs/test_signatures.py",
}


def commands(page: Path) -> list[str]:
    """Every line of code that a person types, with what it goes on with, as it is written."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"^ {4}(\S.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return [line for line in lines if (words := typed(line)) and words[0] in PROGRAMS]


def typed(line: str) -> list[str]:
    """The words of a command without its remark and the settings before it."""
    words = line.split("#")[0].split()
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return words


def elsewhere(command: str) -> str:
    """The file that runs it, if it does not run here."""
    words = " ".join(typed(command))
    return next((file for start, file in ELSEWHERE.items() if f"{words} ".startswith(f"{start} ")), "")


def is_form(command: str) -> bool:
    """Whether a word stands for what a person puts there: `rounds keys FOLDER`."""
    return any(re.fullmatch("[A-Z_]+", word) for word in typed(command))


EVERY = [(page.name, command) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_verb_of_make_exists(page: Path) -> None:
    assert set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)) <= VERBS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = re.sub(r"^\| `.+?`[^|]*\|", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)  # names from elsewhere
    named = re.findall(r"`((?:docs|jobs|rounds|dags|problems/noshow|tests)/[\w/.]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_is_a_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


@pytest.fixture(scope="module")
def demo(unchanged: Checkout, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = unchanged.at(tmp_path_factory.mktemp("documented"))
    for step in [*STEPS, "register"]:
        assert warm.run(checkout, step, "demo").well
    return checkout


# In place of the one that makes environments: the command with this Python, which holds what every step needs.
LAUNCHER = f"""
import os, sys
from pathlib import Path
root = Path(__file__).resolve().parents[2]
command = sys.argv[sys.argv.index("--") + 1:]
os.chdir(root)
path = os.pathsep.join([{str(Path(sys.executable).parent)!r}, os.environ["PATH"]])
os.execvpe(command[0], command, {{**os.environ, "PATH": path, "PYTHONPATH": str(root)}})
"""


@pytest.fixture(scope="module")
def typing(demo: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The checkout as somebody types in it, with the tables and keys that the pages speak of."""
    root = tmp_path_factory.mktemp("typing") / "a checkout"
    shutil.copytree(demo.root, root, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "serving", root / "serving", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Makefile", root)
    for path, text in {
        "dags/launch/environment.py": LAUNCHER,
        "bin/rounds": f'#!/bin/sh\nexec "{sys.executable}" -m rounds.cli "$@"\n',
        "calls.csv": "PatientId,called\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    (root / "bin/rounds").chmod(0o755)
    checkout = Checkout(root, demo.place)
    raw = pl.read_parquet(checkout.file("ingest", "table.parquet", "demo"))
    raw.sort("AppointmentDay").tail(2).drop("No-show").write_csv(root / "tomorrow.csv")
    return checkout


def test_every_command_runs_here_or_in_a_test_that_is_there() -> None:
    assert {file for file in ELSEWHERE.values() if not (ROOT / file).exists()} == set()
    bare = [command for _, command in EVERY if typed(command)[0] in {"dvc", "python", "python3"}]
    assert bare == [], "a program of an environment of its own needs a verb"


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_every_command_of_a_page_works_as_it_is_written(typing: Checkout, page: Path) -> None:
    """From the first to the last, since one may need what another made."""
    environment = typing.environment(BROWSER="true", JOURNAL_KEY="k" * 40)
    environment["PATH"] = os.pathsep.join([str(typing.root / "bin"), environment["PATH"]])
    for command in commands(page):
        if elsewhere(command) or is_form(command):
            continue
        ended = subprocess.run(
            ["bash", "-c", command], cwd=typing.root, env=environment, capture_output=True, text=True, input=""
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"


def test_a_verb_shows_the_steps_exit_code_and_the_command_keeps_it(typing: Checkout) -> None:
    """Make itself ends with 2 whatever happened, so what wants the code asks `rounds run`."""
    environment = typing.environment()
    environment["PATH"] = os.pathsep.join([str(typing.root / "bin"), environment["PATH"]])
    for command, code, text in (
        ("make data RUN=bad SOURCE=missing.csv", 2, "Error 2"),
        ("rounds run ingest --run bad --source missing.csv", 2, "is not a file"),
        ("rounds run tune --run demo", 99, ""),
        ("rounds run nothing --run bad", 2, "there is no step 'nothing' (found: collect, decide, evaluate,"),
    ):
        ended = subprocess.run(command.split(), cwd=typing.root, env=environment, capture_output=True, text=True)
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert text in ended.stdout + ended.stderr


@pytest.mark.parametrize("verb", ["train", "data", "publish", "score", "watch"])
def test_a_problem_that_is_not_there_is_named_and_so_are_those_that_are(verb: str) -> None:
    ended = subprocess.run(["make", verb, "PROBLEM=nope"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    first = ended.stdout.splitlines()[0]
    assert first == "there is no problem 'nope' in problems/ (found: noshow). Name one: make ... PROBLEM=noshow"


def test_make_all_refuses_a_source() -> None:
    """One table fits one problem, so it must not be ignored for the others."""
    ended = subprocess.run(["make", "all", "SOURCE=a.csv"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "make train PROBLEM= SOURCE=" in ended.stdout
