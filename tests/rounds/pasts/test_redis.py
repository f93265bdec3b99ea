"""Histories in Redis: whole or not at all, one version at a time, and nothing worse than unknown when it is away."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from rounds.errors import HistoryError, Refused
from rounds.pasts import Pasts, open_pasts, redis, sqlite
from tests.jobs.appointments import appointments
from tests.keeper import Keeper
from tests.rounds.pasts.published import in_redis, published
from tests.rounds.shelf import Shelf


def other_day(tmp_path: Path, name: str, **change: int) -> sqlite.Published:
    return published(appointments(300, **change), tmp_path / name, as_of=name)


@pytest.mark.data_safety
def test_redis_changes_over_in_one_step(tmp_path: Path, server: Keeper) -> None:
    """While versions change under a reader, every answer is whole and of one version."""
    days = [other_day(tmp_path, f"2026-03-1{seed}", seed=seed) for seed in range(2)]
    who = list(dict.fromkeys(appointments(300)["patient_id"].to_list()))
    asked = {"patient": who, "area": ["CENTRO", "nowhere"]}
    wanted = {day.as_of: Pasts(day).look(asked) for day in days}
    redis.fill(server.url, "noshow", days[0], lambda: None)
    done = threading.Event()

    def publish_again() -> None:
        for turn in range(20):
            redis.fill(server.url, "noshow", days[1 - turn % 2], lambda: None)
        done.set()

    writer = threading.Thread(target=publish_again)
    writer.start()
    pasts, seen = Pasts(in_redis(server.url)), set()
    try:
        while not done.is_set():
            found = pasts.look(asked)
            assert found == wanted[pasts.as_of]
            seen.add(pasts.as_of)
    finally:
        writer.join()
    assert seen == set(wanted)
    names = {key.decode().rsplit(":", 1)[0] for key in server.client().scan_iter(match="*:history:*")}
    assert len(names) == 1, "the old version is dropped"


class Killed(BaseException):
    """Stands for the signal that no process survives."""


@pytest.mark.data_safety
def test_a_filling_that_was_killed_changes_nothing(
    tmp_path: Path, server: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "MANY", 50)
    old, new = (other_day(tmp_path, f"2026-03-1{seed}", seed=seed) for seed in (1, 2))
    redis.fill(server.url, "noshow", old, lambda: None)
    beats = 0

    def beat() -> None:
        nonlocal beats
        beats += 1
        if beats == 3:
            raise Killed

    with pytest.raises(Killed):
        redis.fill(server.url, "noshow", new, beat)
    asked = {"patient": appointments(300, seed=1)["patient_id"].to_list()}
    pasts = Pasts(in_redis(server.url))
    assert pasts.look(asked) == Pasts(old).look(asked) and pasts.as_of == "2026-03-11"
    assert redis.fill(server.url, "noshow", old, lambda: None) is False
    assert not list(server.client().scan_iter(match=f"*{new.version}*")), "what was left is swept"
    redis.fill(server.url, "noshow", new, lambda: None)
    assert pasts.look(asked) == Pasts(new).look(asked) and pasts.as_of == "2026-03-12"


@pytest.mark.data_safety
def test_a_redis_without_room_keeps_the_old(tmp_path: Path, server: Keeper) -> None:
    old, new = other_day(tmp_path, "2026-03-10"), published(appointments(20_000, seed=4), tmp_path / "large")
    redis.fill(server.url, "noshow", old, lambda: None)
    server.client().config_set("maxmemory", "2500000")
    with pytest.raises(HistoryError, match="cannot be used: OutOfMemoryError"):
        redis.fill(server.url, "noshow", new, lambda: None)
    assert Pasts(in_redis(server.url)).as_of == "2026-03-10"


def test_a_filled_redis_is_left_alone_and_a_damaged_one_mended(tmp_path: Path, server: Keeper) -> None:
    file = other_day(tmp_path, "2026-03-10")
    assert redis.fill(server.url, "noshow", file, lambda: None)
    assert not redis.fill(server.url, "noshow", file, lambda: None)
    key = redis.table("noshow", file.version, "area")
    server.client().delete(key)
    pasts = Pasts(in_redis(server.url))
    with pytest.raises(HistoryError, match="lost the history of 'area'"):
        pasts.of("area", ["CENTRO"])
    assert redis.fill(server.url, "noshow", file, lambda: None)
    assert server.client().hlen(key) == file.words["area"]


def test_redis_that_is_down_is_said_and_found_again(
    tmp_path: Path, server: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "PAUSE", 3600.0)
    file = other_day(tmp_path, "2026-03-10")
    with pytest.raises(HistoryError, match="holds no history of noshow"):
        in_redis(server.url)
    redis.fill(server.url, "noshow", file, lambda: None)
    pasts = Pasts(in_redis(server.url))
    server.stop()
    with pytest.raises(HistoryError, match="cannot be used: ConnectionError"):
        pasts.of("patient", ["P000001"])
    server.start()
    redis.fill(server.url, "noshow", file, lambda: None)
    with pytest.raises(HistoryError, match="not asked again yet"):
        pasts.of("patient", ["P000001"])
    monkeypatch.setattr(pasts.published, "_not_before", 0.0)  # as after the pause
    assert pasts.of("patient", ["P000001"]) == Pasts(file).of("patient", ["P000001"])


def test_a_slow_redis_costs_one_wait(tmp_path: Path, server: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "PAUSE", 3600.0)
    file = other_day(tmp_path, "2026-03-10")
    redis.fill(server.url, "noshow", file, lambda: None)
    pasts = Pasts(in_redis(server.url, patience=2))
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(HistoryError, match="TimeoutError"):
            pasts.of("patient", ["P000001"])
        with pytest.raises(HistoryError, match="not asked again yet"):
            pasts.of("patient", ["P000001"])
    finally:
        server.process.send_signal(signal.SIGCONT)


@pytest.mark.data_safety
def test_no_password_is_told(tmp_path: Path) -> None:
    with pytest.raises(HistoryError) as told:
        redis.Published("redis://nurse:secret@127.0.0.1:1/0", "noshow")
    assert "127.0.0.1:1" in str(told.value) and "secret" not in str(told.value) and "nurse" not in str(told.value)
    with pytest.raises(Refused) as refused:
        open_pasts("http://nurse:secret@x", Shelf(tmp_path / "store").store, "noshow", tmp_path / "cache")
    assert "secret" not in str(refused.value)


def test_a_history_of_a_newer_release_is_refused(tmp_path: Path, server: Keeper) -> None:
    redis.fill(server.url, "noshow", other_day(tmp_path, "2026-03-10"), lambda: None)
    client = redis._client(server.url, 60)
    name = redis.pointer("noshow")
    client.set(name, client.get(name).replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(Refused, match="in Redis has format 2; this release knows 1"):
        in_redis(server.url)
