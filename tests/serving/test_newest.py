"""The newest predictions from before a start, whatever has become of the segments that hold them."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rounds.store import Store
from serving import newest
from serving.newest import Newest
from tests.serving.keeping import started
from tests.serving.writing import id_of, line

MORE = {"who": None, "model": "NoShowXGBoost", "version": 1, "band": "low", "history": "known"}
IDS = [id_of(f"a-{number}") for number in range(3)]


def shown(folder: Path) -> list[str]:
    journal = started(folder, None, turn=60.0)
    found = Newest(journal)
    found.load()
    journal.close()
    return [each["id"] for each in found.predictions(50)]


@pytest.fixture
def packed(folder: Path) -> Path:
    """A part of three predictions that waits for the store."""
    journal = started(folder, None, turn=60.0)
    journal.append([line(id, **MORE) for id in IDS])
    journal.close()
    [path] = (folder / "noshow" / "waiting").glob("*/*")
    return path


def test_a_segment_that_lies_there_a_second_time_is_shown_once(folder: Path, packed: Path) -> None:
    """As a kill leaves it between packing a segment and removing it."""
    _, _, lines = gzip.decompress(packed.read_bytes()).partition(b"\n")
    (folder / "noshow" / f"{packed.name[:19]}.jsonl").write_bytes(lines)
    assert shown(folder) == IDS[::-1]


def test_a_segment_that_is_shipped_meanwhile_is_shown(
    folder: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = folder / "noshow" / "shipped" / packed.parent.name / packed.name
    read = newest._tail

    def tail(path: Path) -> bytes | None:
        if path == packed and packed.exists():
            to.parent.mkdir(parents=True)
            shutil.move(packed, to)
        return read(path)

    monkeypatch.setattr(newest, "_tail", tail)
    assert shown(folder) == IDS[::-1]


@pytest.mark.parametrize("change", [lambda raw: raw[:60], lambda raw: raw[:40] + bytes(30) + raw[70:], lambda _: b""])
def test_a_segment_that_is_damaged_hides_no_other(
    folder: Path, store: Store, packed: Path, change: Callable[[bytes], bytes]
) -> None:
    packed.write_bytes(change(packed.read_bytes()))
    journal = started(folder, None, turn=60.0)
    journal.append([line(id_of("b"), **MORE)])
    journal.close()
    assert shown(folder) == [id_of("b")]
