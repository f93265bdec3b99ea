"""A step reads exactly what was promised, and what it wrote is on record."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from rounds.errors import Refused
from rounds.files import Reader, Writer, acceptable
from rounds.manifest import Circumstances, Content, Ingredients, Kept, Manifest, Verdict
from rounds.store import Store, open_store

pytestmark = pytest.mark.data_safety

READ = Ingredients(code={}, knobs={}, packages={}, inputs={}, also={})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    (tmp_path / "scratch").mkdir()
    return Writer(tmp_path / "scratch")


def manifest(files: dict[str, Kept], places: dict[str, str], verdict: Verdict = "done") -> Manifest:
    circumstances = Circumstances(
        why=(), same_as=None, read=READ, places=places, started="", seconds=0, machine="", python=""
    )
    content = Content(verdict=verdict, files=files, facts={"rows": 1}, message="It is bad.")
    return Manifest(problem="p", run="a", step="ingest", content=content, circumstances=circumstances)


def reader(store: Store, write: Writer) -> Reader:
    kept, places = write.keep(store, "p", "a", "ingest", refused=False)
    return Reader("p", "a", store, write.scratch, {"ingest": manifest(kept, places)}, {})


def test_what_was_written_is_read(store: Store, write: Writer) -> None:
    write.text("t.txt", "ä")
    read = reader(store, write)
    assert read.path("ingest", "t.txt").read_text(encoding="utf-8") == "ä"
    assert read.facts("ingest") == {"rows": 1}


@pytest.mark.parametrize(
    ("harm", "said"), [(Path.unlink, "is gone"), (lambda path: path.write_bytes(b""), "was altered")]
)
def test_other_bytes_are_not_read(store: Store, write: Writer, harm: object, said: str) -> None:
    write.text("t.txt", "text")
    read = reader(store, write)
    harm(read.path("ingest", "t.txt"))  # type: ignore[operator]
    with pytest.raises(Refused, match=rf"{said}.* Run 'ingest' of run a again"):
        read.path("ingest", "t.txt")


def test_a_file_that_nobody_wrote_is_named(store: Store, write: Writer) -> None:
    write.text("t.txt", "text")
    with pytest.raises(Refused, match=r"'ingest' of run a wrote no u.txt \(found: t.txt\)"):
        reader(store, write).path("ingest", "u.txt")


def test_equal_json_is_equal_bytes(write: Writer) -> None:
    write.json("one", {"b": 1, "a": "ä"})
    write.json("two", {"a": "ä", "b": 1})
    assert write.path("one").read_bytes() == write.path("two").read_bytes()
    with pytest.raises(ValueError, match="Out of range"):
        write.json("three", math.nan)


def test_other_bytes_lie_elsewhere(store: Store, write: Writer) -> None:
    write.text("t.tar.gz", "one")
    _, first = write.keep(store, "p", "a", "ingest", refused=False)
    write.text("t.tar.gz", "two")
    _, second = write.keep(store, "p", "a", "ingest", refused=False)
    assert first != second
    assert len(store.paths("p/a/ingest")) == 2
    assert first["t.tar.gz"].startswith("p/a/ingest/t.")
    assert first["t.tar.gz"].endswith(".tar.gz")


def test_refused_work_keeps_what_there_is(store: Store, write: Writer) -> None:
    write.text("report.txt", "no")
    write.path("table.parquet")
    kept, _ = write.keep(store, "p", "a", "ingest", refused=True)
    assert list(kept) == ["report.txt"]
    with pytest.raises(FileNotFoundError):
        write.keep(store, "p", "a", "ingest", refused=False)


def test_what_a_later_step_may_build_on() -> None:
    done, skipped = manifest({}, {}), manifest({}, {}, "skipped")
    assert acceptable(done, "ingest", "a") is done
    assert acceptable(skipped, "ingest", "a") is skipped
    with pytest.raises(Refused, match=r"'ingest' of run a was refused: It is bad\. Mend that"):
        acceptable(manifest({}, {}, "refused"), "ingest", "a")
    with pytest.raises(Refused, match=r"'ingest' was not done in run a\. Run 'ingest' first\."):
        acceptable(None, "ingest", "a")
