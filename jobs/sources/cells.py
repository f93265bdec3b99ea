"""Refuse a csv with a cell or row that is too large for a parser; it is read block by block, without parsing."""

from __future__ import annotations

from pathlib import Path

from rounds.errors import Refused
from rounds.limits import CELL
from rounds.words import size

BLOCK = 256 * 1024
ROW = 100  # cells of the largest size to a row


def check_cells(path: Path, separator: str = ",") -> None:
    """Refuse a cell or a row that is larger than it may be."""
    most, marks = CELL.bytes, f"{separator}\n".encode()
    cell, row, inside = 0, 0, False  # bytes since the last cell and row ended, and whether that is between quotes
    with path.open("rb") as file:
        while block := file.read(min(BLOCK, most)):
            ends = inside ^ (block.count(b'"') % 2 == 1)
            cell = _longest(block, marks, cell, inside, ends, most)
            row = _longest(block, b"\n", row, inside, ends, most * ROW)
            if cell > most:
                raise Refused(f"the source {path.name} has a cell of {CELL}. See what it holds.")
            if row > most * ROW:
                raise Refused(
                    f"the source {path.name} has a row of more than {size(most * ROW)}, "
                    f"{ROW} times what {CELL.setting} allows to a cell. See what it holds."
                )
            inside = ends


def _longest(block: bytes, marks: bytes, before: int, inside: bool, ends: bool, most: int) -> int:
    """How many bytes of a cell (or row) are open at the block's end; or of one that ended in it, if that is too long.

    One within a block is not looked at, for no block is larger than a cell may be.
    """
    first = _first(block, marks, inside)
    if first < 0:
        return before + len(block)
    if before + first > most:
        return before + first
    return len(block) - 1 - _last(block, marks, ends)


def _first(block: bytes, marks: bytes, inside: bool) -> int:
    """Where the first mark outside quotes stands, or -1."""
    start = 0
    while True:
        end = block.find(b'"', start)
        if not inside:
            found = [block.find(bytes([mark]), start, len(block) if end < 0 else end) for mark in marks]
            if places := [place for place in found if place >= 0]:
                return min(places)
        if end < 0:
            return -1
        inside, start = not inside, end + 1


def _last(block: bytes, marks: bytes, inside: bool) -> int:
    """Where the last mark outside quotes stands; `inside` says how the block ends."""
    end = len(block)
    while True:
        start = block.rfind(b'"', 0, end)
        if not inside and (place := max(block.rfind(bytes([mark]), start + 1, end) for mark in marks)) >= 0:
            return place
        if start < 0:
            return -1
        inside, end = not inside, start
