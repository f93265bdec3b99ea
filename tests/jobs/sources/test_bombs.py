"""A file that is small when packed and fills a machine when read is refused, and told what allows it."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from jobs.sources import file
from jobs.sources.cells import check_cells
from jobs.sources.footer import Damaged, _Compact, sizes
from rounds.errors import Refused
from rounds.recorded import Ledger
from rounds.settings import ROOT
from rounds.store import open_store

MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDS_UNPACKED", "10 MB")
    monkeypatch.setenv("ROUNDS_CELL", "100 kB")
    monkeypatch.setenv("ROUNDS_PART", "1 MB")


def refused(path: Path, said: str) -> None:
    with pytest.raises(Refused, match=said):
        file.land_table(path, path.with_name("landed.parquet"), path.parent)


def repeated(text: str, times: int) -> pl.DataFrame:
    """A column that holds a text once, and many times its number."""
    once = pl.Series("a", [text], dtype=pl.Categorical)
    return once.gather(pl.zeros(times, dtype=pl.UInt32, eager=True)).to_frame()


def test_a_csv_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 5_000_000))
    refused(path, r"unpacks to more than 10.0 MB \(ROUNDS_UNPACKED sets this limit\)")
    assert (tmp_path / "unpacked" / "t.csv").stat().st_size <= 10_000_000


@pytest.mark.parametrize("inner", [b"x", b"x,\n", b'""', b"\n"])
def test_a_cell_that_is_too_large(tmp_path: Path, inner: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'a,b\n1,"' + inner * (200_000 // len(inner)) + b'"\n3,4\n')
    refused(path, r"has a cell of more than 100.0 kB \(ROUNDS_CELL sets this limit\)")


def test_a_row_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"," * 11_000_000 + b"\n")
    refused(path, "has a row of more than 10.0 MB, 100 times what ROUNDS_CELL allows")


def test_cells_as_large_as_they_may_be_pass_wherever_they_lie(tmp_path: Path) -> None:
    draw = random.Random(7)
    path = tmp_path / "t.csv"
    for _ in range(50):
        cells = ["x" * draw.randint(0, 99_000), '"' + "y,\n" * draw.randint(0, 33_000) + '"', '""",z"']
        path.write_text("a,b,c\n" + "".join(",".join(draw.sample(cells, 3)) + "\n" for _ in range(5)), encoding="utf-8")
        check_cells(path)
        path.write_text(path.read_text(encoding="utf-8") + "1," + "x" * 100_001 + ",2\n", encoding="utf-8")
        with pytest.raises(Refused, match="has a cell of more than"):
            check_cells(path)


def test_the_sizes_of_a_parquet_file_are_those_of_its_pages(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [f"{i:07}" for i in range(50_000)], "b": range(50_000), "c": [None] * 50_000})
    for compression in ("uncompressed", "zstd", "snappy"):
        table.write_parquet(tmp_path / "t.parquet", compression=compression, row_group_size=20_000)  # type: ignore[arg-type]
        found = sizes(tmp_path / "t.parquet")
        assert 700_000 < found.unpacked < 1_500_000
        assert found.group == 60_000


def test_a_parquet_file_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": range(3_000_000)}).write_parquet(path)
    refused(path, "unpacks to more than 10.0 MB")


def test_a_value_that_a_dictionary_repeats(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    repeated("x" * 90_000, 200).write_parquet(path)
    assert sizes(path).unpacked < MEGABYTE
    refused(path, "unpacks to more than 10.0 MB")
    repeated("x" * 90_000, 200).cast(pl.String).write_parquet(path)
    refused(path, "unpacks to more than 10.0 MB")


def test_a_value_of_parquet_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": ["x" * 200_000]}).write_parquet(path)
    refused(path, "has a cell of more than 100.0 kB")


def test_a_page_or_a_group_of_rows_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": ["x" * 9_000_000]}).write_parquet(path)
    monkeypatch.setenv("ROUNDS_CELL", "10 kB")
    refused(path, "has a page of more than 1.3 MB, 128 times what ROUNDS_CELL allows")
    pl.DataFrame({"a": [1] * 2_000}).write_parquet(path)
    monkeypatch.setattr(file, "GROUP", 1_000)
    refused(path, "has 2,000 values in one group of rows; want at most 1,000")


def test_a_part_of_a_journal_that_unpacks_to_too_much(tmp_path: Path) -> None:
    store = open_store((tmp_path / "store").as_uri())
    path = "noshow/.journal/2026-03-10/a-000001.jsonl.gz"
    store.write(path, gzip.compress(b'{"id": "1"}\n' * 1_000_000))
    part = Ledger(store, "noshow", bytes(32)).table(path, pl.Schema({"id": pl.String()}))
    assert "unpacks to more than 1.0 MB (ROUNDS_PART sets this limit)" in part.trouble


def test_a_limit_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDS_CELL", "much")
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n")
    refused(tmp_path / "t.csv", "ROUNDS_CELL is 'much'; want bytes above 0, such as 1 MB")


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """Each of these would take gigabytes."""
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(b'a\n"' + b"\n" * 300 * MEGABYTE, 1))
    repeated("x" * 900_000, 1_000_000).write_parquet(tmp_path / "repeated.parquet")
    script = """
import resource, sys
from pathlib import Path
from jobs.sources.file import land_table
from rounds.errors import Refused
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in ("packed.csv.gz", "repeated.parquet"):
    try:
        land_table(Path(name), Path("landed.parquet"), Path("."))
    except Refused as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    own = {"PATH": "", "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "2"}
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=own, capture_output=True, text=True, check=True
    )
    first, second, kilobytes = ended.stdout.splitlines()
    assert "packed.csv.gz has a cell" in first or "packed.csv has a cell" in first
    assert "unpacks to more than 10.0 GB" in second
    assert int(kilobytes) < 300_000


NUMBER = b"\xfe" + b"\xff" * 8 + b"\x7f"  # of 70 bits
# The beginning of a footer: row groups, of which one has one column.
GROUP = b"\x49\x1c\x19\x1c"
FOOTERS = {
    "a number where a column's data should be": GROUP + b"\x35\x02\x00\x00\x00",
    "a page far outside the file": GROUP + b"\x3c\x56\x02\x26\x02\x26" + NUMBER + b"\x00\x00\x00\x00",
    "an endless number": b"\x15" + b"\xff" * 1000,
}


@pytest.mark.parametrize("name", FOOTERS)
def test_a_footer_that_is_nonsense_is_damage(name: str, tmp_path: Path) -> None:
    footer = FOOTERS[name]
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(Damaged):
        sizes(path)
    refused(path, "is a Parquet file that is damaged")


def test_a_number_of_a_footer_has_an_end() -> None:
    assert _Compact(b"\xff" * 9 + b"\x01").varint() == 2**64 - 1
    with pytest.raises(ValueError, match="too long"):
        _Compact(b"\xff" * 10 + b"\x01").varint()
