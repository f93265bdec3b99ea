"""Whoever may write to the store, and has no key, changes nothing in a ledger unseen."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import rounds.store
from rounds import audit, evidence
from rounds.errors import Refused
from rounds.evidence import Place
from rounds.recorded import Ledger
from rounds.store import Store
from serving.shipping import Yard
from tests.serving.keeping import ids, ledger, started
from tests.serving.writing import DAY, KEY, line

ROOT = f"noshow/.journal/{DAY}"
HEADS = "noshow/.chains/journal/heads"


def kept(folder: Path, store: Store, name: str, parts: int = 3, day: str = DAY) -> list[str]:
    """The parts of one instance that has shipped so many; answers their paths."""
    before = {*store.paths("noshow/.journal")}
    journal = started(folder / name, store, segment_bytes=1, turn=60.0)
    for number in range(parts):
        journal.append([line(f"{name}-{number}-{place}", f"{day}T10:00:00.000Z") for place in range(3)])
    journal.close()
    return sorted({*store.paths("noshow/.journal")} - before)


def audited(store: Store) -> audit.Audit:
    """What is found when every part is read."""
    own = ledger(store)
    audit.headers(own)
    return audit.audit(own)


@pytest.fixture
def two(folder: Path, store: Store) -> tuple[list[str], list[str]]:
    """Two instances of three parts each."""
    return kept(folder, store, "one"), kept(folder, store, "two")


def rewritten(packed: bytes | None, change: Callable[[bytes], bytes]) -> bytes:
    return gzip.compress(change(gzip.decompress(packed or b"")))


def test_a_ledger_that_nobody_touched_is_whole(two: tuple[list[str], list[str]], store: Store) -> None:
    assert audited(store) == (6, [], [])
    first = [evidence.located(path) for path in two[0]]
    assert [each.number for each in first if each] == [1, 2, 3]
    assert len(ids(store)) == 18


Attack = Callable[[Store, list[str], list[str]], None]


def _rewrite(store: Store, one: list[str], two: list[str]) -> None:
    store.write(one[1], rewritten(store.read(one[1]), lambda content: content.replace(b"0.25", b"0.95", 1)))


def _truncate(store: Store, one: list[str], two: list[str]) -> None:
    store.write(one[1], rewritten(store.read(one[1]), lambda content: content[: content[:-1].rfind(b"\n") + 1]))


def _cut(store: Store, one: list[str], two: list[str]) -> None:
    store.write(one[1], (store.read(one[1]) or b"")[:-40])


def _reorder(store: Store, one: list[str], two: list[str]) -> None:
    first, second = store.read(one[0]) or b"", store.read(one[1]) or b""
    store.write(one[0], second)
    store.write(one[1], first)


def _swap(store: Store, one: list[str], two: list[str]) -> None:
    store.write(one[1], store.read(two[1]) or b"")


def _move(store: Store, one: list[str], two: list[str]) -> None:
    store.write(one[1].replace(DAY, "2026-11-22"), store.read(one[1]) or b"")
    store.delete([one[1]])


def _copy(store: Store, one: list[str], two: list[str]) -> None:
    store.write(one[1].replace("-000002-", "-000004-"), store.read(one[1]) or b"")


def _plant(store: Store, one: list[str], two: list[str]) -> None:
    store.write(f"{ROOT}/0123456789ab-000001.jsonl.gz", gzip.compress(json.dumps(line("planted")).encode() + b"\n"))


def _forge(store: Store, one: list[str], two: list[str]) -> None:
    other = Ledger(store, "noshow", b"a key that the attacker has made up himself")
    header = other.put(Place(DAY, "0123456789ab", 1), json.dumps(line("forged")).encode() + b"\n")
    other.write_head("0123456789ab", header.next(other.key))


def _forge_types(store: Store, one: list[str], two: list[str]) -> None:
    store.write(
        one[1], rewritten(store.read(one[1]), lambda content: re.sub(rb'"key":"[0-9a-f]+"', b'"key":5', content))
    )


def _bury(store: Store, one: list[str], two: list[str]) -> None:
    _move_to(store, one[1], f"noshow/.journal/elsewhere/{DAY}")


def _move_to(store: Store, path: str, folder: str) -> None:
    store.write(f"{folder}/{path.rsplit('/', 1)[-1]}", store.read(path) or b"")
    store.delete([path])


def _erase(store: Store, one: list[str], two: list[str]) -> None:
    tombstone = b'{"erased":"' + b"0" * 64 + b'"}'
    store.write(one[1], rewritten(store.read(one[1]), lambda content: content[: content.find(b"\n") + 1] + tombstone))


def _header_field(field: str, value: object) -> Attack:
    """The attack that puts another value into a field of a part's header."""

    def attack(store: Store, one: list[str], two: list[str]) -> None:
        first, _, lines = gzip.decompress(store.read(one[1]) or b"").partition(b"\n")
        header = json.loads(first)
        (header if field == "format" else header["part"])[field] = value
        store.write(one[1], gzip.compress(json.dumps(header).encode() + b"\n" + lines))

    return attack


def _head_format(store: Store, one: list[str], two: list[str]) -> None:
    path, _ = store.paths(HEADS)
    store.write(path, (store.read(path) or b"").replace(b'"format":1', b'"format":"1"'))


def _head_of_another(store: Store, one: list[str], two: list[str]) -> None:
    first, second = store.paths(HEADS)
    store.write(first, store.read(second) or b"")


def _greater_head(store: Store, one: list[str], two: list[str]) -> None:
    [path, _] = store.paths(HEADS)
    store.write(path, (store.read(path) or b"").replace(b'"number":3', b'"number":2'))


def _aged(store: Store, one: list[str], two: list[str]) -> None:
    told = {"format": 1, "key": evidence.key_id(KEY), "problem": "noshow", "ledger": "journal", "since": "2027-01-01"}
    store.write("noshow/.chains/journal/since.json", json.dumps({**told, "seal": "0" * 64}).encode())


ALTERED: dict[str, tuple[Attack, str]] = {
    "a line is rewritten": (_rewrite, "is altered: its lines or its header"),
    "a line is cut off": (_truncate, "is altered: its lines or its header"),
    "the file is cut short": (_cut, "is altered or damaged"),
    "two parts change places": (_reorder, "is out of place: it is part 2"),
    "a part of another instance is put there": (_swap, "is out of place: it is part 2 of instance"),
    "a part moves to another day": (_move, "is out of place"),
    "a part is copied to a new number": (_copy, "is out of place"),
    "a part is planted": (_plant, "is altered or damaged"),
    "a part is forged with another key": (_forge, "was written with the key"),
    "a part names a key that is no text": (_forge_types, "is altered or damaged"),
    "a part moves to a deeper folder": (_bury, "is out of place"),
    "a line is erased without the key": (_erase, "is altered: its lines or its header"),
    "a header's key is a number": (_header_field("key", 5), "is altered or damaged"),
    "a header's format is null": (_header_field("format", None), "is altered or damaged"),
    "a head's format is a text": (_head_format, "is altered: it is not what was written there"),
    "a head is put in place of another": (_head_of_another, "is altered: it is the head of instance"),
    "a head is rewritten": (_greater_head, "is altered: it is not what was written there"),
    "the day of removal is forged": (_aged, "since.json is altered"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_what_is_altered_is_named(name: str, two: tuple[list[str], list[str]], store: Store) -> None:
    attack, sentence = ALTERED[name]
    attack(store, *two)
    found = audited(store)
    assert any(sentence in each for each in found.altered), found


@pytest.mark.parametrize("day", ["2020-01-01", "2099-01-01", "another"])
@pytest.mark.parametrize("moved", [[1], [2], [3], [1, 2], [2, 3], [1, 2, 3]])
def test_a_part_that_was_moved_to_where_nobody_looks_is_named(
    moved: list[int], day: str, two: tuple[list[str], list[str]], store: Store
) -> None:
    for number in moved:
        _move_to(store, two[0][number - 1], f"noshow/.journal/{day}")
    own = ledger(store)
    for path in own.parts(DAY):  # as `collect` does, which reads the days of its windows
        own.open(path)
    found = audit.audit(own)
    assert any(f"/{day}/" in each and "is out of place" in each for each in found.altered), found


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_part_that_was_deleted_is_named(number: int, two: tuple[list[str], list[str]], store: Store) -> None:
    path = two[0][number - 1]
    store.delete([path])
    [sentence] = audited(store).missing
    where = evidence.located(path)
    assert where and sentence.startswith(f"part {number} of instance {where.instance} of the journal is missing")


def test_a_planted_number_does_not_make_the_audit_endless(two: tuple[list[str], list[str]], store: Store) -> None:
    first = evidence.located(two[0][0])
    assert first is not None
    store.write(f"{ROOT}/{first.instance}-{10**30}.jsonl.gz", b"nothing")
    [sentence] = audited(store).missing
    assert sentence.startswith(f"part 4, 5, 6, 7, 8 and {10**30 - 9} more of instance {first.instance} ")


def test_a_head_that_was_deleted_is_named(two: tuple[list[str], list[str]], store: Store) -> None:
    store.delete([store.paths(HEADS)[0], two[0][2]])
    assert any(
        "has 2 parts and no head" in each or "has 3 parts and no head" in each for each in audited(store).missing
    )


def test_an_old_head_with_the_newest_parts_cut_off_is_seen_by_who_shipped_them(folder: Path, store: Store) -> None:
    """The store alone cannot show it: everything that is left was written so. The folder that shipped it knows."""
    journal = started(folder, store, segment_bytes=1, turn=60.0)
    yard = journal.yard
    for number in range(3):
        journal.append([line(f"a-{number}")])
        if number == 1:
            with journal._turn:
                journal._retire()
            yard.tidy(wait=True)
            old = {path: store.read(path) or b"" for path in store.paths(HEADS)}
    journal.close()
    assert yard.lacking() == [] and audited(store) == (3, [], [])
    newest = store.paths(ROOT)[-1]
    store.delete([newest])
    for path, content in old.items():
        store.write(path, content)
    assert audited(store) == (2, [], [])
    told = yard.lacking()
    assert any("part 3" in each and "older one" in each for each in told)
    assert any(newest.rsplit("/", 1)[-1] in each for each in told)
    shutil.rmtree(yard.folder / "shipped")  # a restart on the same folder, whose copies are gone
    assert any("part 3" in each for each in Yard(yard.folder, "noshow", store, 0, 0, 0, key=KEY).lacking())


def test_a_whole_instance_that_was_deleted_is_seen_by_who_shipped_it(folder: Path, store: Store) -> None:
    paths = kept(folder, store, "one")
    store.delete([*paths, *store.paths(HEADS)])
    assert audited(store) == (0, [], [])
    yard = Yard(folder / "one" / "noshow", "noshow", store, 1 << 30, 0, 0, key=KEY)
    assert any("its head in the store is missing" in each for each in yard.lacking())


@pytest.mark.parametrize("moment", ["before list noshow/.journal", "after list noshow/.journal"])
def test_what_is_shipped_during_an_audit_is_no_fault(
    moment: str, two: tuple[list[str], list[str]], folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, shipped = ledger(store), []
    last = own.open(two[0][2])
    assert last is not None

    def point(name: str) -> None:
        if name == moment and not shipped:
            shipped.append(name)
            where = Place(DAY, last.header.instance, 4)
            own.write_head(where.instance, own.put(where, b"{}\n", last.header.next(KEY)).next(KEY))
            kept(folder, store, "three")

    monkeypatch.setattr(rounds.store, "point", point)
    found = audit.audit(own)
    assert shipped and (found.missing, found.altered) == ([], [])


def test_an_erased_line_leaves_the_chain_whole(two: tuple[list[str], list[str]], store: Store) -> None:
    own = ledger(store)
    opened = own.open(two[0][1])
    assert opened is not None
    target = json.loads(opened.lines.splitlines()[1])["id"]
    found = evidence.erase(opened, lambda each: target.encode() in each, KEY, 1)
    store.write(two[0][1], found)
    again = own.open(two[0][1])
    assert again is not None and again.header == opened.header
    assert evidence.root(again.lines.splitlines(), KEY) == opened.header.root, "the other lines are what they were"
    assert audited(store) == (6, [], [])
    assert target not in gzip.decompress(found).decode() and target not in ids(store)
    assert len(ids(store)) == 17


def test_what_went_by_its_age_is_not_missing(folder: Path, store: Store) -> None:
    journal = started(folder, store, turn=60.0)
    for day in ("2026-10-20", "2026-10-21", "2026-11-20", DAY):
        journal.append([line(day, f"{day}T10:00:00Z")])
    journal.close()
    kept(folder, store, "old", day="2026-10-20")
    yard = Yard(folder / "noshow", "noshow", store, 1 << 30, 0, 30, lambda: datetime(2026, 11, 21, tzinfo=UTC), key=KEY)
    yard.tidy(forget=True)
    assert len(store.paths("noshow/.journal")) == 2
    assert audited(store) == (7, [], []) and yard.lacking() == []
    [path] = store.paths(ROOT)
    store.delete([path])
    assert len(audited(store).missing) == 1, "a part of a day that is kept"


def test_an_instance_that_was_silent_for_long_goes_on_with_its_chain(folder: Path, store: Store) -> None:
    """Its note in the folder is forgotten with its last copy, and later its first part goes from the store."""
    journal = started(folder, store, turn=600.0)

    def tidied(day: str) -> None:
        now = datetime.fromisoformat(f"{day}T12:00:00+00:00")
        Yard(folder / "noshow", "noshow", store, 1 << 30, 30, 60, lambda: now, key=KEY).tidy(wait=True, forget=True)

    for day in ("2026-09-01", "2026-10-06"):
        journal.append([line(day, f"{day}T10:00:00Z")])
        with journal._turn:
            journal._retire()
        journal.yard.tidy(wait=True)
        tidied("2026-10-05" if day < "2026-10" else "2026-11-02")
    journal.close()
    assert ids(store, "2026-01-01", "2026-12-31") == ["2026-10-06"]
    assert audited(store) == (2, [], [])


@pytest.mark.parametrize("rooms", [1, 2])
def test_a_number_is_not_left_out(folder: Path, store: Store, rooms: int) -> None:
    """A segment into which nothing was written has no number: it would look like a part that is lost."""
    journal = started(folder, store, turn=60.0)
    for number in range(rooms):
        journal.append([line(f"a-{number}")])
        with journal._turn:
            journal._ready("2026-11-22")  # of another day: begun, and nothing is written
            journal._retire()
    journal.close()
    assert audited(store) == (rooms, [], [])


def test_a_segment_of_a_newer_release_stays_where_it_is(folder: Path, store: Store) -> None:
    place = folder / "noshow"
    place.mkdir(parents=True)
    newer = place / "newer-000001.jsonl"
    newer.write_text(json.dumps({**line("n"), "format": 2}) + "\n")
    journal = started(folder, store)
    journal.append([line("a")])
    journal.close()
    assert ids(store) == ["a"] and newer.exists()
    with pytest.raises(Refused, match=r"newer-000001\.jsonl has format 2; this release knows 1.*Do not delete"):
        journal.yard.tidy(wait=True)


def test_another_key_is_refused_at_start(folder: Path, store: Store) -> None:
    started(folder, store).close()
    with pytest.raises(Refused, match="is written with the key"):
        started(folder, store, key=b"another secret of these tests, long enough")
