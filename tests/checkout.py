"""A copy of the rooms that a test may change, with a store and a scratch folder of its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KNOBS = "problems/noshow/problem.yaml"
GATES = "auc: {at_least: 0.70, alarm_above: 0.80}, ece: {at_most: 0.03}, brier: {better_than: base_rate}"
ROOMS = ("jobs", "problems", "rounds")
STEPS = ["ingest", "validate", "features", "tune", "train", "evaluate"]  # in the order of the flow; register is apart
# What the machine of whoever runs the tests may have set, and no step of a test may see.
STRAY = {"FAULT_AT", "FAULT_LOG", "LOG", "PYTHONPATH", "ROUNDS_DEBUG", "SOURCE", "STORE", "TMPDIR"}


@dataclass(frozen=True)
class Ended:
    """How a step ended, and all that it said."""

    code: int
    text: str

    @property
    def well(self) -> bool:
        """Done, or nobody asked for it."""
        return self.code in {0, 99}

    def sentence(self, code: int) -> str:
        """The one clear sentence with which a step ends in this code: no traceback, no crash."""
        assert self.code == code, self.text
        lines = [line for line in self.text.splitlines() if not re.match(r"\w+: (runs: |no source was given)", line)]
        assert len(lines) == 1, self.text
        assert re.fullmatch(r"\w+: (?!crashed).+\.", lines[0]), self.text
        return lines[0]


@dataclass(frozen=True)
class Checkout:
    """The rooms in `root`; artefacts in `place/store`, work in progress in `place/scratch`."""

    root: Path
    place: Path

    @property
    def store(self) -> Path:
        return self.place / "store"

    @property
    def scratch(self) -> Path:
        return self.place / "scratch"

    def at(self, place: Path) -> Checkout:
        """The same rooms with another store and scratch."""
        (place / "scratch").mkdir(parents=True, exist_ok=True)
        return Checkout(self.root, place)

    def argv(self, step: str, run: str, *more: str) -> list[str]:
        return ["-m", f"jobs.{step}", "--problem", "noshow", "--run", run, *more]

    def environment(self, **extra: str) -> dict[str, str]:
        from tests import tracked  # not above: it loads the rooms of the real checkout, which forks must not inherit

        kept = {name: value for name, value in os.environ.items() if name not in STRAY}
        ours = {"STORE": self.store.as_uri(), "TMPDIR": str(self.scratch), "NO_PROXY": "*"}
        return {**kept, **ours, "MLFLOW_TRACKING_URI": tracked.url(self.place / "mlflow"), **extra}

    def run(self, step: str, run: str = "a", *more: str, python: tuple[str, ...] = (), **extra: str) -> Ended:
        """`python -m jobs.<step>`, as a launcher would start it."""
        command = [*(python or (sys.executable,)), *self.argv(step, run, *more)]
        ended = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return Ended(ended.returncode, ended.stdout)

    def manifest(self, step: str, run: str = "a") -> dict[str, Any]:
        raw = (self.store / "noshow" / run / step / "manifest.json").read_bytes()
        return dict(json.loads(raw))

    def content(self, step: str, run: str = "a") -> dict[str, Any]:
        return dict(self.manifest(step, run)["content"])

    def why(self, step: str, run: str = "a") -> list[str]:
        return list(self.manifest(step, run)["circumstances"]["why"])

    def file(self, step: str, name: str, run: str = "a") -> Path:
        return self.store / str(self.manifest(step, run)["circumstances"]["places"][name])

    def change(self, path: str, old: str, new: str) -> None:
        """Rewrite one place in a file of the checkout; a test whose place is gone must not pass."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
        file.write_text(text.replace(old, new), encoding="utf-8")


def copied(place: Path, patients: int = 600) -> Checkout:
    """The rooms as they are, under a path with a space; the simulated table is small."""
    root = place / "a checkout"
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    checkout = Checkout(root, place).at(place)
    checkout.change(KNOBS, "patients: 12000", f"patients: {patients}")
    return checkout


def lenient(checkout: Checkout) -> Checkout:
    """With a small model and gates that one of so small a table passes."""
    checkout.change(KNOBS, GATES, "auc: {at_least: 0.3}")
    checkout.change(KNOBS, "trees: 200,", "trees: 20,")
    checkout.change(KNOBS, "depth: [3, 4, 5], trees: [150, 200, 300]", "depth: [2, 3], trees: [5, 10]")
    checkout.change(KNOBS, "register:", "  smallest: 150\n\nregister:")
    return checkout


def broken_promises(store: Path) -> list[str]:
    """Every manifest that a reader can find and that is no JSON, or names a file that is not there as promised."""
    broken = []
    for path in sorted(store.rglob("*.json")):
        shown = path.relative_to(store).as_posix()
        indexed = path.parent.parent.name == ".index" and path.parent.name in STEPS
        if path.name != "manifest.json" and not indexed:
            continue
        try:
            found = json.loads(path.read_bytes())
        except ValueError:
            broken.append(f"{shown} is no JSON")
            continue
        for name, promised in found["content"]["files"].items():
            file = store / found["circumstances"]["places"][name]
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != promised["sha256"]:
                broken.append(f"{shown} promises another {name}")
    return broken
