"""The command `rounds run`: one step, as a launcher starts it, in the environment of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import problems
from rounds.errors import Refused
from rounds.settings import ROOT

LAUNCHER = ROOT / "dags" / "launch" / "environment.py"  # in a checkout; an image holds the one environment of its step


def run(_: object, arguments: argparse.Namespace) -> None:
    """one step, outside Airflow, in its own environment; it ends with the step's exit code"""
    step = arguments.step
    steps = sorted(path.stem for path in (ROOT / "jobs").glob("[a-z]*.py"))
    if step not in steps:
        raise Refused(f"there is no step '{step}' (found: {', '.join(steps)}).")
    program = ["-m", f"jobs.{step}", *with_problem(arguments.words)]
    sys.stdout.flush()
    os.chdir(ROOT)
    if LAUNCHER.is_file():
        os.execv(sys.executable, [sys.executable, str(LAUNCHER), step, "--", "python", *program])
    os.execv(sys.executable, [sys.executable, *program])


def with_problem(words: Sequence[str]) -> list[str]:
    """With `--problem`, where there is only one that can be meant."""
    if any(word == "--problem" or word.startswith("--problem=") for word in words):
        return list(words)
    names = problems.names()
    if len(names) != 1:
        raise Refused(f"several problems are here ({', '.join(names)}); choose one with --problem.")
    return ["--problem", names[0], *words]
