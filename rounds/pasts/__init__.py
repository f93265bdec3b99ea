"""What patients (and areas) did before, published for whoever predicts: for each word the past of each entity.

A kind is a module whose `Published` answers pieces (`pieces.py`): the file that `publish` wrote, or a copy in Redis.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from rounds import manifest, places
from rounds.errors import Refused, StoreError
from rounds.files import fetch
from rounds.history import Past
from rounds.manifest import Manifest
from rounds.pasts import copies, pieces, redis, sqlite
from rounds.pasts.pieces import Asked, Pieces
from rounds.store import Store, sha256

FILE, NEWEST = "history.sqlite", "publish.json"
TRIES = 3  # to open a copy that others may remove
SCHEMES = ("redis", "rediss", "unix")


class Published(Protocol):
    """One published state of the histories; `as_of` is the last day (ISO) whose outcomes it knows."""

    @property
    def as_of(self) -> str: ...
    @property
    def words(self) -> Mapping[str, int]: ...
    @property
    def version(self) -> str: ...
    def pieces(self, asked: Asked) -> Pieces: ...


@dataclass(frozen=True)
class Pasts:
    """The pasts by word and entity; one that is not known is empty, as before a first visit."""

    published: Published

    @property
    def as_of(self) -> str:
        """The last day whose outcomes the latest answer knew."""
        return self.published.as_of

    @property
    def version(self) -> str:
        """The digest of the file that was published."""
        return self.published.version

    def look(self, asked: Asked) -> dict[str, list[Past]]:
        """All words of one batch at once, from one state: never half from before a publish and half from after."""
        found = self.published.pieces(asked)
        return {word: [pieces.past(piece) for piece in found[word]] for word in asked}

    def of(self, word: str, entities: Sequence[str | None]) -> list[Past]:
        return self.look({word: entities})[word]

    @property
    def trouble(self) -> str:
        """Why the latest look found nothing; a file that was opened always answers."""
        return str(getattr(self.published, "trouble", ""))

    def want(self, words: Mapping[str, str]) -> None:
        """Refuse what does not hold the words that a definition reads."""
        if lacking := [word for word in words if word not in self.published.words]:
            found = ", ".join(self.published.words) or "none"
            raise Refused(f"the published history has no '{lacking[0]}' (found: {found}). Run 'publish' again.")


def open_pasts(
    history: str, store: Store, problem: str, cache: Path, before: Pasts | None = None, patience: float = redis.PATIENCE
) -> Pasts:
    """What `HISTORY` names: Redis by its URL, or where it is empty the newest file of the store, kept in `cache`.

    `before` is answered again while it is the newest, so that this may be asked as often as one likes; a look in Redis
    is given `patience` seconds.
    """
    if history:
        checked(history)
        return before or Pasts(redis.Published(history, problem, patience))
    done = newest(store, problem, cache)
    digest = done.content.files[FILE].sha256
    if before and before.version == digest:
        return before
    opened = Pasts(_opened(store, done, cache))
    with suppress(OSError):  # what cannot be removed now is removed another time
        copies.sweep(cache)
    return opened


def _opened(store: Store, done: Manifest, cache: Path) -> sqlite.Published:
    """The published file, open; tried again where another process removed the copy before it was marked as in use."""
    digest = done.content.files[FILE].sha256
    for _ in range(TRIES):
        with suppress(FileNotFoundError):
            return sqlite.Published(kept(store, done, cache), digest)
    raise Refused(f"the copy of the published history {digest[:12]} in {cache} is removed again and again. Look why.")


def checked(history: str) -> str:
    """A URL of Redis's, or nothing; whatever else is refused without being quoted: it may hold a password."""
    if history and urlsplit(history).scheme not in SCHEMES:
        raise Refused(
            "HISTORY is no URL of Redis's; want redis://a.server:6379/0, or nothing for the store's own file."
        )
    return history


def newest(store: Store, problem: str, cache: Path) -> Manifest:
    """The last good publish; with the store away, the last one that was seen."""
    seen = cache / f"{problem}-{NEWEST}"
    try:
        done = places.read(store, places.last_path(problem, "publish"))
    except StoreError:
        if not seen.exists():
            raise
        return manifest.parse(seen.read_bytes(), str(seen))
    if done is None:
        raise Refused(f"no history of {problem} was published yet. Run 'publish' first (the DAG publish_{problem}).")
    if FILE not in done.content.files or FILE not in done.circumstances.places:
        raise Refused(f"the last publish of {problem} names no {FILE}. Run 'publish' again.")
    _put(seen, done.to_json())
    return done


def kept(store: Store, done: Manifest, cache: Path) -> Path:
    """The published file on this machine, under its digest: a copy outlives the store's."""
    digest = done.content.files[FILE].sha256
    local = cache / f"{digest}.sqlite"
    if local.exists() and sha256(local) == digest:
        os.utime(local)  # in use from now on
    else:
        cache.mkdir(parents=True, exist_ok=True)
        half = cache / f".{uuid.uuid4().hex}"
        half.mkdir()
        try:
            shutil.copyfile(fetch(store, done, FILE, half), half / "whole")
            (half / "whole").replace(local)
        finally:
            shutil.rmtree(half, ignore_errors=True)
    return local


def _put(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{uuid.uuid4().hex}")
    half.write_bytes(content)
    half.replace(path)
