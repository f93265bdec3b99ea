"""What prune takes and what it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rounds import places, pruning
from rounds.errors import StoreError
from rounds.inventory import runs
from tests.rounds.shelf import Shelf

pytestmark = pytest.mark.data_safety


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "store")


def prune(shelf: Shelf, keep: int) -> int:
    return pruning.apply(shelf.store, pruning.plan(shelf.store, "noshow", keep))


def names(shelf: Shelf) -> list[str]:
    return [run.name for run in runs(shelf.store, "noshow")]


def test_the_newest_runs_stay_and_the_others_go_with_their_files(shelf: Shelf) -> None:
    for name in ("one", "two", "three"):
        shelf.put(name, text=name)
    oldest = {path for path in shelf.files() if path.startswith("noshow/one/")}
    freed = prune(shelf, keep=2)
    assert names(shelf) == ["three", "two"]
    assert not oldest & shelf.files()
    assert not (shelf.root / "noshow" / "one").exists()
    assert freed > 0


def test_a_plan_removes_nothing_and_says_what_it_would_free(shelf: Shelf) -> None:
    for name in ("one", "two"):
        shelf.put(name, text=name)
    before = {path: (shelf.root / path).stat().st_size for path in shelf.files()}
    planned = pruning.plan(shelf.store, "noshow", 1)
    assert shelf.files() == before.keys()
    freed = pruning.apply(shelf.store, planned)
    assert planned.bytes == freed == sum(size for path, size in before.items() if path not in shelf.files())


def test_a_file_that_a_newer_run_refers_to_stays(shelf: Shelf) -> None:
    shelf.put("one")
    newer = shelf.put("two", same_as="one")
    prune(shelf, keep=1)
    assert names(shelf) == ["two"]
    assert places.damaged(shelf.store, newer) == []


def test_work_is_found_again_after_a_prune(shelf: Shelf) -> None:
    shelf.put("one")
    newer = shelf.put("two", same_as="one")
    prune(shelf, keep=1)
    found = places.finished(shelf.store, "noshow", "three", "ingest", newer.circumstances.read.key())
    assert found == newer


def test_work_whose_files_went_is_not_found_again(shelf: Shelf) -> None:
    old = shelf.put("one", text="old")
    shelf.put("two", text="new")
    prune(shelf, keep=1)
    key = old.circumstances.read.key()
    assert places.key_path("noshow", "ingest", key) not in shelf.files()
    assert places.finished(shelf.store, "noshow", "three", "ingest", key) is None


def test_superseded_work_of_a_run_that_stays_goes(shelf: Shelf) -> None:
    shelf.put("one", text="before")
    before = shelf.files()
    now = shelf.put("one", text="after")
    prune(shelf, keep=1)
    assert {path for path in before & shelf.files() if "table" in path} == set()
    assert places.damaged(shelf.store, now) == []


def test_the_last_good_work_stays_when_only_an_older_run_has_it(shelf: Shelf) -> None:
    good = shelf.put("one", "validate")
    shelf.put("two", "validate", text="bad", verdict="refused")
    prune(shelf, keep=1)
    assert names(shelf) == ["two"]
    assert places.damaged(shelf.store, good) == []


def test_what_a_kept_run_was_compared_with_stays(shelf: Shelf) -> None:
    profile = shelf.put("one", "validate", text="profile").circumstances.places["table.parquet"]
    shelf.put("two", "validate", text="now", also={"last_good": {"place": profile}})
    prune(shelf, keep=1)
    assert profile in shelf.files()


def test_other_problems_are_left_alone(shelf: Shelf) -> None:
    shelf.put("one", problem="readmission")
    for name in ("one", "two"):
        shelf.put(name, text=name)
    prune(shelf, keep=1)
    assert len(runs(shelf.store, "readmission")) == 1


LEFTOVER = "noshow/one/ingest/table.0123456789ab.parquet"
STAGED = "noshow/one/ingest/table.ba9876543210.parquet#1"


@pytest.mark.parametrize("path", [LEFTOVER, STAGED])
def test_a_leftover_goes_once_it_is_an_hour_old(shelf: Shelf, path: str) -> None:
    shelf.put("one")
    (shelf.root / path).write_bytes(b"half")
    prune(shelf, keep=1)
    assert path in shelf.files(), "it may belong to a step that has yet to write its manifest"
    shelf.age(path)
    prune(shelf, keep=1)
    assert path not in shelf.files()
    assert len(names(shelf)) == 1


def test_what_steps_do_not_write_is_not_ours_to_remove(shelf: Shelf) -> None:
    shelf.put("one")
    foreign = ["noshow/notes.txt", "noshow/one/ingest/notes.txt", "journal/2026/11/20.jsonl"]
    for path in foreign:
        (shelf.root / path).parent.mkdir(parents=True, exist_ok=True)
        (shelf.root / path).write_text("kept")
    shelf.age(*foreign)
    prune(shelf, keep=1)
    assert set(foreign) <= shelf.files()


def test_an_index_entry_that_leads_nowhere_goes(shelf: Shelf) -> None:
    done = shelf.put("one")
    key = places.key_path("noshow", "ingest", done.circumstances.read.key())
    (shelf.root / done.circumstances.places["table.parquet"]).unlink()
    unreadable = places.key_path("noshow", "ingest", "0" * 64)
    shelf.store.write(unreadable, b"not json")
    prune(shelf, keep=1)
    assert not {key, unreadable} & shelf.files()


def test_a_manifest_that_cannot_be_read_stops_it(shelf: Shelf) -> None:
    for name in ("one", "two"):
        shelf.put(name, text=name)
    shelf.store.write("noshow/two/ingest/manifest.json", b"{}")
    before = shelf.files()
    with pytest.raises(StoreError, match=r"noshow/two/ingest/manifest\.json is not a manifest"):
        prune(shelf, keep=1)
    assert shelf.files() == before


def test_a_step_that_found_the_work_meanwhile_keeps_it(shelf: Shelf) -> None:
    shelf.put("one")
    shelf.put("two", text="other")
    planned = pruning.plan(shelf.store, "noshow", 1)
    meanwhile = shelf.put("three", same_as="one")
    pruning.apply(shelf.store, planned)
    assert places.damaged(shelf.store, meanwhile) == []
    key = meanwhile.circumstances.read.key()
    assert places.finished(shelf.store, "noshow", "four", "ingest", key) == meanwhile


def test_a_file_that_a_step_wrote_again_meanwhile_stays(shelf: Shelf) -> None:
    old = shelf.put("one", text="old")
    shelf.put("two", text="new")
    path = old.circumstances.places["table.parquet"]
    shelf.age(path)
    planned = pruning.plan(shelf.store, "noshow", 1)
    shelf.store.write(path, b"old")
    pruning.apply(shelf.store, planned)
    assert path in shelf.files()


def test_what_a_prune_beside_us_removes_is_neither_found_nor_taken_over(shelf: Shelf) -> None:
    done = shelf.put("one")
    shelf.store.write(
        places.going_path("noshow", "0" * 32), json.dumps(list(done.circumstances.places.values())).encode()
    )
    assert places.finished(shelf.store, "noshow", "two", "ingest", done.circumstances.read.key()) is None
    with pytest.raises(StoreError, match="is being removed by a prune"):
        shelf.put("two", same_as="one")


def test_what_was_removed_just_before_is_not_taken_over(shelf: Shelf) -> None:
    done = shelf.put("one")
    (shelf.root / done.circumstances.places["table.parquet"]).unlink()
    with pytest.raises(StoreError, match="is being removed by a prune"):
        shelf.put("two", same_as="one")


def test_the_mark_of_a_killed_prune_goes_in_time(shelf: Shelf) -> None:
    shelf.put("one")
    mark = places.going_path("noshow", "0" * 32)
    shelf.store.write(mark, b"[]")
    shelf.age(mark)
    prune(shelf, keep=1)
    assert mark not in shelf.files()


def test_two_at_once_both_end_well(shelf: Shelf) -> None:
    for name in ("one", "two"):
        shelf.put(name, text=name)
    first, second = (pruning.plan(shelf.store, "noshow", 1) for _ in range(2))
    pruning.apply(shelf.store, first)
    assert pruning.apply(shelf.store, second) >= 0
    assert names(shelf) == ["two"]
