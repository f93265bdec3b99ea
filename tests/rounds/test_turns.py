"""One at a time: eight at once, a holder that was killed, one that fell silent elsewhere, one that failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from rounds import turns
from rounds.store import Store, open_store
from rounds.turns import LEASE, Turn, _take, turn

pytestmark = pytest.mark.data_safety

FOLDER = "noshow/.registry/turns"
HOLD = """
import os, signal, sys
from rounds.store import open_store
from rounds.turns import turn
with turn(open_store(sys.argv[1]), sys.argv[2]) as held:
    held.note("promote 3")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


def claims(store: Store) -> list[str]:
    return [Path(path).stem for path in store.paths(FOLDER)]


def elsewhere(store: Store, note: str = "") -> None:
    """A holder on another machine, of whom nothing but the claim is known."""
    claim = {"where": "another machine", "process": 1, "beat": 0, "note": note, "ended": False}
    store.write(f"{FOLDER}/00000001.json", json.dumps(claim).encode())


def test_eight_at_once_take_turns(store: Store, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0", encoding="ascii")

    def add(_: int) -> None:
        with turn(store, FOLDER):
            was = int(counter.read_text(encoding="ascii"))
            time.sleep(0.01)
            counter.write_text(str(was + 1), encoding="ascii")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert counter.read_text(encoding="ascii") == "8"
    assert claims(store) == ["00000008"]


def test_a_killed_holder_keeps_nobody_waiting_and_leaves_its_note(store: Store) -> None:
    ended = subprocess.run([sys.executable, "-c", HOLD, store.url, FOLDER], cwd=Path(__file__).parents[2])
    assert ended.returncode == -signal.SIGKILL
    with turn(store, FOLDER, lease=1e9) as held:
        assert held.left == "promote 3"


def test_a_holder_elsewhere_has_its_lease_and_no_more(store: Store) -> None:
    elsewhere(store, "rollback from 2")
    with turn(store, FOLDER, lease=0.3) as held:
        assert held.left == "rollback from 2"
        assert claims(store)[-1] == "00000002"


def test_a_sign_of_life_renews_the_lease(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten, each a little before the lease is over."""
    elsewhere(store)
    beats = 0

    def beat(_: float) -> None:
        nonlocal beats
        beats += 1
        claim = json.loads(store.read(f"{FOLDER}/00000001.json") or b"")
        store.write(f"{FOLDER}/00000001.json", json.dumps({**claim, "beat": beats, "ended": beats == 10}).encode())

    clock = SimpleNamespace(monotonic=lambda: 0.9 * LEASE * beats, sleep=beat, time_ns=time.time_ns)
    monkeypatch.setattr(turns, "time", clock)
    with turn(store, FOLDER):
        assert beats == 10


def test_a_failure_ends_the_turn_and_keeps_the_note(store: Store) -> None:
    with pytest.raises(OSError, match="full"), turn(store, FOLDER) as held:
        held.note("rollback from 2")
        raise OSError("full")
    with turn(store, FOLDER) as held:
        assert held.left == "rollback from 2"
    with turn(store, FOLDER) as held:
        assert held.left == ""


def test_who_was_overtaken_while_looking_claims_nothing(store: Store) -> None:
    elsewhere(store)
    store.claim(f"{FOLDER}/00000009.json", b"{}")
    assert _take(store, FOLDER, f"{FOLDER}/00000001.json", "") is None
    assert claims(store) == ["00000001", "00000009"]


def test_a_beat_is_written_only_now_and_then(store: Store) -> None:
    with turn(store, FOLDER) as held:
        before = store.read(held.path)
        held.beat()
        assert store.read(held.path) == before
        late = Turn(store, held.path, noted="promote 3", beaten=time.monotonic() - 60)
        late.beat()
        assert json.loads(store.read(held.path) or b"")["note"] == "promote 3"
    assert json.loads(store.read(held.path) or b"")["process"] == os.getpid()
