"""A failed test is run once more, alone, at the end, unless it guards data or too many failed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETUP = """
import pytest
pytest_plugins = ["tests.rerun"]
def pytest_configure(config):
    config.addinivalue_line("markers", "data_safety: never forgiven")
"""
UNLUCKY = """
import pathlib, pytest
def bad_luck():
    first = pathlib.Path("was here")
    if not first.exists():
        first.touch()
        raise ValueError("no room\\nand more")
"""


@dataclass(frozen=True)
class Project:
    """A folder with tests of its own."""

    root: Path

    def run(self, *arguments: str) -> tuple[int, str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(
            command, cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return done.returncode, done.stdout

    def first(self, body: str, *options: str) -> tuple[int, str]:
        (self.root / "test_it.py").write_text(UNLUCKY + body, encoding="utf-8")
        return self.run("pytest", "--postpone-failed", "failed", *options)

    def again(self) -> tuple[int, str]:
        return self.run("tests.rerun", "failed")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "conftest.py").write_text(SETUP, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return Project(tmp_path)


def closing_lines(text: str) -> list[str]:
    return [line.strip("= ") for line in text.splitlines() if line.startswith("=") and " in " in line]


def test_bad_luck_is_forgiven_and_listed(project: Project) -> None:
    code, text = project.first("def test_a(): bad_luck()\ndef test_b(): pass\n")
    assert code == 0
    assert closing_lines(text)[-1].startswith("1 failed, 1 passed")
    assert text.splitlines()[-1] == "Run once more at the end, alone: test_it.py::test_a."
    code, text = project.again()
    assert code == 0
    assert closing_lines(text)[-1].startswith("1 passed")
    assert "flaky: test_it.py::test_a: ValueError: no room\n" in text


def test_a_fault_fails_twice(project: Project) -> None:
    assert project.first("def test_a(): assert 1 == 2\ndef test_b(): bad_luck()\n")[0] == 0
    code, text = project.again()
    assert code == 1
    assert "failed twice: test_it.py::test_a: assert 1 == 2\n" in text
    assert "flaky: test_it.py::test_b: ValueError: no room\n" in text


def test_without_failures_nothing_is_run_again(project: Project) -> None:
    assert project.first("def test_a(): pass\n")[0] == 0
    assert project.again() == (0, "")


def test_without_the_option_a_failure_is_a_failure(project: Project) -> None:
    project.first("def test_a(): assert 1 == 2\n")
    (project.root / "failed").unlink()
    assert project.run("pytest")[0] == 1
    assert not (project.root / "failed").exists()


@pytest.mark.parametrize("mark", ["@pytest.mark.data_safety", "pytestmark = pytest.mark.data_safety"])
def test_lost_data_is_never_forgiven(project: Project, mark: str) -> None:
    code, text = project.first(f"def test_a(): raise ValueError\n{mark}\ndef test_b(): bad_luck()\n")
    assert code == 1
    assert "test_it.py::test_b is marked data_safety" in text
    assert project.again() == (0, "")


@pytest.mark.parametrize("part", ["bad_luck(); yield", "yield; bad_luck()"], ids=["setup", "teardown"])
def test_a_fixture_may_have_bad_luck_too(project: Project, part: str) -> None:
    body = f"@pytest.fixture(scope='session')\ndef place(): {part}\ndef test_a(place): pass\n"
    code, text = project.first(body)
    assert code == 0
    assert "1 error" in closing_lines(text)[-1]
    code, text = project.again()
    assert code == 0
    assert "flaky: test_it.py::test_a: ValueError: no room\n" in text


def test_it_runs_alone_and_from_the_start(project: Project) -> None:
    body = (
        "@pytest.fixture(scope='session')\ndef seen(): return []\n"
        "@pytest.mark.parametrize('name', ['a b', 'c::d'])\n"
        "def test_a(seen, name):\n    seen.append(name)\n    assert len(seen) == 1, name\n"
        "def test_b(seen):\n    assert len(seen) == 0\n"
    )
    assert project.first(body)[0] == 0
    code, text = project.again()
    assert code == 0
    assert "flaky: test_it.py::test_a[c::d]: AssertionError: c::d\n" in text
    assert text.count("1 passed") == 2


def test_a_test_that_is_skipped_the_second_time_has_not_passed(project: Project) -> None:
    body = "def test_a():\n    bad_luck()\n    pytest.skip()\n"
    assert project.first(body)[0] == 0
    code, text = project.again()
    assert code == 1
    assert "failed twice: test_it.py::test_a" in text


def test_many_failures_are_no_bad_luck(project: Project) -> None:
    body = "@pytest.mark.parametrize('number', range(6))\ndef test_a(number): assert number < 0\n"
    assert project.first(body)[0] == 0
    code, text = project.first(body.replace("test_a", "test_b"))
    assert code == 1
    assert "12 failed, and more than 10 are no bad luck" in text


@pytest.mark.parametrize(
    ("body", "options", "code"),
    [
        ("raise ValueError\n", (), 2),
        ("raise ValueError\n", ("--continue-on-collection-errors",), 1),
        ("def test_a(): raise KeyboardInterrupt\n", (), 2),
        ("def test_a(): import os; os._exit(4)\n", (), 4),
        ("def test_a(): bad_luck()\ndef test_b(): raise pytest.exit('end', 3)\n", (), 3),
        ("", (), 5),
    ],
    ids=["import", "import, and on", "interrupted", "crashed", "ended", "no tests"],
)
def test_what_is_no_failed_test_is_not_forgiven(
    project: Project, body: str, options: tuple[str, ...], code: int
) -> None:
    assert project.first(body, *options)[0] == code
    assert project.again() == (0, "")
