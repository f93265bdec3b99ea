"""What a journal ships, keeps, lets go and finds again."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rounds.store import Store
from serving import searching
from serving.shipping import Yard
from tests.serving.keeping import ids, started, written
from tests.serving.writing import KEY, id_of, line
from tests.waiting import until

pytestmark = pytest.mark.data_safety


def test_with_the_store_away_segments_stay_and_are_shipped_later(folder: Path, tmp_path: Path, store: Store) -> None:
    (tmp_path / "store").rmdir()
    journal = started(folder, store, segment_bytes=1)
    for number in range(3):
        journal.append([line(id_of(f"a-{number}"))])
    until(lambda: journal.state().trouble)
    state = journal.state()
    assert (state.waiting, state.full) == (3, False) and state.bytes > 0 and state.lag >= 0
    assert "is gone" in state.trouble
    found = journal.find(id_of("a-1"))
    assert found == line(id_of("a-1"))
    (tmp_path / "store").mkdir()
    journal.close()
    assert journal.state()[:3] == (0, 0, 0.0)
    assert sorted(ids(store)) == sorted(id_of(f"a-{number}") for number in range(3))


def test_the_lag_is_the_age_of_the_oldest_line_that_is_not_shipped(folder: Path) -> None:
    journal = started(folder, None, turn=60.0)
    assert journal.state() == (0, 0, 0.0, False, "")
    journal.append([line("a")])
    [path] = written(folder)
    hour = time.time() - 3600
    os.utime(path, (hour, hour))
    assert 3600 <= journal.state().lag < 3700
    os.utime(path, (hour + 7200, hour + 7200))  # the clock stepped back since
    assert journal.state().lag == 0.0
    journal.close()


def test_a_segment_that_cannot_be_packed_does_not_keep_the_others(folder: Path, store: Store) -> None:
    (folder / "noshow" / "a-000001.jsonl").mkdir(parents=True)
    journal = started(folder, store, segment_bytes=1)
    journal.append([line("b")])
    until(lambda: ids(store) == ["b"])
    until(lambda: journal.state().trouble)
    journal.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda packed: packed[:40], "is damaged, so it is not shipped"),
        (lambda packed: packed[:40] + bytes(40) + packed[80:], "is damaged, so it is not shipped"),
        (lambda packed: gzip.compress(gzip.decompress(packed).replace(b'"format":1', b'"format":2')), "has format 2"),
    ],
    ids=["cut off", "zeros in it", "of a newer release"],
)
def test_a_part_that_cannot_be_shipped_does_not_keep_the_others(
    folder: Path, store: Store, change: Callable[[bytes], bytes], told: str
) -> None:
    journal = started(folder, None)
    journal.append([line("a")])
    journal.close()
    [path] = (folder / "noshow" / "waiting").glob("*/*")
    path.write_bytes(change(path.read_bytes()))
    journal = started(folder, store, segment_bytes=1)
    journal.append([line("b")])
    until(lambda: ids(store) == ["b"])
    until(lambda: told in journal.state().trouble)
    journal.close()
    assert path.exists()


def test_a_file_that_is_no_segment_does_not_keep_the_others(folder: Path, store: Store) -> None:
    (folder / "noshow").mkdir(parents=True)
    stray = [folder / "noshow" / name for name in ("a copy.jsonl", "a-1.jsonl")]
    for path in stray:
        path.write_text("{}\n")
    journal = started(folder, store, segment_bytes=1)
    journal.append([line("b")])
    until(lambda: ids(store) == ["b"])
    until(lambda: "is no segment" in journal.state().trouble)
    journal.close()
    assert all(path.exists() for path in stray)


def test_of_what_was_shipped_the_newest_stay_here(folder: Path, store: Store) -> None:
    journal = started(folder, store, segment_bytes=1, keep_bytes=2400)
    for number in range(6):
        journal.append([line(id_of(f"a-{number}"))])
        until(lambda: len(ids(store)) == number + 1)  # noqa: B023
    journal.close()
    Yard(folder / "noshow", "noshow", store, 2400, 0, 0, key=KEY).tidy()
    kept = list((folder / "noshow" / "shipped").glob("*/*"))
    assert 0 < len(kept) < 6
    assert len(ids(store)) == 6
    assert all(journal.find(id_of(f"a-{number}")) for number in range(6))


def test_what_is_too_old_goes(folder: Path, store: Store) -> None:
    for day in ("2026-10-20", "2026-10-21", "2026-11-20"):
        journal = started(folder, store)
        journal.append([line(day, f"{day}T10:00:00Z")])
        journal.close()
    yard = folder / "noshow"

    def days(here: int, there: int) -> tuple[list[str], list[str]]:
        now = datetime(2026, 11, 20, tzinfo=UTC)
        Yard(yard, "noshow", store, 1 << 30, here, there, lambda: now, key=KEY).tidy(forget=True)
        return sorted(each.parent.name for each in yard.glob("shipped/*/*")), ids(store, "2026-01-01", "2026-12-31")

    all_days = ["2026-10-20", "2026-10-21", "2026-11-20"]
    assert days(0, 0) == (all_days, all_days)
    assert days(30, 0) == (all_days[1:], all_days)
    assert days(1, 30) == (all_days[2:], all_days[1:])


def test_what_was_not_shipped_never_goes(folder: Path) -> None:
    journal = started(folder, None)
    old = id_of("old", "2001-01-01T10:00:00+00:00")
    journal.append([line(old, "2001-01-01T10:00:00Z")])
    journal.close()
    now = datetime(2026, 11, 20, tzinfo=UTC)
    Yard(folder / "noshow", "noshow", None, 0, 1, 1, lambda: now, key=KEY).tidy(forget=True)
    assert journal.find(old) is not None


def test_a_prediction_is_found_wherever_it_lies(folder: Path, tmp_path: Path, store: Store) -> None:
    elsewhere = started(tmp_path / "replica", store)
    elsewhere.append([line(id_of("replica"))])
    elsewhere.close()
    beside = started(folder, None, turn=60.0)
    beside.append([line(id_of("beside"))])
    journal = started(folder, store, turn=60.0)
    named = id_of("named")
    journal.append([line(id_of("other"), note=named), line(named), line(id_of("last"))])
    for id in map(id_of, ("replica", "beside", "named", "last")):
        found = journal.find(id)
        assert found is not None and found["id"] == id
    assert journal.find(id_of("nobody")) is None
    assert journal.find('a"b\n') is None
    journal.close()
    found = journal.find(named)
    assert found is not None and found["id"] == named
    beside.close()


def test_a_search_is_bounded(folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        journal = started(folder, store)
        journal.append([line(id_of(f"a-{number}"))])
        journal.close()
    monkeypatch.setattr(searching, "SEARCHED", 1)
    read = [number for number in range(4) if journal.find(id_of(f"a-{number}"))]
    assert 1 <= len(read) <= 2, "one part here, and one of the store"
