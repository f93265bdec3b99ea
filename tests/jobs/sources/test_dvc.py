"""A DVC pointer stands for the file beside it or in DVC's cache, and for no other bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest

from tests.checkout import Checkout
from tests.warm import Warm

TABLE = b"a,b\n007,2\n"
MD5 = hashlib.md5(TABLE, usedforsecurity=False).hexdigest()
POINTER = f"outs:\n- md5: {MD5}\n  size: {len(TABLE)}\n  hash: md5\n  path: t.csv\n"


@pytest.fixture
def here(checkout: Checkout) -> Checkout:
    (checkout.root / "data").mkdir()
    (checkout.root / "data/t.csv.dvc").write_text(POINTER, encoding="utf-8")
    return checkout


def cached(here: Checkout, content: bytes = TABLE) -> Path:
    path = here.root / ".dvc/cache/files/md5" / MD5[:2] / MD5[2:]
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def passes(here: Checkout, warm: Warm) -> None:
    ended = warm.run(here, "ingest", SOURCE="data/t.csv.dvc")
    assert ended.code == 0, ended.text
    assert pl.read_parquet(here.file("ingest", "table.parquet")).rows() == [("007", "2")]


def test_the_file_beside_the_pointer_passes(here: Checkout, warm: Warm) -> None:
    (here.root / "data/t.csv").write_bytes(TABLE)
    passes(here, warm)


def test_the_file_in_the_cache_passes(here: Checkout, warm: Warm) -> None:
    cached(here)
    passes(here, warm)


def test_an_altered_file_gives_way_to_the_cache(here: Checkout, warm: Warm) -> None:
    (here.root / "data/t.csv").write_bytes(b"a,b\n008,2\n")
    cached(here)
    passes(here, warm)


@pytest.mark.data_safety
@pytest.mark.parametrize("damage", [b"", b"a,b\n008,2\n"])
def test_an_altered_file_is_refused(here: Checkout, warm: Warm, damage: bytes) -> None:
    (here.root / "data/t.csv").write_bytes(damage)
    cached(here, damage)
    assert "t.csv is another file than data/t.csv.dvc" in warm.run(here, "ingest", SOURCE="data/t.csv.dvc").sentence(2)


def test_a_missing_file_is_refused(here: Checkout, warm: Warm) -> None:
    assert "t.csv is not here" in warm.run(here, "ingest", SOURCE="data/t.csv.dvc").sentence(2)


def test_a_missing_pointer_is_refused(here: Checkout, warm: Warm) -> None:
    assert "there is no DVC pointer data/u.csv.dvc" in warm.run(here, "ingest", SOURCE="data/u.csv.dvc").sentence(2)


@pytest.mark.parametrize(
    "text", ["", "garbage", "outs: []", "outs: {}", "outs: [{path: t.csv}]", "outs: [", "- 1", "\x00", "outs: [3]"]
)
def test_a_pointer_of_nonsense_is_refused(here: Checkout, warm: Warm, text: str) -> None:
    (here.root / "data/t.csv.dvc").write_text(text, encoding="utf-8")
    assert "is not a DVC pointer" in warm.run(here, "ingest", SOURCE="data/t.csv.dvc").sentence(2)


def test_a_pointer_that_is_no_text_is_refused(here: Checkout, warm: Warm) -> None:
    (here.root / "data/t.csv.dvc").write_bytes(b"\xff\xfe\x00")
    assert "is not a DVC pointer" in warm.run(here, "ingest", SOURCE="data/t.csv.dvc").sentence(2)


@pytest.mark.parametrize("path", ["/etc/hostname", "../outside.csv", "link/outside.csv"])
def test_a_pointer_stands_for_no_file_elsewhere(here: Checkout, warm: Warm, path: str) -> None:
    (here.root / "outside.csv").write_bytes(TABLE)
    (here.root / "data/link").symlink_to(here.root)
    (here.root / "data/t.csv.dvc").write_text(f"outs:\n- {{md5: {MD5}, path: {path}}}\n", encoding="utf-8")
    assert "outside its own folder" in warm.run(here, "ingest", SOURCE="data/t.csv.dvc").sentence(2)


@pytest.mark.parametrize("md5", [f"{MD5}.dir", "../../../../outside.csv"])
def test_a_pointer_without_a_digest_of_a_file_is_refused(here: Checkout, warm: Warm, md5: str) -> None:
    (here.root / "data/t.csv.dvc").write_text(f"outs:\n- {{md5: {md5}, path: t.csv}}\n", encoding="utf-8")
    assert "does not stand for one file" in warm.run(here, "ingest", SOURCE="data/t.csv.dvc").sentence(2)
