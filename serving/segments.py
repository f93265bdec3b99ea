"""A segment of the journal: one file of lines, locked by the living process that writes it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from rounds import evidence
from rounds.errors import Refused
from rounds.evidence import Before, Header, Place

SUFFIX = ".jsonl"
STEM = re.compile(r"(?P<instance>.+)-(?P<number>\d{6,})")
REST = 0.0003  # seconds that packing leaves to requests again and again: it holds the interpreter between them
LEVEL = 3  # of gzip: a fifth of the size, at a third of the time that its default takes


class Segment:
    """Open for lines at its end; what `write` returned from outlives a kill, and where it is durable a power cut."""

    def __init__(self, path: Path, file: int, durable: bool) -> None:
        self.path, self.size, self.sound = path, 0, True
        self._file, self._durable = file, durable

    def write(self, lines: bytes) -> None:
        """All of the lines, or an OSError and none of them."""
        self.sound = False
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self.size)
            self.sound = True
            raise
        if self._durable:
            os.fdatasync(self._file)  # when this fails nobody knows what the disk holds: the segment is not used again
        self.size += len(lines)
        self.sound = True

    def close(self) -> None:
        """Let go of it: whoever finds it unlocked may pack and ship it."""
        if not self.sound:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
        if self.size == 0:
            with suppress(OSError):
                self.path.unlink()
        with suppress(OSError):
            os.close(self._file)


def begin(folder: Path, instance: str, number: int, durable: bool) -> Segment:
    """A new segment, locked for as long as this process lives; it gets its name when it is locked."""
    path = folder / f"{instance}-{number:06d}{SUFFIX}"
    made = path.with_name(f".{path.name}.new")
    file = os.open(made, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        locked(file)
        made.replace(path)
        if durable:
            sync_folder(folder)
    except OSError:
        os.close(file)
        raise
    return Segment(path, file, durable)


@contextmanager
def abandoned(path: Path) -> Iterator[int | None]:
    """The file of a segment that was closed or whose process died, locked; None while somebody has it."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        yield file if locked(file) and os.fstat(file).st_nlink else None
    finally:
        os.close(file)


def locked(file: int, *, wait: bool = False) -> bool:
    """Lock an open file until it is closed; False where somebody else has the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def mend(path: Path, file: int) -> bytes:
    """Cut what a kill or a power cut left behind the last whole line; answers what stays."""
    content = path.read_bytes()
    zero = content.find(b"\0")  # a block that never reached the disk; what was acknowledged lies before it
    end = content.rfind(b"\n", 0, zero if zero >= 0 else len(content)) + 1
    if end < len(content):
        os.ftruncate(file, end)
        os.fsync(file)
    return content[:end]


@dataclass(frozen=True)
class Packed:
    """A segment's lines as a part, under a name that holds their digest: shipped twice it is still there once."""

    name: str
    header: Header
    content: bytes

    @property
    def day(self) -> str:
        return self.header.day


def name(path: Path, lines: bytes) -> str:
    """What the part of a segment is called."""
    return f"{path.stem}-{hashlib.sha256(lines).hexdigest()[:12]}"


def instance(path: Path) -> tuple[str, int]:
    """Whose segment it is, and its number."""
    match = STEM.fullmatch(path.stem)
    if match is None:
        raise Refused(f"{path} is no segment: want a name such as 0a1b2c3d4e5f-000001{SUFFIX}. Move the file away.")
    return match["instance"], int(match["number"])


def pack(path: Path, lines: bytes, problem: str, ledger: str, key: bytes, before: Before | None) -> Packed:
    """A part of the segment's lines, chained to the one that its instance packed before."""
    where = Place(_day(path, lines), *instance(path))
    header = evidence.described(where, problem, ledger, lines, key, before, REST)
    return Packed(name(path, lines), header, evidence.pack(header, lines, key, LEVEL))


def _day(path: Path, lines: bytes) -> str:
    """The day (UTC) of the first record; what a newer release wrote is refused."""
    try:
        first = json.loads(lines[: lines.index(b"\n")])
        day = date.fromisoformat(first["at"][:10]).isoformat()
    except (KeyError, TypeError, ValueError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    evidence.check_format(first.get("format", evidence.FORMAT), str(path))
    return day


def put(path: Path, content: bytes) -> None:
    """A file that is there whole, after a power cut too, or not at all."""
    make(path.parent)
    half = path.with_name(f".{path.name}.half")
    try:
        with open(half, "wb", opener=private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make(folder: Path) -> None:
    """A folder that is still there after a power cut, which nobody else on the machine may read."""
    if not folder.is_dir():
        make(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)
        sync_folder(folder.parent)


def private(path: str, flags: int) -> int:
    """An opener of files that nobody else on the machine may read."""
    return os.open(path, flags, 0o600)


def sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
