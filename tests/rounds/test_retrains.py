"""The ledger of retrains: a reason makes one training, whoever asks, however often, and however many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rounds import retrains
from rounds.errors import StoreError
from rounds.manifest import Verdict
from rounds.retrains import Answer, Ask
from tests.rounds.shelf import Shelf

DAY = timedelta(days=1)
START = datetime(2026, 11, 21, 5, tzinfo=UTC)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "store")


def asks(shelf: Shelf, run: str, day: float = 0, cooldown: int = 14, **more: Any) -> Answer:
    """What a run of the watch is told on that day."""
    told = {"bundle": "b1", "rules": ("drift",), **more}
    key = retrains.key("noshow", told["bundle"], told["rules"])
    wanted = Ask(key=key, run=run, training=f"retrain-{run}", at=START + day * DAY, **told)
    return retrains.claim(shelf.store, "noshow", wanted, cooldown * DAY)


def trains(shelf: Shelf, run: str, step: str = "register", verdict: Verdict = "done") -> None:
    shelf.put(f"retrain-{run}", step, verdict=verdict)


def test_whoever_asks_again_gets_its_own_ask(shelf: Shelf) -> None:
    first = asks(shelf, "monday").ask
    assert first is not None and first.training == "retrain-monday"
    assert asks(shelf, "monday").ask == first
    trains(shelf, "monday", "ingest")
    assert asks(shelf, "monday", rules=("age", "drift")).ask == first, "also when it sees more by then"
    assert retrains.asks(shelf.store, "noshow") == [first]


def test_one_that_never_began_holds_nobody_up(shelf: Shelf) -> None:
    for day, run in enumerate(("monday", "tuesday", "wednesday")):
        found = asks(shelf, run, day).ask
        assert found is not None and found.training == f"retrain-{run}"
    assert asks(shelf, "monday").ask, "a retry of it"
    trains(shelf, "wednesday", "ingest")
    assert "which run wednesday asked for" in asks(shelf, "monday").held, "a retry that comes too late"
    assert [ask.run for ask in retrains.asks(shelf.store, "noshow")] == ["monday", "tuesday", "wednesday"]


def test_not_while_one_is_under_way(shelf: Shelf) -> None:
    asks(shelf, "monday")
    trains(shelf, "monday", "ingest")
    assert retrains.state(shelf.store, "noshow", "retrain-monday") == "running"
    held = asks(shelf, "tuesday", 1, cooldown=0, rules=("age",)).held
    assert held == "training retrain-monday is under way, which run monday asked for"
    assert asks(shelf, "thursday", 3, cooldown=0, rules=("age",)).ask, "it was lost"


@pytest.mark.data_safety
@pytest.mark.parametrize("cooldown", [0, 14])
def test_one_that_was_lost_half_way_does_not_spend_its_reason(shelf: Shelf, cooldown: int) -> None:
    asks(shelf, "monday")
    trains(shelf, "monday", "ingest")
    assert asks(shelf, "tuesday", 1, cooldown).held
    assert asks(shelf, "wednesday", 2, cooldown).ask


@pytest.mark.parametrize(("step", "verdict"), [("register", "done"), ("evaluate", "refused"), ("register", "refused")])
def test_a_training_ends_well_or_refused(shelf: Shelf, step: str, verdict: Verdict) -> None:
    asks(shelf, "monday")
    trains(shelf, "monday", step, verdict)
    state = {"done": "ended", "refused": "refused"}[verdict]
    assert retrains.state(shelf.store, "noshow", "retrain-monday") == state
    assert asks(shelf, "monday").held.startswith("asked already by run monday, as training retrain-monday"), "cleared"
    until = "cooldown until 2026-12-05"
    assert asks(shelf, "b", 1).held == f"asked already by run monday, as training retrain-monday; {until}"
    assert asks(shelf, "b", 13, rules=("age",), bundle="b2").held == until
    assert asks(shelf, "b", 14).ask, "there are two weeks of new data"


def test_a_cooldown_goes_by_days_and_not_by_the_minute(shelf: Shelf) -> None:
    """A retrain of 18:01 does not hold the look of 18:00 a fortnight later."""
    minutes = 1 / (24 * 60)
    assert asks(shelf, "monday", minutes).ask
    trains(shelf, "monday")
    assert asks(shelf, "sunday", 13 + minutes, rules=("age",)).held == "cooldown until 2026-12-05"
    assert asks(shelf, "later", 14, rules=("age",)).ask


def test_without_a_cooldown_a_reason_asks_once(shelf: Shelf) -> None:
    asks(shelf, "a", rules=("age", "drift"))
    trains(shelf, "a")
    for rules in (("drift",), ("age",), ("age", "drift")):
        assert asks(shelf, "b", 300, cooldown=0, rules=rules).held == "asked already by run a, as training retrain-a"
    assert asks(shelf, "b", 300, cooldown=0, rules=("drift", "performance")).ask, "another reason"
    assert asks(shelf, "c", 300, cooldown=0, bundle="b2").ask, "another champion"


@pytest.mark.data_safety
def test_no_two_hold_the_same_entry(shelf: Shelf) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: asks(shelf, f"run-{number}"), range(8)))
    holders = sorted(answer.ask.run for answer in found if answer.ask)
    assert sorted(ask.run for ask in retrains.asks(shelf.store, "noshow")) == holders != []
    trains(shelf, holders[0], "ingest")
    assert f"which run {holders[0]} asked for" in asks(shelf, "later").held


@pytest.mark.data_safety
def test_an_entry_that_was_altered_is_named(shelf: Shelf) -> None:
    shelf.store.write("noshow/.retrains/0.001.json", b"{}")
    with pytest.raises(StoreError, match=r"noshow/\.retrains/0\.001\.json is no entry"):
        asks(shelf, "a")
