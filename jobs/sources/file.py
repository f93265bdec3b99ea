"""A csv, csv.gz or Parquet file on this machine, told apart by its first bytes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from jobs.sources.cells import check_cells
from jobs.sources.footer import Damaged, sizes
from rounds.errors import Refused, SourceError
from rounds.files import Reader
from rounds.limits import CELL, UNPACKED
from rounds.manifest import Facts
from rounds.parquet import sink
from rounds.settings import ROOT
from rounds.sourced import File
from rounds.store import sha256
from rounds.words import size

HEAD = 1024 * 1024
GZIP = b"\x1f\x8b"
PAGE = 128  # cells of the largest size to a page of Parquet: polars holds some whole
GROUP = 128_000_000  # values to a group of rows: polars holds 16 bytes of each
_NOT_TABLES = {
    b"PK\x03\x04": "a zip or an Excel workbook",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}


def fingerprint(source: File, read: Reader) -> Facts:
    return {"sha256": sha256(_found(source))}


def land(source: File, read: Reader, target: Path) -> None:
    land_table(_found(source), target, read.scratch, source.separator or ",", source.commas)


def _found(source: File) -> Path:
    path = ROOT / Path(source.path).expanduser()
    if not path.is_file():
        raise Refused(f"the source {path} is not a file. Correct SOURCE= or source.path in problem.yaml.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise SourceError(f"the source {path} cannot be read: {error.strerror}. Mend that and run again.") from error
    return path


def land_table(path: Path, target: Path, scratch: Path, separator: str = ",", commas: Sequence[str] = ()) -> None:
    """Stream the table in a file to Parquet; what is no table is refused in a sentence.

    `commas` are the columns of a csv whose numbers have a decimal comma.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head[:2] == GZIP:
        path = _unpacked(path, scratch)
        with path.open("rb") as file:
            head = file.read(4)
    if head == b"PAR1":
        _land_parquet(path, target)
    elif head in _NOT_TABLES or head[:2] == GZIP:
        kind = _NOT_TABLES.get(head, "packed twice")
        raise Refused(f"the source {path.name} is {kind}; want csv, csv.gz or Parquet. Export it as one of these.")
    else:
        _land_csv(path, target, separator, commas)


def _unpacked(path: Path, scratch: Path) -> Path:
    folder = scratch / "unpacked"  # of its own: the file may be called like another one in scratch
    folder.mkdir(exist_ok=True)
    plain = folder / path.name.removesuffix(".gz")
    most = UNPACKED.bytes
    try:
        with gzip.open(path) as packed, plain.open("wb") as file:
            while block := packed.read(HEAD):
                if file.tell() + len(block) > most:
                    raise Refused(f"the source {path.name} unpacks to {UNPACKED}. See what it holds.")
                file.write(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Refused(
            f"the source {path.name} is a gzip file that ends early or is damaged. Fetch it again."
        ) from error
    return plain


def _parquet(path: Path) -> pl.LazyFrame:
    _check_packed(path)
    try:
        table = pl.scan_parquet(path, glob=False)
        schema = table.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Refused(f"the source {path.name} is a Parquet file that is damaged. Fetch it again.") from error
    for place, kind in enumerate(schema.dtypes(), start=1):
        if kind.is_nested() or kind in (pl.Binary, pl.Duration, pl.Object):
            # Names of fields would be told with a struct, and a name may be a patient's value.
            raise Refused(f"the source {path.name} holds {kind.base_type()} in column {place}; want plain values.")
    return table


def _check_packed(path: Path) -> None:
    """Refuse what polars would unpack to more than it may, before it does."""
    try:
        found = sizes(path)
    except Damaged as error:
        raise Refused(f"the source {path.name} is a Parquet file that is damaged. Fetch it again.") from error
    if max(found.unpacked, found.values) > UNPACKED.bytes:  # a page of equal values may be of any number of them
        raise Refused(f"the source {path.name} unpacks to {UNPACKED}. See what it holds.")
    if found.page > PAGE * CELL.bytes:
        raise Refused(
            f"the source {path.name} has a page of more than {size(PAGE * CELL.bytes)}, {PAGE} times what "
            f"{CELL.setting} allows to a cell. See what it holds, or write it anew with smaller pages."
        )
    if found.group > GROUP:
        raise Refused(
            f"the source {path.name} has {found.group:,} values in one group of rows; want at most {GROUP:,}. "
            "Write it anew with smaller groups of rows."
        )


def _check_texts(path: Path, table: pl.LazyFrame) -> None:
    """Refuse texts that a dictionary repeats to more than they may be; their lengths are known without a copy."""
    lengths = []
    for name, kind in table.collect_schema().items():
        if kind == pl.String:
            lengths.append(pl.col(name).str.len_bytes())
        elif kind in (pl.Categorical, pl.Enum):
            lengths.append(pl.col(name).cat.len_bytes())
    if not lengths:
        return
    longest = pl.max_horizontal(length.max() for length in lengths).alias("longest")
    total = pl.sum_horizontal(length.cast(pl.Int64).sum() for length in lengths).alias("total")
    largest, all_bytes = table.select(longest, total).collect(engine="streaming").row(0)
    if (largest or 0) > CELL.bytes:
        raise Refused(f"the source {path.name} has a cell of {CELL}. See what it holds.")
    if (all_bytes or 0) > UNPACKED.bytes:
        raise Refused(f"the source {path.name} unpacks to {UNPACKED}. See what it holds.")


def _land_parquet(path: Path, target: Path) -> None:
    table = _parquet(path)
    try:
        _check_texts(path, table)
        sink(table.select(pl.all().cast(pl.String)), target)
    except pl.exceptions.PolarsError as error:
        _unless_of_the_disk(error)
        raise Refused(f"the source {path.name} is a Parquet file that is damaged. Fetch it again.") from error


def _unless_of_the_disk(error: pl.exceptions.PolarsError) -> None:
    """polars has one error for a damaged table and a full disk; of the latter a retry may rid us."""
    if "(os error" in str(error):
        raise error


def _land_csv(path: Path, target: Path, separator: str, commas: Sequence[str]) -> None:
    check_cells(path, separator)
    names = _header(path, separator)
    if len(names) == 1 and (other := next((mark for mark in ",;\t|" if mark in names[0]), None)):
        raise Refused(
            f"the source {path.name} has one column, parted by {other!r} it seems; want a csv parted by {separator!r}. "
            f"Say 'csv: {{separator: {json.dumps(other)}}}' in problem.yaml if that is how it is written."
        )
    if not any(names):
        raise Refused(f"the source {path.name} begins with an empty line; want a header. Remove what is above it.")
    _check_doubled(path, names)
    try:
        sink(
            pl.scan_csv(
                path,
                infer_schema=False,
                glob=False,
                separator=separator,
                schema=dict.fromkeys(names, pl.String),
            ).with_columns(_with_points(name) for name in names if name.strip("\ufeff \t\r\n") in commas),
            target,
        )
    except pl.exceptions.PolarsError as error:
        _unless_of_the_disk(error)
        fault = (
            _undecodable(path) or _ragged(path, len(names), separator) or "quotes or line ends stand where none should"
        )
        raise Refused(
            f"the source {path.name} is no csv that can be read: {fault}. Mend or export it again."
        ) from error


def _with_points(name: str) -> pl.Expr:
    """Numbers with a decimal point. Point and comma change places, so 3,14 is read and 3.14 or 1.000,5 is no number."""
    return pl.col(name).str.replace_many({",": ".", ".": ","})


def _check_doubled(path: Path, names: list[str]) -> None:
    """By place, not by name: without a header the names are a patient's values."""
    places: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        first = places.setdefault(name, place)
        if first != place:
            raise Refused(f"the source {path.name} has one name for columns {first} and {place}; want each name once.")


def _header(path: Path, separator: str) -> list[str]:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head.strip():
        raise Refused(f"the source {path.name} is empty; want a header and rows. Fetch it again.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise Refused(f"the source {path.name} is not text in UTF-8 (UTF-16 or binary). Save it as UTF-8.")
    if b"\n" not in head and b"\r" in head:
        raise Refused(f"the source {path.name} ends its lines in a lone carriage return. Save it with line feeds.")
    try:
        names = next(
            csv.reader(io.StringIO(head.decode("utf-8-sig", errors="replace"), newline=""), delimiter=separator)
        )
    except (csv.Error, StopIteration) as error:
        raise Refused(f"the source {path.name} has no header that can be read. Fetch or export it again.") from error
    if any("\ufffd" in name for name in names):
        raise Refused(f"the source {path.name} has a header that is not UTF-8. Save it as UTF-8.")
    return names


def _undecodable(path: Path) -> str | None:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f"line {number} is not UTF-8"
    return None


def _ragged(path: Path, names: int, separator: str) -> str | None:
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True, delimiter=separator)
        try:
            for row in rows:
                if len(row) > names:
                    return f"line {rows.line_num} has {len(row)} fields, the header has {names}"
        except csv.Error:
            return f"the quotes do not match at line {rows.line_num}"
    return None
