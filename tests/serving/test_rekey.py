"""Another key for the journal: each patient stays one, every part verifies, and a kill loses and doubles nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rounds.store
from rounds import audit
from rounds.errors import Refused
from rounds.evidence import Altered, key_id
from rounds.journal import key_place, keyed, same_key
from rounds.recorded import Ledger
from rounds.store import Store, open_store
from serving.rekey import change
from tests.checkout import ROOT
from tests.serving.keeping import started
from tests.serving.writing import KEY, line

NEW = KEY + b",a second secret of these tests that is long"
NAMES = ("1001", "1002", "7")


def told(number: int) -> dict[str, Any]:
    patient = keyed(NAMES[number % 2], KEY)
    given = {"appointment_id": keyed(NAMES[2], KEY), "neighbourhood": "CENTRO é", "age": 62}
    return line(f"p-{number}", who=patient, input=given, key=key_id(KEY), features=[0.1, 1e-9, -3.25])


@pytest.fixture
def kept(folder: Path, store: Store) -> list[dict[str, Any]]:
    """Two instances of both ledgers: shipped parts, and a segment that is not shipped yet."""
    records = [told(number) for number in range(6)]
    journal = started(folder, store, segment_bytes=1, turn=60.0)
    for record in records[:4]:
        journal.append([record])
    journal.close()
    waiting = started(folder, None, turn=60.0)
    waiting.append(records[4:])
    waiting.close()
    outcomes = started(folder / "outcomes", store, ledger="outcomes")
    about = {"entry": "e", "at": told(0)["at"], "format": 1, "key": key_id(KEY)}
    outcomes.append([{**about, "id": None, "appointment": keyed(NAMES[2], KEY)}])
    outcomes.close()
    audit.write_report(store, "noshow", KEY, {"parts": 7})
    return records


def read(store: Store, name: str = "journal") -> tuple[list[dict[str, Any]], audit.Audit]:
    ledger = Ledger(store, "noshow", NEW, name)
    audit.headers(ledger)
    lines = [ledger.open(path) for path in sorted(ledger.seen)]
    records = [json.loads(each) for opened in lines if opened for each in opened.lines.splitlines()]
    return sorted(records, key=lambda record: record.get("id") or ""), audit.audit(ledger)


def right(store: Store, kept: list[dict[str, Any]]) -> None:
    """The same lines, hashed once more, and two whole ledgers."""
    found, whole = read(store)
    assert (whole.missing, whole.altered) == ([], [])
    for number, (before, after) in enumerate(zip(kept, found, strict=True)):
        assert after["who"] == keyed(NAMES[number % 2], NEW)
        assert after["input"] == {**before["input"], "appointment_id": keyed(NAMES[2], NEW)}
        assert {**after, "who": 0, "input": 0, "key": 0} == {**before, "who": 0, "input": 0, "key": 0}
        assert after["key"] == key_id(NEW)
    told, whole = read(store, "outcomes")
    assert (whole.missing, whole.altered) == ([], [])
    assert [each["appointment"] for each in told] == [keyed(NAMES[2], NEW)]
    assert (audit.read_report(store, "noshow", NEW) or {})["parts"] == 7
    same_key(store.read(key_place("noshow")), store.url, NEW)


def test_each_patient_is_one_under_the_new_key(folder: Path, store: Store, kept: list[dict[str, Any]]) -> None:
    environment = {
        **os.environ,
        "STORE": store.url,
        "JOURNAL_FOLDER": str(folder),
        "JOURNAL_KEY": NEW.decode(),
    }
    command = [sys.executable, "-m", "serving.rekey", "--problem", "noshow"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "6 parts were changed" in done.stdout, done.stderr
    right(store, kept)
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert again.returncode == 0 and "0 parts were changed" in again.stdout
    with pytest.raises(Refused, match="is written with the key"):
        started(folder, store)
    journal = started(folder, store, key=NEW)
    journal.append([line("p-9")])
    journal.close()
    assert journal.state().trouble == "" and len(read(store)[0]) == 7


def test_killed_at_any_point_it_is_finished_by_the_next_try(
    folder: Path, store: Store, kept: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, number = False, 0
    while not ended:
        number += 7
        here = tmp_path / f"at-{number}"
        shutil.copytree(folder, here / "journal")
        shutil.copytree(tmp_path / "store", here / "store")
        own = open_store((here / "store").as_uri())
        with monkeypatch.context() as patch:
            patch.setattr(rounds.store, "point", _kill(number))
            try:
                change("noshow", own, here / "journal", NEW.decode())
                ended = True
            except Killed:
                pass
        change("noshow", own, here / "journal", NEW.decode())
        right(own, kept)
    assert number > 40


class Killed(BaseException):
    """The process ends here."""


def _kill(number: int) -> Any:
    passed = []

    def point(name: str) -> None:
        passed.append(name)
        if len(passed) == number:
            raise Killed

    return point


def test_what_is_altered_is_not_signed_anew(folder: Path, store: Store, kept: list[dict[str, Any]]) -> None:
    path = store.paths("noshow/.journal")[1]
    store.write(path, (store.read(path) or b"")[:-30])
    before = {each: store.read(each) for each in store.paths("noshow/.journal")}
    with pytest.raises(Refused, match=r"is altered or damaged.*Nothing was changed"):
        change("noshow", store, folder, NEW.decode())
    assert before.items() <= {each: store.read(each) for each in store.paths("noshow/.journal")}.items()


@pytest.mark.parametrize("name", ["heads", "since.json"])
def test_an_altered_head_or_note_is_seen_before_a_part_is_changed(
    name: str, folder: Path, store: Store, kept: list[dict[str, Any]]
) -> None:
    own = Ledger(store, "noshow", KEY)
    own.write_since("2026-01-01")
    path = next(path for path in store.paths(own.chains) if f"/{name}" in path)
    store.write(path, (store.read(path) or b"").replace(b'"problem":"noshow"', b'"problem":"another"'))
    before = {each: store.read(each) for each in store.paths("noshow/.journal")}
    with pytest.raises(Refused, match=r"is altered.*Nothing was changed"):
        change("noshow", store, folder, NEW.decode())
    assert before.items() <= {each: store.read(each) for each in store.paths("noshow/.journal")}.items()


def test_a_service_that_still_writes_is_noticed(folder: Path, store: Store, kept: list[dict[str, Any]]) -> None:
    journal = started(folder, store, turn=60.0)
    journal.append([line("p-9")])
    with pytest.raises(Refused, match="a service still writes"):
        change("noshow", store, folder, NEW.decode())
    journal.close()


@pytest.mark.parametrize("given", ["one key that is long enough for the journal", f"{KEY.decode()},short"])
def test_a_key_that_adds_none_is_refused(folder: Path, store: Store, given: str) -> None:
    with pytest.raises(Refused, match="want"):
        change("noshow", store, folder, given)


def test_a_part_under_the_old_key_is_not_taken_afterwards(
    folder: Path, store: Store, kept: list[dict[str, Any]]
) -> None:
    path = store.paths("noshow/.journal")[0]
    old = store.read(path) or b""
    change("noshow", store, folder, NEW.decode())
    store.write(path, old)
    with pytest.raises(Altered, match="was written with the key"):
        Ledger(store, "noshow", NEW).open(path)
