"""How much is read to find one prediction: what its id can lie in, and never the whole journal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import rounds.store
from rounds import recorded
from rounds.evidence import Altered
from rounds.journal import NIGHTLY
from rounds.store import Store
from serving import searching
from serving.shipping import Yard
from tests.serving.keeping import ledger, started
from tests.serving.writing import KEY, id_of, line

NOW = datetime.now(UTC)


def at(days: int) -> str:
    return (NOW - timedelta(days=days)).isoformat(timespec="milliseconds")


@pytest.fixture
def month(tmp_path: Path, store: Store) -> dict[int, str]:
    """Thirty days of parts, of which this machine has none; answers an id of each day."""
    ids = {days: id_of(f"d-{days}", at(days)) for days in range(30)}
    for days, id in ids.items():
        journal = started(tmp_path / f"elsewhere-{days}", store, turn=60.0)
        journal.append([line(id, at(days))])
        journal.close()
    return ids


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the parts that were read from the store."""
    found: list[str] = []

    def point(name: str) -> None:
        if name.startswith("before read") and name.endswith(".gz"):
            found.append(name)

    monkeypatch.setattr(rounds.store, "point", point)
    return found


@pytest.fixture
def yard(folder: Path, store: Store) -> Iterator[Yard]:
    folder.mkdir()
    yield Yard(folder, "noshow", store, 0, 0, 0, key=KEY)


def test_only_the_days_of_the_id_are_read(month: dict[int, str], yard: Yard, reads: list[str]) -> None:
    for days, id in month.items():
        reads.clear()
        found = searching.find(yard, id)
        assert found is not None and found["id"] == id
        assert 1 <= len(reads) <= 3, days


def test_an_id_that_nobody_has_is_looked_for_in_few_parts(
    month: dict[int, str], yard: Yard, store: Store, tmp_path: Path, reads: list[str]
) -> None:
    journal = started(tmp_path / "busy", store, segment_bytes=1, turn=60.0)
    for number in range(2 * searching.SEARCHED):
        journal.append([line(id_of(f"b-{number}", at(0)), at(0))])
    journal.close()
    reads.clear()
    assert searching.find(yard, id_of("nobody", at(0))) is None
    assert len(reads) <= searching.SEARCHED


def test_a_part_that_is_altered_hides_only_its_own_predictions(tmp_path: Path, store: Store, yard: Yard) -> None:
    ids, paths = [id_of("first"), id_of("second")], list[str]()
    for id in ids:
        journal = started(tmp_path / id, store, turn=60.0)
        journal.append([line(id)])
        journal.close()
        paths += {*store.paths("noshow/.journal")} - {*paths}
    store.write(paths[0], (store.read(paths[0]) or b"")[:-40])
    store.write(paths[1], store.read(paths[1]) or b"")  # so that the altered one is read first
    found = searching.find(yard, ids[1])
    assert found is not None and found["id"] == ids[1]
    with pytest.raises(Altered, match="is altered or damaged"):
        searching.find(yard, ids[0])


@pytest.mark.parametrize("id", ["id", "", "at", "x" * 32, "0" * 31, "0" * 33, "A" * 32, '"who":', "0" * 32 + "\n"])
def test_what_is_no_id_is_looked_for_nowhere(id: str, month: dict[int, str], yard: Yard, reads: list[str]) -> None:
    reads.clear()
    assert searching.find(yard, id) is None and reads == []


@pytest.mark.parametrize("id", ["0" * 32, "7" * 32, "9" * 32])
def test_an_id_of_no_day_that_was_is_looked_for_nowhere(
    id: str, month: dict[int, str], yard: Yard, reads: list[str]
) -> None:
    reads.clear()
    assert searching.find(yard, id) is None and reads == []


def test_one_of_the_nightly_list_is_found_in_its_parts_alone(
    month: dict[int, str], yard: Yard, store: Store, reads: list[str]
) -> None:
    wanted = f"{NIGHTLY}{5:028x}"
    table = pl.DataFrame([{"id": f"{NIGHTLY}{row:028x}", "at": "", "format": 1, "score": 0.5} for row in range(9)])
    ledger(store).ship([table], "score-0123456789abcdef")
    reads.clear()
    found = searching.find(yard, wanted)
    assert found is not None and found["id"] == wanted
    assert [path.rsplit("/", 1)[-1] for path in reads] == ["score-0123456789abcdef-000001.jsonl.gz"]


def test_only_the_beginning_of_a_line_is_an_id() -> None:
    one, other = id_of("one"), id_of("other")
    content = b'{"id":"%s","format":1,"note":"%s"}\n' % (one.encode(), other.encode())
    assert recorded.search(content, one) is not None
    assert recorded.search(content, other) is None
    assert recorded.search(content[:-1], one) is None, "a torn line"
