"""Raw tables as they come: what is no table and why, and what is odd and still one."""

from __future__ import annotations

import csv
import gzip
import io
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

ROWS = b"a,b\n" + b"1,2\n" * 5000


@dataclass(frozen=True)
class Bad:
    """A file that is refused, and what the sentence must say."""

    name: str
    content: Callable[[], bytes]
    said: str


@dataclass(frozen=True)
class Odd:
    """A file that passes, and the rows that it holds."""

    name: str
    content: Callable[[], bytes]
    rows: list[tuple[str | None, ...]]


def parquet(**columns: object) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def harmed(whole: bytes, at: int, length: int = 40) -> bytes:
    return whole[:at] + b"\xff" * length + whole[at + length :]


def workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("xl/worksheets/sheet1.xml", "<sheet/>")
    return buffer.getvalue()


BAD = {
    "empty": Bad("t.csv", lambda: b"", "is empty"),
    "whitespace only": Bad("t.csv", lambda: b" \n\t\r\n ", "is empty"),
    "an empty line first": Bad("t.csv", lambda: b"\n\na,b\n1,2\n", "begins with an empty line"),
    "semicolons": Bad("t.csv", lambda: b"a;b\n1;2\n", "parted by ';'"),
    "tabs": Bad("t.csv", lambda: b"a\tb\n1\t2\n", r"parted by '\\t'"),
    "bars": Bad("t.csv", lambda: b"a|b\n1|2\n", r"parted by '\|'"),
    "latin-1": Bad("t.csv", lambda: b"a,b\n1,2\n3,caf\xe9\n", "line 3 is not UTF-8"),
    "latin-1 header": Bad("t.csv", lambda: b"caf\xe9,b\n1,2\n", "header that is not UTF-8"),
    "UTF-16": Bad("t.csv", lambda: "a,b\n1,2\n".encode("utf-16"), "not text in UTF-8"),
    "UTF-16 without its mark": Bad("t.csv", lambda: "a,b\n1,2\n".encode("utf-16-le"), "not text in UTF-8"),
    "too many fields": Bad("t.csv", lambda: ROWS + b"1,2,3\n", "line 5002 has 3 fields, the header has 2"),
    "a quote never closed": Bad("t.csv", lambda: ROWS + b'1,"2\n' + b"3,4\n" * 9, "the quotes do not match"),
    "a quote inside a field": Bad("t.csv", lambda: b'a,b\n5" nail,2\n1,2\n', "quotes or line ends stand where"),
    "text after a quote": Bad("t.csv", lambda: b'a,b\n"x"y,2\n', "the quotes do not match at line 2"),
    "carriage returns only": Bad("t.csv", lambda: b"a,b\r1,2\r", "lone carriage return"),
    "one carriage return": Bad("t.csv", lambda: ROWS + b"1,2\r3,4\n", "quotes or line ends stand where"),
    "doubled columns": Bad("t.csv", lambda: b"x,a,x\n1,2,3\n", "one name for columns 1 and 3"),
    "gzip that ends early": Bad("t.csv.gz", lambda: gzip.compress(ROWS)[:-9], "ends early or is damaged"),
    "gzip that is damaged": Bad("t.csv.gz", lambda: harmed(gzip.compress(ROWS), 20, 8), "ends early or is damaged"),
    "gzip and then something": Bad("t.csv.gz", lambda: gzip.compress(ROWS) + b"more", "ends early or is damaged"),
    "gzip packed twice": Bad("t.csv.gz", lambda: gzip.compress(gzip.compress(ROWS)), "packed twice"),
    "gzip of nothing": Bad("t.csv.gz", lambda: gzip.compress(b""), "is empty"),
    "a workbook": Bad("t.xlsx", workbook, "zip or an Excel workbook"),
    "an old workbook": Bad("t.xls", lambda: b"\xd0\xcf\x11\xe0" + bytes(500), "old Excel workbook"),
    "a PDF": Bad("t.pdf", lambda: b"%PDF-1.7\n", "a PDF"),
    "Parquet without its end": Bad("t.parquet", lambda: parquet(a=["x"] * 999)[:-20], "is damaged"),
    "Parquet with a harmed page": Bad("t.parquet", lambda: harmed(parquet(a=["x"] * 999), 4), "is damaged"),
    "Parquet of four bytes": Bad("t.parquet", lambda: b"PAR1", "is damaged"),
    "nested Parquet": Bad("t.parquet", lambda: parquet(a=[[1, 2]]), "holds List in column 1"),
    "structs in Parquet": Bad(
        "t.parquet", lambda: parquet(a=[{"x": 1}]), "holds Struct in column 1; want plain values"
    ),
    "bytes in Parquet": Bad("t.parquet", lambda: parquet(a=[b"x"]), "holds Binary in column 1"),
}

ODD = {
    "exact text": Odd(
        "t.csv",
        lambda: b"a,b\n9377952927E-5,007\n 1 ,+3\nNULL,1e5\n",
        [("9377952927E-5", "007"), (" 1 ", "+3"), ("NULL", "1e5")],
    ),
    "header only": Odd("t.csv", lambda: b"a,b\n", []),
    "no last line end": Odd("t.csv", lambda: b"a,b\n1,2", [("1", "2")]),
    "too few fields": Odd("t.csv", lambda: b"a,b\n1\n1,2\n", [("1", None), ("1", "2")]),
    "an empty line between": Odd("t.csv", lambda: b"a,b\n1,2\n\n3,4\n", [("1", "2"), (None, None), ("3", "4")]),
    "empty and quoted empty": Odd("t.csv", lambda: b'a,b\n,""\n', [(None, "")]),
    "a byte order mark": Odd("t.csv", lambda: b"\xef\xbb\xbfa,b\n1,2\n", [("1", "2")]),
    "CRLF": Odd("t.csv", lambda: b"a,b\r\n1,2\r\n3,\r\n", [("1", "2"), ("3", None)]),
    "quoted line ends": Odd("t.csv", lambda: b'a,b\n"1\n2","x\r\ny"\n', [("1\n2", "x\r\ny")]),
    "quoted quotes": Odd("t.csv", lambda: b'a,b\n"x""y","p,q"\n', [('x"y', "p,q")]),
    "a quoted header": Odd("t.csv", lambda: b'"a","b"\n1,2\n', [("1", "2")]),
    "a long cell": Odd("t.csv", lambda: b"a,b\n1," + b"x" * 200_000 + b"\n", [("1", "x" * 200_000)]),
    "plain, called gz": Odd("t.csv.gz", lambda: b"a,b\n1,2\n", [("1", "2")]),
    "gzip, called csv": Odd("t.csv", lambda: gzip.compress(b"a,b\n1,2\n"), [("1", "2")]),
    "gzip, called as scratch is": Odd("out.gz", lambda: gzip.compress(b"a,b\n1,2\n"), [("1", "2")]),
    "gzip in two parts": Odd(
        "t.gz", lambda: gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"), [("1", "2"), ("3", "4")]
    ),
    "Parquet of numbers": Odd(
        "t.parquet",
        lambda: parquet(a=[29872499824296.0, 93779.52927, None], b=[True, False, None]),
        [("29872499824296.0", "true"), ("93779.52927", "false"), (None, None)],
    ),
}


def quoted(rows: int, seed: int) -> tuple[bytes, list[tuple[str, str]]]:
    """A csv large enough to be read in pieces, with line ends, quotes and commas inside its cells."""
    draw = random.Random(seed)
    cells = [
        (str(i), "l\n" * draw.randint(0, 3) + '"' * draw.randint(0, 2) + "," * draw.randint(0, 2)) for i in range(rows)
    ]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("a", "b"), *cells])
    return text.getvalue().encode(), cells
