"""What came of the training that was asked for last, as a metric: one that was refused is not one that hangs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from rounds import retrains
from rounds.manifest import Verdict
from rounds.retrains import Ask
from serving.findings import Findings
from serving.watching import Watching
from tests.rounds.shelf import Shelf
from tests.serving.running import KEY

AT = datetime(2026, 11, 21, 5, tzinfo=UTC)
NAME = "rounds_retrain_state"


def counted(shelf: Shelf) -> CollectorRegistry:
    watching = Watching(shelf.store, "noshow", KEY.encode(), 1.0, {})
    watching.look()
    found = CollectorRegistry()
    found.register(Findings(watching, lambda: None))
    return found


def asked(shelf: Shelf) -> None:
    wanted = Ask(key="0" * 16, run="monday", training="retrain-monday", bundle="b", rules=("drift",), at=AT)
    assert retrains.claim(shelf.store, "noshow", wanted, AT - AT).ask


@pytest.mark.parametrize(
    ("step", "verdict", "state"),
    [
        (None, "done", "waiting"),
        ("ingest", "done", "running"),
        ("evaluate", "refused", "refused"),
        ("register", "done", "ended"),
    ],
)
def test_what_came_of_a_training(tmp_path: Path, step: str | None, verdict: Verdict, state: str) -> None:
    shelf = Shelf(tmp_path / "store")
    asked(shelf)
    if step is not None:
        shelf.put("retrain-monday", step, verdict=verdict)
    found = counted(shelf)
    told = {each: found.get_sample_value(NAME, {"state": each}) for each in ("waiting", "running", "refused", "ended")}
    assert told == {each: float(each == state) for each in told}
    assert found.get_sample_value("rounds_retrain_asked_timestamp_seconds") == AT.timestamp()


def test_where_none_was_asked_for_nothing_is_said(tmp_path: Path) -> None:
    found = counted(Shelf(tmp_path / "store"))
    assert found.get_sample_value(NAME, {"state": "waiting"}) is None
    assert found.get_sample_value("rounds_retrain_asked_timestamp_seconds") is None
