"""What a Parquet file says of its own size, read from its footer and page headers before anything is unpacked.

Both are structures of Thrift's compact protocol; a page is never unpacked to more bytes than its header says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

MAGIC = b"PAR1"
LARGEST = 64 * 1024 * 1024  # bytes of a footer or of a page's header
BITS = 64  # of the largest number
# What reading bytes that are no footer may raise: fields that are missing, of another kind, or out of bounds.
NONSENSE = (
    *(AttributeError, IndexError, KeyError, OSError, OverflowError, RecursionError, TypeError, ValueError),
    struct.error,
)


@dataclass(frozen=True)
class Sizes:
    """Bytes of all pages (`unpacked`) and of the largest (`page`); values of all, and of the largest group of rows."""

    unpacked: int
    page: int
    values: int
    group: int


class Damaged(Exception):
    """It is no footer, or no header of a page."""


def sizes(path: Path) -> Sizes:
    """Raises Damaged where the file is not as Parquet wants it."""
    try:
        with path.open("rb") as file:
            groups = _footer(file)[4]
            pages = [page for group in groups for column in group[1] for page in _pages(file, column[3])]
            values = [sum(column[3][5] for column in group[1]) for group in groups]
    except NONSENSE as error:
        raise Damaged from error
    return Sizes(sum(pages), max(pages, default=0), sum(values), max(values, default=0))


def _footer(file: IO[bytes]) -> dict[int, Any]:
    file.seek(-8, 2)
    length, magic = struct.unpack("<I4s", file.read(8))
    if magic != MAGIC or length > LARGEST:
        raise Damaged
    file.seek(-8 - length, 2)
    return _Compact(file.read(length)).struct()


def _pages(file: IO[bytes], column: dict[int, Any]) -> Iterator[int]:
    """The unpacked size of each page of a column of a group of rows."""
    place = column[9] if column.get(11) in {None, 0} else min(column[9], column[11])
    end = place + column[7]
    while place < end:
        header, length = _header(file, place)
        if header[2] < 0 or header[3] < 0:
            raise Damaged
        yield header[2]
        place += length + header[3]


def _header(file: IO[bytes], place: int) -> tuple[dict[int, Any], int]:
    """The header of a page and its length; one with long statistics needs a second look."""
    window = 4096
    while True:
        file.seek(place)
        reader = _Compact(raw := file.read(window))
        try:
            return reader.struct(), reader.at
        except IndexError:
            if len(raw) < window or window > LARGEST:
                raise
            window *= 16


class _Compact:
    """Structures as dictionaries by the numbers of their fields."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def struct(self) -> dict[int, Any]:
        found: dict[int, Any] = {}
        number = 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.integer()
            found[number] = {1: True, 2: False}[head & 15] if head & 15 < 3 else self.value(head & 15)
        return found

    def value(self, kind: int) -> Any:
        if kind in {1, 2, 3}:
            return self.byte()
        if kind in {4, 5, 6}:
            return self.integer()
        if kind == 7:
            return self.take(8)
        if kind == 8:
            return self.take(self.varint())
        if kind in {9, 10}:
            head = self.byte()
            return [self.value(head & 15) for _ in range(self.varint() if head >> 4 == 15 else head >> 4)]
        if kind == 12:
            return self.struct()
        raise ValueError(f"kind {kind} is not in a footer")

    def byte(self) -> int:
        self.at += 1
        return self.raw[self.at - 1]

    def varint(self) -> int:
        number, shift = 0, 0
        while (part := self.byte()) & 0x80:
            number |= (part & 0x7F) << shift
            shift += 7
            if shift >= BITS:
                raise ValueError("a number is too long")
        return number | part << shift

    def integer(self) -> int:
        number = self.varint()
        return number >> 1 ^ -(number & 1)

    def take(self, length: int) -> bytes:
        self.at += length
        if self.at > len(self.raw):
            raise IndexError("the bytes end early")
        return self.raw[self.at - length : self.at]
