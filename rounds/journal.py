"""What one line of the journal says: what was asked, what was answered and by which model; no identifier in the clear.

The service makes a line for each answer, the step `score` a table of them; both by the words of `FIELDS`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rounds import log
from rounds.errors import Refused
from rounds.evidence import FORMAT, canonical, check_format, key_id
from rounds.knobs import Column
from rounds.settings import settings
from rounds.store import Store

LEDGER = "journal"
FIELDS = (
    *("id", "at", "format", "key", "problem", "model", "version", "bundle"),
    *("who", "input", "features", "score", "band", "history_as_of", "history"),
)
ID = re.compile(r"[0-9a-f]{32}")  # the milliseconds since 1970 (12 digits), then what nobody guesses
NIGHTLY = "ffff"  # how the ids of `score` begin: they are equal for equal lists, so they hold no time
SCORED = "score-"  # how the names of its parts begin
KEY_BYTES = 32  # at least
# Whether the history of the patient was looked up and found; `none` if the model uses no history.
Known = Literal["known", "unknown", "down", "none"]


class Answering(NamedTuple):
    """Which model answers: the same for many records."""

    problem: str
    model: str
    version: int
    bundle: str


def keyed(value: str, key: bytes) -> str:
    """An identifier as the journal holds it: equal for equal identifiers, and nobody's without the key.

    After a re-keying the key is several, parted by commas: what one of them has hashed, the next one hashes again.
    """
    for begun in _begun(key):
        found = begun.copy()
        found.update(value.encode())
        value = found.hexdigest()
    return value


@cache
def _begun(key: bytes) -> tuple[hashlib.blake2b, ...]:
    """Copied for each identifier: that takes half of what beginning anew does."""
    parts = key.split(b",")
    return tuple(hashlib.blake2b(key=hashlib.sha256(part).digest(), digest_size=16) for part in parts)


def hidden(columns: Mapping[str, Column], who: str) -> list[str]:
    """The columns whose values are kept as keyed hashes only, beside that of `who`, which has a place of its own."""
    return [name for name, column in columns.items() if column.type == "identifier" and name != who]


def given(asked: Mapping[str, Any], hide: Iterable[str], who: str, key: bytes) -> dict[str, Any]:
    """The input as the journal holds it: what was asked, without `who`, identifiers hashed."""
    kept = {name: value for name, value in asked.items() if name != who}
    for name in hide:
        if kept.get(name) is not None:
            kept[name] = keyed(str(kept[name]), key)
    return kept


def columns_given(
    asked: Mapping[str, Sequence[Any]], hide: Iterable[str], who: str, key: bytes
) -> Iterator[dict[str, Any]]:
    """What `given` makes of each row, of columns."""
    kept = {name: values for name, values in asked.items() if name != who}
    for name in hide:
        kept[name] = [None if value is None else keyed(str(value), key) for value in kept[name]]
    names = tuple(kept)
    return (dict(zip(names, row, strict=True)) for row in zip(*kept.values(), strict=True))


def record(
    answering: Answering,
    *,
    id: str,
    at: str,
    key: str,
    who: str | None,
    input: Mapping[str, Any],
    features: Sequence[float],
    score: float,
    band: str,
    history_as_of: str | None,
    history: Known,
) -> dict[str, Any]:
    """One line; `key` is the id of the key, `who` a keyed hash, and `input` is what `given` leaves of it."""
    return {
        "id": id,
        "at": at,
        "format": FORMAT,
        "key": key,
        "problem": answering.problem,
        "model": answering.model,
        "version": answering.version,
        "bundle": answering.bundle,
        "who": who,
        "input": input,
        "features": features,
        "score": score,
        "band": band,
        "history_as_of": history_as_of,
        "history": history,
    }


def place(problem: str, day: str, name: str, ledger: str = LEDGER) -> str:
    """Where a closed part of a ledger lies in the store, by the day (UTC) on which it was begun."""
    return f"{problem}/.{ledger}/{day}/{name}.jsonl.gz"


def made_at(id: str) -> datetime | None:
    """When a prediction of the service was made, by its id; None for one of `score`, or where that cannot be."""
    seconds = int(id[:12], 16) / 1000
    return datetime.fromtimestamp(seconds, UTC) if seconds < _END else None


_END = 7_258_118_400  # the year 2200


def key_place(problem: str) -> str:
    """Where the store says which key its ledgers are written with."""
    return f"{problem}/.chains/key.json"


def key(store: Store, problem: str) -> bytes:
    """The secret of the hashes for a step: the service's, from the same settings; another one is refused.

    One is made only where no journal was ever kept, in the place where the service will look.
    """
    told, folder = settings().journal_key, Path(settings().journal_folder)
    if not told and not (folder / "key").exists():
        if store.folders(f"{problem}/.{LEDGER}") or (folder / problem).exists():
            raise Refused(
                f"there is a journal of {problem}, JOURNAL_KEY is not set, and JOURNAL_FOLDER {folder} holds none: "
                "with another key nobody would be who they were. Set one of the two as the service has it."
            )
        log.say(f"makes the key of the journal in {folder}; the service reads it there")
    found = secret(told, folder)
    same_key(store.read(key_place(problem)), store.url, found)
    return found


def key_at_hand(store: Store, problem: str) -> bytes | None:
    """The same for a step that can do without; None where no key was given, and none is made."""
    if not settings().journal_key and not (Path(settings().journal_folder) / "key").exists():
        return None
    return key(store, problem)


def same_key(noted: bytes | None, where: str, key: bytes) -> None:
    """Refuse a key that is not the one that is noted there; nothing may be noted yet."""
    if noted is None:
        return
    try:
        content = json.loads(noted)
        known, format = content["key"], content["format"]
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{where}: the note of the journal's key cannot be read. Put it back from a copy.") from None
    check_format(format, f"the note of the journal's key in {where}")
    if known != key_id(key):
        raise Refused(
            f"JOURNAL_KEY has the id {key_id(key)}, and the journal in {where} is written with the key {known}: with "
            "another key one patient would have two hashes. Set the key that it has. To change it, see 'Another key' "
            "in docs/journal-format.md."
        )


def note_key(store: Store, problem: str, key: bytes) -> None:
    """Before a ledger is written: note which key it is written with, and refuse another."""
    path = key_place(problem)
    noted = store.read(path)
    if noted is None and store.claim(path, key_note(key)):
        return
    same_key(noted or store.read(path), store.url, key)


def key_note(key: bytes) -> bytes:
    return canonical({"format": FORMAT, "key": key_id(key)})


def secret(given: str, folder: Path) -> bytes:
    """The one that was given, or the folder's own; whoever reads journal and folder can tell whom a hash means."""
    found = given.encode() if given else _own_secret(folder)
    name = "JOURNAL_KEY" if given else str(folder / "key")
    for part in found.split(b","):
        if len(part) < KEY_BYTES:
            raise Refused(
                f"{name} has a key of {len(part)} bytes; want at least {KEY_BYTES} that nobody guesses, such as "
                "'openssl rand -hex 32' makes."
            )
    return found


def _own_secret(folder: Path) -> bytes:
    """The key in the journal's folder, made where there is none."""
    path, own = folder / "key", folder / f".{secrets.token_hex(6)}.key"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(own, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(secrets.token_hex(32).encode())
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process was first, and its key is everybody's
                path.hardlink_to(own)
            own.unlink()
            _sync(folder)
        return path.read_bytes()
    except OSError as error:
        raise Refused(
            f"JOURNAL_KEY is not set, and JOURNAL_FOLDER {folder} holds none and takes none: {error.strerror}. "
            "Set JOURNAL_KEY to the secret that the service has."
        ) from error


def _sync(folder: Path) -> None:
    """So that the file is there after a power cut too: another key would be another person for every hash."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
