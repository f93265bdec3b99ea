"""The store puts whole objects or none, and says in a sentence what it could not do."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from rounds.errors import Refused, StoreError
from rounds.store import Store, open_store, sha256

pytestmark = pytest.mark.data_safety


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "a store").as_uri())


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.docker)])
def either(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in a folder, and one in a bucket: whoever uses them sees no difference."""
    if request.param == "file":
        return open_store((tmp_path / "a store").as_uri())
    server = request.getfixturevalue("s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return open_store(f"s3://{server.bucket()}/a prefix/of two")


def test_what_was_put_comes_back(either: Store, tmp_path: Path) -> None:
    either.write("p/a/x.json", b"1")
    either.write("p/a/x.json", b"22")
    assert either.read("p/a/x.json") == b"22"
    assert either.digest("p/a/x.json") == hashlib.sha256(b"22").hexdigest()
    either.download("p/a/x.json", tmp_path / "local")
    assert (tmp_path / "local").read_bytes() == b"22"


def test_an_object_that_would_fill_the_memory_is_refused(either: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDS_OBJECT", "1 kB")
    either.write("p/small", bytes(1000))
    either.write("p/large", bytes(1001))
    assert either.read("p/small") == bytes(1000)
    with pytest.raises(StoreError, match=r"p/large .* has more than 1\.0 kB \(ROUNDS_OBJECT sets this limit\)"):
        either.read("p/large")


def test_a_large_file_goes_up_and_down_whole(either: Store, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 80_000)
    either.upload(source, "p/large")
    either.download("p/large", target)
    assert sha256(target) == sha256(source) == either.digest("p/large")


def test_nothing_is_none(either: Store) -> None:
    assert either.read("p/nothing") is None
    assert either.digest("p/nothing") is None
    assert either.paths("p") == []
    assert either.folders("") == []


def test_names_under_a_prefix(either: Store) -> None:
    for path in ("p/b/y", "p/a/x", "q/c"):
        either.write(path, b"")
    assert either.paths("p") == ["p/a/x", "p/b/y"]
    assert either.folders("") == ["p", "q"]
    assert either.folders("p") == ["a", "b"]
    either.delete(["p/a/x"])
    assert either.paths("p") == ["p/b/y"]


def test_who_removes_what_is_gone_already_removes_the_rest(either: Store) -> None:
    either.write("p/last", b"")
    either.delete(["p/first", "p/last"])
    assert either.paths("p") == []


def test_one_of_many_claims(either: Store) -> None:
    won: list[bool] = []
    threads = [threading.Thread(target=lambda i=i: won.append(either.claim("p/once", b"%d" % i))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


def test_what_is_being_put_is_not_seen(store: Store) -> None:
    assert store.root is not None
    (store.root / "p").mkdir()
    (store.root / "p/x.json#1").write_bytes(b"half")  # what a killed put leaves behind
    assert store.paths("p") == []
    store.write("p/x.json", b"whole")
    assert store.paths("p") == ["p/x.json"]


def test_a_missing_object_cannot_be_brought(either: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="could not download p/nothing"):
        either.download("p/nothing", tmp_path / "local")


def test_a_store_that_went_is_not_an_empty_one(store: Store) -> None:
    assert store.root is not None
    store.root.rmdir()
    with pytest.raises(StoreError, match="is gone"):
        store.read("p/x")


@pytest.mark.parametrize("url", ["", "/folder", "http://x", "file:relative", "file://host/folder"])
def test_a_url_of_no_known_kind(url: str) -> None:
    with pytest.raises(Refused, match=r"want file:///a/folder or s3://bucket/prefix"):
        open_store(url)
