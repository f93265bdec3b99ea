"""The file of keys: one JSON object a line, with the hash of a key and never the key."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rounds.errors import Refused
from serving.segments import put

Scope = Literal["predict", "explain", "outcome", "operate", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
TRIES = 3  # to open a file that may be exchanged at that moment


class Key(BaseModel):
    """One line of the file: a key is 256 random bits, so a plain sha256 of it tells nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")]
    hash: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires: AwareDatetime | None = None


@dataclass(frozen=True)
class BadLine:
    """A line that is no key: it lets nobody in, and takes no other line with it."""

    number: int
    content: bytes
    reason: str  # without anything that the line holds but the names of its fields

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}."


@dataclass(frozen=True)
class Keyring:
    """What one read of the file gave; `mark` is equal for as long as the file is unchanged."""

    keys: tuple[Key, ...]
    bad: tuple[BadLine, ...] = ()
    mark: tuple[int, ...] = ()


def read(path: Path) -> tuple[Key, ...]:
    """The keys of a file whose lines are all right; an empty file lets nobody in."""
    keyring = load(path)
    assert keyring is not None
    if keyring.bad:
        raise Refused(f"{path}: {keyring.bad[0]} Make lines with serving.keys new.")
    return keyring.keys


def load(path: Path, known: tuple[int, ...] = ()) -> Keyring | None:
    """The keys of a file, and its bad lines; None where its mark is the `known` one.

    The mark is that of the opened file, so a file that is exchanged meanwhile never gets the mark of another.
    """
    try:
        with _open(path) as file:
            mark = _mark(file)
            if mark == known:
                return None
            content = file.read()
    except OSError as error:
        raise Refused(
            f"KEYS: {path} cannot be read: {error.strerror}. Want a file of keys, which may be empty."
        ) from error
    parsed = [_parse(number, line) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    keys = tuple(each for each in parsed if isinstance(each, Key))
    bad = tuple(each for each in parsed if isinstance(each, BadLine))
    return Keyring(keys, bad, mark)


def _open(path: Path) -> IO[bytes]:
    """A mounted Secret is a link to a folder that is exchanged: its old folder may go between link and file."""
    for _ in range(TRIES - 1):
        with suppress(FileNotFoundError):
            return path.open("rb")
    return path.open("rb")


def _mark(file: IO[bytes]) -> tuple[int, ...]:
    """What changes when the file does: also when it is replaced, or when only its mode changes."""
    status = os.fstat(file.fileno())
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _parse(number: int, line: bytes) -> Key | BadLine:
    try:
        return Key.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return BadLine(number, line, f"{_field(first['loc'])}: {first['msg']}")


def _field(location: tuple[int | str, ...]) -> str:
    """The name of a field of ours; what else stands in the line may be a key, so it is not repeated."""
    if not location:
        return "the line"
    return ".".join(map(str, location)) if location[0] in Key.model_fields else "an unknown field"


def hashed(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def made(name: str, scopes: frozenset[Scope], expires: datetime | None) -> tuple[str, Key]:
    """A new key as its owner gets it, and as the file keeps it."""
    plain = f"rounds_{secrets.token_urlsafe(32)}"
    return plain, Key(name=name, hash=hashed(plain), scopes=scopes, expires=expires)


def changed(path: Path, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> tuple[BadLine, ...]:
    """Write the file anew in one piece; two processes that change it at once take turns.

    Bad lines stay as they are, and are returned: one of them must not keep a key from being removed.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        keyring = load(path) if path.exists() else None
        keys = change(keyring.keys if keyring else ())
        bad = keyring.bad if keyring else ()
        lines = [json.dumps(key.model_dump(mode="json", exclude_none=True), default=sorted).encode() for key in keys]
        put(path, b"".join(b"%b\n" % line for line in [*lines, *(each.content for each in bad)]))
    finally:
        os.close(folder)
    return bad
