"""Run failed tests once more, each alone in a new process, after all others have ended.

As a pytest plugin: `--postpone-failed FILE` appends the failed tests to a file and ends with 0, so that CI goes on.
As a program: `python -m tests.rerun FILE` runs the tests of that file and decides.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

# More failures than this at once are no bad luck.
MOST = 10
MARKER = "data_safety"


@dataclass(frozen=True)
class Failure:
    """A test that failed, and the first line of its first error."""

    test: str
    error: str


class Postponer:
    """Collects the failures of one pytest run, and decides whether they may be run once more."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.failures: dict[str, Failure] = {}
        self.unforgiving: set[str] = set()
        self.reports = 0

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.unforgiving = {item.nodeid for item in items if item.get_closest_marker(MARKER)}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.reports += 1
            self.failures.setdefault(report.nodeid, Failure(report.nodeid, _first_line(report)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Outermost, so that pytest's own summary comes first and tells of the failures."""
        result = yield
        if session.exitstatus == pytest.ExitCode.TESTS_FAILED:
            self._postpone(session)
        return result

    def _postpone(self, session: pytest.Session) -> None:
        terminal = session.config.get_terminal_writer()
        if reason := self._why_not(session):
            terminal.line(f"No failed test is run once more: {reason}.")
            return
        lines = [json.dumps(asdict(failure)) + "\n" for failure in self.failures.values()]
        with self.file.open("a", encoding="utf-8") as file:
            file.write("".join(lines))
        terminal.line(f"Run once more at the end, alone: {', '.join(self.failures)}.")
        session.exitstatus = pytest.ExitCode.OK

    def _why_not(self, session: pytest.Session) -> str | None:
        if session.testsfailed != self.reports:
            return "not all that failed are tests"
        if unforgiven := sorted(self.unforgiving & set(self.failures)):
            return f"{', '.join(unforgiven)} is marked {MARKER}, and such a failure is never forgiven"
        count = len(self.failures) + len(read(self.file))
        return f"{count} failed, and more than {MOST} are no bad luck" if count > MOST else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postpone-failed",
        metavar="FILE",
        help=f"append failed tests to FILE and end with 0, unless one is marked {MARKER} or more than {MOST} failed",
    )


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption("--postpone-failed")
    if file:
        config.pluginmanager.register(Postponer(Path(file)))


def _first_line(report: pytest.TestReport) -> str:
    crash: Any = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext
    lines = text.strip().splitlines()
    return lines[0] if lines else "no message"


def read(file: Path) -> list[Failure]:
    """The failures in a file, each test once."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    failures = [Failure(**json.loads(line)) for line in lines]
    return list({failure.test: failure for failure in reversed(failures)}.values())[::-1]


def passes_alone(test: str) -> bool:
    """Run one test in a new pytest process; a test that is skipped does not pass."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", f"--junitxml={results}", test]
        code = subprocess.run(command, check=False).returncode
        return code == 0 and all(_passed(case) for case in _cases(results))


def _cases(results: Path) -> Iterator[ElementTree.Element]:
    return ElementTree.parse(results).iter("testcase")


def _passed(case: ElementTree.Element) -> bool:
    return all(case.find(kind) is None for kind in ("failure", "error", "skipped"))


def main(file: Path) -> int:
    """Run each failed test alone; 0 if all pass now."""
    failures = read(file)
    if len(failures) > MOST:
        print(f"No failed test is run once more: {len(failures)} failed, and more than {MOST} are no bad luck.")
        return 1
    flaky: list[Failure] = []
    failed: list[Failure] = []
    for failure in failures:
        print(f"once more, alone: {failure.test}", flush=True)
        (flaky if passes_alone(failure.test) else failed).append(failure)
    for name, listed in (("flaky", flaky), ("failed twice", failed)):
        for failure in listed:
            print(f"{name}: {failure.test}: {failure.error}")
    if flaky:
        print(f"{len(flaky)} flaky: fix them in the next change.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
