"""The file of keys: one JSON object a line, with the hash of a key and never the key."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rounds.errors import Refused
from serving.segments import put

Scope = Literal["predict", "explain", "outcome", "operate"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


class Key(BaseModel):
    """One line of the file: a key is 256 random bits, so a plain sha256 of it tells nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,63}$")]
    hash: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires: AwareDatetime | None = None


def read(path: Path) -> tuple[Key, ...]:
    """The keys of a file, one JSON object a line; an empty file knows nobody."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Refused(f"KEYS: {path} cannot be read: {reason}. Want a file of keys, which may be empty.") from error
    return tuple(_key(path, number, line) for number, line in enumerate(lines, 1) if line.strip())


def _key(path: Path, number: int, line: str) -> Key:
    try:
        return Key.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the line"
        raise Refused(f"{path}: line {number}: {field}: {first['msg']}. Make lines with serving.keys new.") from None


def hashed(key: str) -> str:
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def made(name: str, scopes: frozenset[Scope], expires: datetime | None) -> tuple[str, Key]:
    """A new key as its owner gets it, and as the file keeps it."""
    plain = f"rounds_{secrets.token_urlsafe(32)}"
    return plain, Key(name=name, hash=hashed(plain), scopes=scopes, expires=expires)


def mark(path: Path) -> tuple[int, ...]:
    """What changes when the file does, also when a mounted Secret is exchanged."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def changed(path: Path, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> None:
    """Write the file anew in one piece; two who change it at once take turns."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        keys = change(read(path) if path.exists() else ())
        lines = [json.dumps(key.model_dump(mode="json", exclude_none=True), default=sorted) for key in keys]
        put(path, "".join(f"{line}\n" for line in lines).encode())
    finally:
        os.close(folder)
