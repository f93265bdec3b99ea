from __future__ import annotations

import errno
import json
import os
import stat
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rounds.errors import Refused
from rounds.journal import place, secret
from rounds.pruning import apply, plan
from rounds.store import Store
from serving.journal import JournalFull
from serving.segments import abandoned, begin, mend
from serving.shipping import Yard
from tests.serving.keeping import ids, ledger, started, written
from tests.serving.writing import DAY, KEY, line
from tests.waiting import until

pytestmark = pytest.mark.data_safety


def test_what_was_appended_is_read_back_in_order(folder: Path, store: Store) -> None:
    journal = started(folder, store)
    kept = [line(f"id-{number}", features=[1.0, 0.1 + 0.2, -5e-324]) for number in range(100)]
    journal.append(kept[:60])
    journal.append([])
    journal.append(kept[60:])
    journal.close()
    day = date.fromisoformat(DAY)
    assert list(ledger(store).records(day, day)) == kept


def test_it_is_on_disk_when_append_returns(folder: Path) -> None:
    journal = started(folder, None)
    journal.append([line("a"), line("b")])
    [path] = written(folder)
    assert [json.loads(each)["id"] for each in path.read_text().splitlines()] == ["a", "b"]
    journal.close()


@pytest.mark.parametrize(("durable", "synced"), [(True, 2), (False, 0)])
def test_durable_is_synced_once_a_batch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, durable: bool, synced: int
) -> None:
    calls = []
    sync = os.fdatasync

    def noted(file: int) -> None:
        sync(file)
        calls.append(file)

    monkeypatch.setattr("serving.segments.os.fdatasync", noted)
    journal = started(folder, None, durable=durable)
    journal.append([line(f"a-{number}") for number in range(50)])
    journal.append([line("b")])
    assert len(calls) == synced
    journal.close()


def test_after_a_failed_sync_the_segment_is_not_used_again(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = started(folder, store, turn=60.0)
    journal.append([line("before")])

    def fail(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("serving.segments.os.fdatasync", fail)
        with pytest.raises(JournalFull, match=r"takes no record: Input/output error\. .*free room"):
            journal.append([line("lost")])
    assert journal.state().full
    journal.append([line("after")])
    assert not journal.state().full
    assert len(written(folder)) == 2
    journal.close()
    assert sorted(ids(store)) == ["after", "before"]


def test_a_segment_is_closed_by_size_by_age_and_by_day(folder: Path, store: Store) -> None:
    by_size = started(folder / "size", None, segment_bytes=300, turn=60.0)
    for number in range(10):
        by_size.append([line(f"a-{number}")])
    assert len(written(folder / "size")) > 2
    by_size.close()
    by_age = started(folder / "age", store, segment_seconds=0.01)
    by_age.append([line("idle")])
    until(lambda: ids(store) == ["idle"])  # though nobody asks any more
    by_age.close()
    by_day = started(folder / "day", store, turn=60.0)
    by_day.append([line("today", f"{DAY}T23:59:59Z")])
    by_day.append([line("tomorrow", "2026-11-22T00:00:00Z")])
    by_day.append([line("stepped-back", "2026-11-17T23:59:58Z")])
    by_day.append([line("astride", f"{DAY}T23:59:59Z"), line("midnight", "2026-11-22T00:00:01Z")])
    by_day.close()
    assert sorted(ids(store)) == ["astride", "idle", "today"]
    assert sorted(ids(store, "2026-11-22", "2026-11-22")) == ["midnight", "tomorrow"]
    assert ids(store, "2026-11-17", "2026-11-17") == ["stepped-back"]


@pytest.mark.parametrize("left", [b'{"id":"to', b"\0" * 4096, b"\0" * 10 + b'rn"}\n{"id":"c"}\n', b'{"id":"c","a":1}'])
def test_what_a_kill_or_a_power_cut_left_is_cut_off_at_start(folder: Path, store: Store, left: bytes) -> None:
    (folder / "noshow").mkdir(parents=True)
    torn = folder / "noshow" / "dead-000001.jsonl"
    whole = b"".join(json.dumps(line(id)).encode() + b"\n" for id in ("a", "b"))
    torn.write_bytes(whole + left)
    Yard(folder / "noshow", "noshow", store, 0, 0, 0, key=KEY).mend()
    assert torn.read_bytes() == whole
    started(folder, store).close()
    assert ids(store) == ["a", "b"]


def test_nothing_but_a_torn_line_is_nothing(folder: Path, store: Store) -> None:
    (folder / "noshow").mkdir(parents=True)
    (folder / "noshow" / "dead-000001.jsonl").write_bytes(b'{"id":"to')
    (folder / "noshow" / "dead-000002.jsonl").write_bytes(b"")
    started(folder, store).close()
    assert written(folder) == [] and store.paths("noshow") == []


def test_a_living_segment_is_nobody_elses(folder: Path) -> None:
    folder.mkdir()
    segment = begin(folder, "alive", 1, durable=True)
    segment.write(b'{"id":"a"}\n{"id"')
    Yard(folder, "noshow", None, 0, 0, 0, key=KEY).tidy()
    assert segment.path.read_bytes() == b'{"id":"a"}\n{"id"'
    segment.close()
    with abandoned(segment.path) as file:
        assert file is not None and mend(segment.path, file) == b'{"id":"a"}\n'


def test_threads_append_whole_batches(folder: Path, store: Store) -> None:
    journal = started(folder, store, segment_bytes=2000)

    def append(name: int) -> None:
        for number in range(30):
            journal.append([line(f"{name}-{number}-{place}") for place in range(3)])

    threads = [threading.Thread(target=append, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    found = ids(store)
    assert len(found) == len(set(found)) == 4 * 30 * 3


def test_nobody_else_on_the_machine_reads_it(folder: Path) -> None:
    journal = started(folder, None)
    journal.append([line("a")])
    journal.close()
    secret("", folder)
    assert all(not stat.S_IMODE(each.stat().st_mode) & 0o077 for each in (folder, *folder.rglob("*")))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match=r"JOURNAL_FOLDER .* cannot be made: File exists"):
        started(tmp_path / "file" / "journal", None)


def test_the_key_is_made_once(folder: Path) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(secret("", folder))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {secret("", folder)} and len(found[0]) == 64
    assert [each.name for each in folder.iterdir()] == ["key"]


def test_a_prune_of_the_store_leaves_the_journal(folder: Path, store: Store) -> None:
    journal = started(folder, store)
    journal.append([line("a")])
    journal.close()
    [path] = store.paths("noshow/.journal")
    assert path == place("noshow", DAY, path.rsplit("/", 1)[-1].removesuffix(".jsonl.gz"))
    assert not plan(store, "noshow", 0, lambda: datetime(2099, 1, 1, tzinfo=UTC))
    apply(store, plan(store, "noshow", 0))
    assert ids(store) == ["a"]
