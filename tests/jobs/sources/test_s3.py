"""A table from a bucket: landed as a file would be, known before it is read, and every no is a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rounds.errors import Refused
from rounds.sourced import S3, File, parse_source
from rounds.store import Store, open_store
from tests.checkout import KNOBS, Checkout
from tests.jobs.bad_sources import BAD, ODD
from tests.s3 import Server
from tests.warm import Warm

LOCAL = File(kind="file", path="t.csv")


@pytest.fixture
def bucket(s3: Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty one, as a store that a test may put tables into."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return open_store(f"s3://{s3.bucket()}")


@pytest.fixture
def here(unchanged: Checkout, tmp_path: Path) -> Checkout:
    return unchanged.at(tmp_path)


def rows(here: Checkout) -> list[tuple[Any, ...]]:
    return pl.read_parquet(here.file("ingest", "table.parquet")).rows()


def test_what_is_typed_is_a_source() -> None:
    assert parse_source("s3://bucket/a/t.csv.gz", LOCAL) == S3(kind="s3", url="s3://bucket/a/t.csv.gz")


@pytest.mark.parametrize("typed", ["s3://", "s3://bucket", "s3://bucket/", "s3:///t.csv", "s3://k:secret@bucket/t.csv"])
def test_what_is_no_object_is_refused(typed: str) -> None:
    with pytest.raises(Refused, match="want s3://bucket/key") as refused:
        parse_source(typed, LOCAL)
    assert "secret" not in str(refused.value)


@pytest.mark.docker
@pytest.mark.parametrize("name", ["exact text", "gzip, called csv", "Parquet of numbers"])
def test_every_kind_of_table_passes(here: Checkout, warm: Warm, bucket: Store, name: str) -> None:
    bucket.write("a folder/t.csv", ODD[name].content())
    ended = warm.run(here, "ingest", SOURCE=f"{bucket.url}/a%20folder/t.csv")
    assert ended.code == 0, ended.text
    assert rows(here) == ODD[name].rows


@pytest.mark.docker
def test_an_unchanged_object_is_not_brought_again(here: Checkout, warm: Warm, bucket: Store) -> None:
    source = f"{bucket.url}/t.csv"
    bucket.write("t.csv", b"a,b\n007,2\n")
    assert warm.run(here, "ingest", SOURCE=source).code == 0
    assert "same as run a, nothing changed" in warm.run(here, "ingest", "b", SOURCE=source).text
    bucket.write("t.csv", b"a,b\n008,2\n")
    assert warm.run(here, "ingest", SOURCE=source).code == 0
    assert here.why("ingest")[0].startswith("source.etag ")
    assert rows(here) == [("008", "2")]


@pytest.mark.docker
def test_a_source_of_problem_yaml(checkout: Checkout, warm: Warm, bucket: Store) -> None:
    bucket.write("t.csv", b"a,b\n007,2\n")
    file = checkout.root / KNOBS
    lines = file.read_text(encoding="utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("source:"))
    until = next(i for i, line in enumerate(lines[at + 1 :], at + 1) if line and not line.startswith(" "))
    lines[at:until] = [f"source: {{kind: s3, url: {bucket.url}/t.csv}}"]
    file.write_text("\n".join(lines), encoding="utf-8")
    ended = warm.run(checkout, "ingest")
    assert ended.code == 0, ended.text
    assert checkout.content("ingest")["facts"]["source"] == "s3"


@pytest.mark.docker
def test_what_is_no_table_is_refused(here: Checkout, warm: Warm, bucket: Store) -> None:
    bad = BAD["a workbook"]
    bucket.write("t.csv", bad.content())
    assert bad.said in warm.run(here, "ingest", SOURCE=f"{bucket.url}/t.csv").sentence(2)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({}, 2, "there is no s3://"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, 2, "answers 403 Forbidden. See that the keys"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, 2, "AWS_SECRET_ACCESS_KEY is not set"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "STORE_TIMEOUT": "3"},
            1,
            "nobody listens there. Run again when it can",
        ),
    ],
)
def test_what_fails_on_the_way(
    here: Checkout, warm: Warm, bucket: Store, given: dict[str, str], code: int, said: str
) -> None:
    ended = warm.run(here, "ingest", SOURCE=f"{bucket.url}/none.csv", **given)
    assert said in ended.sentence(code)
