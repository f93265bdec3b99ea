"""Steps as processes of their own that need not load their libraries: forks of one process that has.

`python -m tests.warm` takes one JSON object a line on standard input. `{"argv", "cwd", "env", "out"}` starts a step and
answers its process id; `{"wait": id}` answers its return code, as subprocess would.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.checkout import ROOT, STEPS, Checkout, Ended

LIBRARIES = (
    *("numpy", "pandas", "polars", "polars.io.plugins", "great_expectations", "xgboost"),
    *("mlflow", "sqlalchemy", "alembic", "obstore", "pydantic", "yaml"),
    "cryptography.hazmat.primitives.serialization",
)


@dataclass(frozen=True)
class Warm:
    server: subprocess.Popen[str]

    def start(self, checkout: Checkout, step: str, run: str = "a", *more: str, **extra: str) -> Started:
        descriptor, out = tempfile.mkstemp(suffix=".out", dir=checkout.place)
        os.close(descriptor)
        argv, env = checkout.argv(step, run, *more), checkout.environment(**extra)
        return Started(self, self._ask({"argv": argv, "cwd": str(checkout.root), "env": env, "out": out}), Path(out))

    def run(self, checkout: Checkout, step: str, run: str = "a", *more: str, **extra: str) -> Ended:
        return self.start(checkout, step, run, *more, **extra).wait()

    def flow(self, checkout: Checkout, run: str) -> None:
        """All steps but register."""
        for step in STEPS:
            ended = self.run(checkout, step, run)
            assert ended.well, ended.text

    def _ask(self, question: dict[str, Any]) -> int:
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(json.dumps(question) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())


@dataclass(frozen=True)
class Started:
    warm: Warm
    pid: int
    out: Path

    def wait(self) -> Ended:
        code = self.warm._ask({"wait": self.pid})
        text = self.out.read_text(encoding="utf-8", errors="replace")
        self.out.unlink()
        return Ended(code, text)


@contextmanager
def warm() -> Iterator[Warm]:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.warm"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        yield Warm(server)


def _serve() -> None:
    for name in LIBRARIES:
        __import__(name)
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            answer = os.waitstatus_to_exitcode(os.waitpid(question["wait"], 0)[1])
        else:
            answer = os.fork() or _become(**question)
        print(answer, flush=True)


def _become(argv: list[str], cwd: str, env: dict[str, str], out: str) -> int:
    """Be the process that `python *argv` would be, from here on."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    tempfile.tempdir = None
    with Path(out).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.path.insert(0, cwd)
    sys.argv = argv[1:]
    code: Any = 0
    try:
        runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code or 0
    except BaseException:  # noqa: BLE001 - what the interpreter itself would print
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _serve()
