"""The clock of a real service steps back, and forward again: nothing is lost, double or under a wrong day."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import parts
from tests.serving.callers import calling
from tests.serving.running import Clinic
from tests.waiting import until

pytestmark = pytest.mark.data_safety

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
DAY = 24 * 3600


def told(answers: list[Any]) -> float:
    """The moment that the id of the last prediction begins with."""
    return int(answers[0]["predictions"][0]["id"][:12], 16) / 1000 if answers else 0.0


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (Debian: apt-get install libfaketime)")
def test_a_clock_that_steps_back_loses_and_doubles_nothing(clinic: Clinic, tmp_path: Path) -> None:
    own, clock = clinic.copy(tmp_path / "own"), tmp_path / "clock"
    clock.write_text("+0")
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    days = set()
    with own.serving(**faked) as service, calling(service.ready().port, 2) as found:
        for step in (-DAY, -3600, -2 * DAY, 0):
            (tmp_path / "next").write_text(f"{step:+d}")
            (tmp_path / "next").replace(clock)
            until(lambda step=step: abs(told(found.answers[-1:]) - time.time() - step) < 60 or found.failed)
            days.add(datetime.fromtimestamp(told(found.answers[-1:]), UTC).date().isoformat())
            found.more(100)
        assert service.ask("/readyz").status == 200
        assert service.end() == 0
    assert found.failed == []
    assert len(set(found.ids)) == len(found.ids) >= 400
    counted: Counter[str] = Counter()
    for part in (own.checkout.store / "noshow/.journal").rglob("*.jsonl.gz"):
        records = parts.lines(part.read_bytes())
        assert {record["at"][:10] for record in records} == {part.parent.name}
        counted.update(record["id"] for record in records)
    assert {counted[id] for id in found.ids} == {1}
    assert set(counted.values()) == {1}
    shipped = {path.name for path in (own.checkout.store / "noshow/.journal").iterdir()}
    assert days <= shipped and len(days) >= 3
