"""What the pages tell people to type is there, and works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT, STEPS, Checkout
from tests.warm import Warm

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "problems").glob("*/README.md")])
VERBS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def commands(page: Path, program: str) -> list[str]:
    """Whole lines of code that start with the program, without their remarks."""
    lines = re.findall(rf"^(?: {{4}})?({program} .+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [line.split("#")[0].strip() for line in lines]


TYPED = [(page.name, command) for page in PAGES for command in commands(page, "rounds")]


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


@pytest.mark.parametrize(("page", "command"), TYPED)
def test_every_command_of_rounds_works(demo: Checkout, page: str, command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    if any(word.isupper() for word in words):
        pytest.skip(f"{command}: a form, not a command")
    typed = [sys.executable, "-m", "rounds.cli", *words[1:]]
    ended = subprocess.run(
        typed, cwd=demo.root, env=demo.environment(), capture_output=True, text=True, input="", timeout=300
    )
    assert ended.returncode == 0, ended.stderr


def test_make_all_refuses_a_source() -> None:
    """One table fits one problem, so it must not be ignored for the others."""
    ended = subprocess.run(["make", "all", "SOURCE=a.csv"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "make train PROBLEM= SOURCE=" in ended.stdout
