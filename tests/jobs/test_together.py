"""Several steps at once in one store and one scratch folder: all end well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkout import STEPS, Checkout, broken_promises
from tests.warm import Warm

pytestmark = pytest.mark.data_safety

EIGHT = [f"run{number}" for number in range(8)]
OFTEN = {"ingest", "validate"}  # the first of all, and the one that looks at what other runs did


@pytest.fixture(params=[step if step in OFTEN else pytest.param(step, marks=pytest.mark.long) for step in STEPS])
def step(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def left_of(step: str, checkout: Checkout, warm: Warm, runs: list[str]) -> None:
    for done in STEPS[: STEPS.index(step)]:
        for run in runs:
            ended = warm.run(checkout, done, run)
            assert ended.well, ended.text


def test_eight_of_one_run_give_one_content(step: str, unchanged: Checkout, tmp_path: Path, warm: Warm) -> None:
    alone, crowded = unchanged.at(tmp_path / "alone"), unchanged.at(tmp_path / "crowded")
    for checkout in (alone, crowded):
        left_of(step, checkout, warm, ["a"])
    assert warm.run(alone, step).well
    ended = [running.wait() for running in [warm.start(crowded, step) for _ in EIGHT]]
    assert all(one.well for one in ended), "\n".join(one.text for one in ended)
    assert crowded.content(step) == alone.content(step)
    assert broken_promises(crowded.store) == []
    assert list(crowded.scratch.iterdir()) == []


def test_eight_runs_give_one_content(step: str, unchanged: Checkout, tmp_path: Path, warm: Warm) -> None:
    checkout = unchanged.at(tmp_path)
    left_of(step, checkout, warm, EIGHT)
    ended = [running.wait() for running in [warm.start(checkout, step, run) for run in EIGHT]]
    assert all(one.well for one in ended), "\n".join(one.text for one in ended)
    contents = [checkout.content(step, run) for run in EIGHT]
    assert contents == [contents[0]] * 8
    assert broken_promises(checkout.store) == []
