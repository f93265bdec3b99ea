"""What one line of the journal says: what was asked, what was answered and by which model; no identifier in the clear.

The service makes a line for each answer, the step `score` a table of them; both by the words of `FIELDS`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Literal, NamedTuple

from rounds.knobs import Column
from rounds.settings import ROOT, settings

FIELDS = (
    *("id", "at", "problem", "model", "version", "bundle"),
    *("who", "input", "features", "score", "band", "history_as_of", "history"),
)
Known = Literal["known", "unknown", "down"]  # whether the history of whoever it was could be looked up


class Answering(NamedTuple):
    """Which model answers: the same for many records."""

    problem: str
    model: str
    version: int
    bundle: str


def keyed(value: str, key: bytes) -> str:
    """An identifier as the journal holds it: equal for equal identifiers, and nobody's without the key."""
    found = _begun(key).copy()
    found.update(value.encode())
    return found.hexdigest()


@cache
def _begun(key: bytes) -> hashlib.blake2b:
    """Copied for each identifier: that takes half of what beginning anew does."""
    return hashlib.blake2b(key=hashlib.sha256(key).digest(), digest_size=16)


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
    who: str | None,
    input: Mapping[str, Any],
    features: Sequence[float],
    score: float,
    band: str,
    history_as_of: str | None,
    history: Known,
) -> dict[str, Any]:
    """One line; `who` is a keyed hash, and `input` is what `given` leaves of it."""
    said = (id, at, *answering, who, input, list(features), score, band, history_as_of, history)
    return dict(zip(FIELDS, said, strict=True))


def place(problem: str, day: str, name: str) -> str:
    """Where a closed part of the journal lies in the store, by the day (UTC) on which it was begun."""
    return f"{problem}/.journal/{day}/{name}.jsonl.gz"


def key() -> bytes:
    """`JOURNAL_KEY`, else one that is made once and kept beside this checkout's journal."""
    if settings().journal_key:
        return settings().journal_key.encode()
    path = ROOT / ".rounds" / "journal" / "key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = path.with_name(f".{secrets.token_hex(6)}.key")
        own.touch(mode=0o600)
        own.write_text(secrets.token_hex(32), encoding="ascii")
        with suppress(FileExistsError):  # another process was first, and its key is everybody's
            path.hardlink_to(own)
        own.unlink()
    return path.read_bytes()
