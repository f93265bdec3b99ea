"""Published histories in one SQLite file, written once and never changed."""

from __future__ import annotations

import datetime
import json
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from rounds.errors import HistoryError, Refused
from rounds.evidence import check_format
from rounds.pasts import copies
from rounds.pasts.pieces import Asked, Pieces
from rounds.store import sha256

TABLES = """
create table about (name text primary key, value text not null) without rowid;
create table past (word text, entity text, piece blob not null, primary key (word, entity)) without rowid;
"""
# SQLite notes here which release of its own wrote the file; equal histories are equal bytes without it.
RELEASE, ANY = 96, (3_040_000).to_bytes(4, "big")

FORMAT = 1  # of the file and of its pieces
FEW = 5000
DAY = 12  # bytes of one day in a piece
NOTES = 64  # lines of `about`, at most
LONGEST = 16 * 1024 * 1024  # bytes of one value; a piece has far fewer
LOT = 500  # entities that one statement asks for, where there are as many: it costs a third of asking for each


def write(pasts: Mapping[str, Iterable[tuple[str, bytes]]], about: Mapping[str, str], target: Path) -> dict[str, int]:
    """Write each word's pieces in order; answers how many entities each has."""
    target.unlink(missing_ok=True)
    to = sqlite3.connect(target, isolation_level=None)
    to.executescript("pragma page_size = 8192; pragma journal_mode = off; pragma synchronous = off;" + TABLES)
    to.execute("begin")
    for word, found in pasts.items():
        to.executemany("insert into past values (?, ?, ?)", ((word, *one) for one in found))
    counts = dict(to.execute("select word, count(*) from past group by word").fetchall())
    words = {word: counts.get(word, 0) for word in pasts}
    told = {"format": str(FORMAT), **about, "words": json.dumps(words, sort_keys=True)}
    to.executemany("insert into about values (?, ?)", sorted(told.items()))
    to.execute("commit")
    to.close()
    with target.open("r+b") as file:
        file.seek(RELEASE)
        file.write(ANY)
    return words


class Published:
    """The file, open to be read by any number of threads and processes.

    `digest` is that of the file where it is known. A file that is removed stays readable for those who have it open.
    """

    def __init__(self, path: Path, digest: str = "") -> None:
        self.path = path
        self._digest = digest
        weakref.finalize(self, os.close, copies.hold(path))
        self._few: dict[str, dict[str | None, bytes]] = {}
        try:
            self._file = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
            self._file.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
            self._file.execute("pragma trusted_schema = off")
            self._file.execute("pragma mmap_size = 1073741824")
            if _schema(self._file) != _own_schema():
                raise ValueError("its tables are others")
            self._about: dict[str, str] = dict(self._file.execute("select name, value from about").fetchmany(NOTES))
            check_format(int(self._about["format"]), path.name, FORMAT)
            datetime.date.fromisoformat(self._about["as_of"])
            self.words: Mapping[str, int] = _counts(self._about["words"])
        except (sqlite3.Error, KeyError, TypeError, ValueError, RecursionError) as error:
            raise Refused(f"{path.name} is no published history: {error}. Run 'publish' again.") from error

    @property
    def as_of(self) -> str:
        return self._about["as_of"]

    @cached_property
    def version(self) -> str:
        return self._digest or sha256(self.path)

    def pieces(self, asked: Asked) -> Pieces:
        try:
            return {word: self._of(word, entities) for word, entities in asked.items()}
        except sqlite3.Error as error:
            raise HistoryError(f"{self.path.name} is damaged: {error}. Run 'publish' again.") from error

    def _of(self, word: str, entities: Sequence[str | None]) -> list[bytes | None]:
        if len(entities) < LOT or self.words.get(word, 0) <= FEW:
            return list(map(self._reader(word), entities))
        found: dict[str | None, bytes] = {}
        for start in range(0, len(entities), LOT):
            lot = entities[start : start + LOT]
            marks = ",".join("?" * len(lot))
            question = f"select entity, piece from past where word = ? and entity in ({marks})"
            found.update(_sound(self._file.execute(question, (word, *lot))))
        return [found.get(entity) for entity in entities]

    def _reader(self, word: str) -> Callable[[str | None], bytes | None]:
        """Areas are few and always asked for, so they are in memory; patients are many and stay in the file."""
        if self.words.get(word, 0) > FEW:
            return lambda entity: self._piece(word, entity)
        if word not in self._few:
            found = self._file.execute("select entity, piece from past where word = ?", (word,))
            self._few[word] = dict(_sound(found.fetchmany(FEW)))  # no more than it says, however many there are
        return self._few[word].get

    def everything(self) -> Iterator[tuple[str, str, bytes]]:
        """Every word, entity and piece, in order."""
        yield from self._file.execute("select word, entity, piece from past order by word, entity")

    def _piece(self, word: str, entity: str | None) -> bytes | None:
        found: Any = self._file.execute(
            "select piece from past where word = ? and entity = ?", (word, entity)
        ).fetchone()
        return None if found is None else _whole_days(found[0])


def _sound(rows: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, bytes]]:
    return ((entity, _whole_days(piece)) for entity, piece in rows)


def _whole_days(piece: Any) -> bytes:
    """A piece; whoever may write to the store may publish a file of other values."""
    if type(piece) is not bytes or len(piece) % DAY:
        raise HistoryError("the published history holds a piece that is none. Run 'publish' again.")
    return piece


def _counts(text: str) -> dict[str, int]:
    found = json.loads(text)
    if type(found) is not dict or not all(type(each) is int for each in found.values()):
        raise ValueError("its words are no counts")
    return found


def _schema(file: sqlite3.Connection) -> list[Any]:
    """What the file says of its tables: a view in the place of one could compute for ever."""
    return file.execute("select type, name, sql from sqlite_master order by name limit 8").fetchall()


@cache
def _own_schema() -> list[Any]:
    own = sqlite3.connect(":memory:")
    own.executescript(TABLES)
    found = _schema(own)
    own.close()
    return found
