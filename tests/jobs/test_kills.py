"""A step that is killed at any moment: nothing half-written is read as done, and the next try gives equal content."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkout import STEPS, Checkout, broken_promises, copied
from tests.warm import Warm

pytestmark = pytest.mark.data_safety

MOMENTS = 30
ASKED = {"tune": ["--search=yes"]}  # otherwise it has nothing to do

# Puts the manifest in the store before the files that it promises.
MANIFEST_FIRST = """

_upload, _write, _held = Store.upload, Store.write, []


def _hold(self, source, path):
    _held.append((source, path))


def _write_then_upload(self, path, content):
    _write(self, path, content)
    while _held:
        _upload(self, *_held.pop())


Store.upload, Store.write = _hold, _write_then_upload
"""

# Puts every small object in two halves, the first of them under its own name.
IN_HALVES = """

_write = Store.write


def _write_in_halves(self, path, content):
    _write(self, path, content[: len(content) // 2])
    _write(self, path, content)


Store.write = _write_in_halves
"""


@dataclass(frozen=True)
class Before:
    """A step that is about to run: everything left of it is done."""

    checkout: Checkout
    step: str
    warm: Warm

    @property
    def asked(self) -> list[str]:
        return ["a", *ASKED.get(self.step, [])]

    def fresh(self, place: Path) -> Checkout:
        shutil.copytree(self.checkout.store, place / "store")
        return self.checkout.at(place)


def before(checkout: Checkout, step: str, warm: Warm) -> Before:
    checkout.store.mkdir(exist_ok=True)
    for done in STEPS[: STEPS.index(step)]:
        ended = warm.run(checkout, done, "a", *ASKED.get(done, []))
        assert ended.well, ended.text
    return Before(checkout, step, warm)


# What these three do to the store the others do too, through the same code; `make test-all` runs all six.
OFTEN = {"ingest", "features", "tune"}


@pytest.fixture(params=[step if step in OFTEN else pytest.param(step, marks=pytest.mark.long) for step in STEPS])
def ready(request: pytest.FixtureRequest, unchanged: Checkout, tmp_path: Path, warm: Warm) -> Before:
    return before(unchanged.at(tmp_path / "before"), request.param, warm)


def undisturbed(ready: Before, place: Path) -> tuple[Checkout, list[str]]:
    """The step run in peace, and the points that it passed."""
    log = place / "points"
    checkout = ready.fresh(place)
    ended = ready.warm.run(checkout, ready.step, *ready.asked, FAULT_LOG=str(log))
    assert ended.well, ended.text
    assert broken_promises(checkout.store) == []
    points = log.read_text(encoding="utf-8").splitlines()
    published = max(i for i, point in enumerate(points) if "after write" in point and "/last.json" in point)
    return checkout, points[: published + 1]  # what follows is the mirror's, which has kills of its own


def recovers(ready: Before, checkout: Checkout, peace: Checkout) -> None:
    ended = ready.warm.run(checkout, ready.step, *ready.asked)
    assert ended.well, ended.text
    assert checkout.content(ready.step) == peace.content(ready.step)
    assert broken_promises(checkout.store) == []
    assert list(checkout.scratch.iterdir()) == []


def objects(store: Path) -> frozenset[str]:
    return frozenset(path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file())


@pytest.mark.long
def test_killed_at_random_moments(ready: Before, tmp_path: Path) -> None:
    undisturbed(ready, tmp_path / "first")
    started = time.monotonic()
    peace, _ = undisturbed(ready, tmp_path / "peace")
    took = time.monotonic() - started
    moments, killed = random.Random(ready.step), 0
    for number in range(MOMENTS):
        checkout = ready.fresh(tmp_path / f"killed {number}")
        running = ready.warm.start(checkout, ready.step, *ready.asked)
        time.sleep(took * (number + moments.random()) / MOMENTS)
        os.kill(running.pid, signal.SIGKILL)
        ended = running.wait()
        assert ended.well or ended.code == -signal.SIGKILL
        killed += not ended.well
        assert broken_promises(checkout.store) == []
        recovers(ready, checkout, peace)
    assert killed > MOMENTS // 3, "most runs had ended before they were to be killed"


def test_killed_at_every_call_to_the_store(ready: Before, tmp_path: Path) -> None:
    peace, points = undisturbed(ready, tmp_path / "peace")
    assert any("before upload" in point for point in points)
    assert any("after write" in point for point in points)
    states = set()
    for number, point in enumerate(points, start=1):
        place = tmp_path / f"killed {number}"
        checkout = ready.fresh(place)
        fault = {"FAULT_AT": str(number), "FAULT_LOG": str(place / "points")}
        killed = ready.warm.run(checkout, ready.step, *ready.asked, **fault)
        assert killed.code == -signal.SIGKILL, point
        assert (place / "points").read_text(encoding="utf-8").splitlines() == points[:number]
        assert broken_promises(checkout.store) == [], point
        if (state := objects(checkout.store)) not in states:  # many points leave the store as it was
            states.add(state)
            recovers(ready, checkout, peace)
    assert len(states) > 3


@pytest.mark.parametrize("mutant", [MANIFEST_FIRST, IN_HALVES], ids=["manifest first", "in halves"])
def test_a_careless_store_is_seen_through(mutant: str, tmp_path: Path, warm: Warm) -> None:
    altered = copied(tmp_path)
    with (altered.root / "rounds/store.py").open("a", encoding="utf-8") as store:
        store.write(mutant)
    ready = before(altered.at(tmp_path / "before"), "ingest", warm)
    _, points = undisturbed(ready, tmp_path / "peace")
    seen = []
    for number in range(1, len(points) + 1):
        checkout = ready.fresh(tmp_path / f"killed {number}")
        assert warm.run(checkout, "ingest", FAULT_AT=str(number)).code == -signal.SIGKILL
        seen += broken_promises(checkout.store)
    assert seen
