"""Published histories in Redis: a hash for each word under the version's name, and a pointer to the current version."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from rounds.errors import HistoryError, Refused
from rounds.evidence import check_format
from rounds.pasts import sqlite
from rounds.pasts.pieces import Asked, Pieces
from rounds.pasts.waiting import Waiting

PATIENCE = 0.25  # seconds for an answer: a prediction without history is better than one that comes too late
PAUSE = 1.0  # after a failure nobody asks for so long, so that a slow Redis costs one wait and not one a request
FILLING = 30.0
MANY = 5000
TRIES = 5


def pointer(problem: str) -> str:
    """The braces keep all of a problem's keys on one node of a cluster."""
    return f"rounds:{{{problem}}}:history"


def table(problem: str, version: str, word: str) -> str:
    return f"{pointer(problem)}:{version}:{word}"


def fill(url: str, problem: str, source: sqlite.Published, beat: Callable[[], None]) -> bool:
    """Let Redis answer from this file from now on; False if it does already. Readers see all of it or nothing."""
    told = json.dumps(
        {"format": sqlite.FORMAT, "version": source.version, "as_of": source.as_of, "words": source.words},
        sort_keys=True,
    ).encode()
    client = _client(url, FILLING)
    with _failing(url):
        if client.get(pointer(problem)) == told and _whole(client, problem, source):
            _sweep(client, problem, source.version)
            return False
        rows = source.everything()
        while part := list(islice(rows, MANY)):
            beat()
            with client.pipeline(transaction=False) as pipe:
                for word, entity, piece in part:
                    pipe.hset(table(problem, source.version, word), entity, piece)
                pipe.execute()
        if not _whole(client, problem, source):
            raise HistoryError(f"Redis at {_shown(url)} did not keep all that it was given. Give it memory, run again.")
        client.set(pointer(problem), told)
        _sweep(client, problem, source.version)
    return True


def _whole(client: Any, problem: str, source: sqlite.Published) -> bool:
    return all(client.hlen(table(problem, source.version, word)) == count for word, count in source.words.items())


def _sweep(client: Any, problem: str, version: str) -> None:
    """Drop every other version: the one before, and what a killed attempt left."""
    kept = table(problem, version, "").encode()
    gone = [key for key in client.scan_iter(match=_literal(f"{pointer(problem)}:") + "*") if not key.startswith(kept)]
    if gone:
        client.unlink(*gone)


def _literal(text: str) -> str:
    return "".join(f"\\{one}" if one in "*?[]\\" else one for one in text)


class Published:
    """What Redis holds now: it follows the pointer by itself."""

    def __init__(self, url: str, problem: str, patience: float = PATIENCE) -> None:
        self.url, self.problem = url, problem
        self.trouble = ""  # why the latest question had no answer
        self._client, self._waiting = _client(url, patience), Waiting(patience)
        self._state: tuple[bytes, dict[str, Any]] = (b"", {})  # pointer and what it says: changed together
        self._not_before = 0.0
        self._ask(lambda: self._follow(self._client.get(pointer(problem))))

    @property
    def as_of(self) -> str:
        return str(self._state[1]["as_of"])

    @property
    def words(self) -> Mapping[str, int]:
        return dict(self._state[1]["words"])

    @property
    def version(self) -> str:
        return str(self._state[1]["version"])

    def pieces(self, asked: Asked) -> Pieces:
        found: Pieces = self._ask(lambda: self._pieces(asked))
        return found

    def _pieces(self, asked: Asked) -> Pieces:
        """The pointer is read in one transaction with the pieces: they are of its version, or it is asked again."""
        for _ in range(TRIES):
            believed, about = self._state
            with self._client.pipeline(transaction=True) as pipe:
                pipe.get(pointer(self.problem))
                for word, entities in asked.items():
                    name = table(self.problem, about["version"], word)
                    pipe.exists(name)
                    pipe.hmget(name, ["", *(entity or "" for entity in entities)])  # Redis refuses to be asked nothing
                current, *answers = pipe.execute()
            if current == believed:
                there, found = answers[0::2], answers[1::2]
                if lost := [
                    word for word, yes in zip(asked, there, strict=True) if not yes and about["words"].get(word)
                ]:
                    raise HistoryError(
                        f"Redis at {_shown(self.url)} lost the history of '{lost[0]}'. Run 'publish' again."
                    )
                return {word: pieces[1:] for word, pieces in zip(asked, found, strict=True)}
            self._follow(current)
        raise HistoryError(f"the history in Redis at {_shown(self.url)} changes too fast to be read.")

    def _follow(self, current: bytes | None) -> None:
        if current is None:
            raise HistoryError(f"Redis at {_shown(self.url)} holds no history of {self.problem}. Run 'publish' first.")
        content = json.loads(current)
        check_format(content.get("format"), f"the history of {self.problem} in Redis", sqlite.FORMAT)
        self._state = current, content

    def _ask(self, question: Callable[[], Any]) -> Any:
        if time.monotonic() < self._not_before:
            raise HistoryError(f"Redis at {_shown(self.url)} did not answer a moment ago and is not asked again yet.")
        try:
            with _failing(self.url):
                found = self._waiting.ask(question)
        except (HistoryError, Refused) as error:
            self._not_before, self.trouble = time.monotonic() + PAUSE, str(error)
            raise
        self.trouble = ""
        return found


def _client(url: str, patience: float) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as Broken
    from redis.retry import Retry

    again = Retry(NoBackoff(), 1, supported_errors=(Broken,))  # a connection that Redis closed long ago
    try:
        return redis.Redis.from_url(url, socket_timeout=patience, socket_connect_timeout=patience, retry=again)
    except ValueError as error:
        raise HistoryError(f"HISTORY cannot be used: {type(error).__name__}; want redis://a.server:6379/0.") from None


@contextmanager
def _failing(url: str) -> Iterator[None]:
    """Every way in which Redis fails, as one; its own words may quote an identifier, so only the kind is told."""
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError) as error:
        kind = type(error).__name__
        raise HistoryError(f"Redis at {_shown(url)} cannot be used: {kind}. See that it is there, with room.") from None


def _shown(url: str) -> str:
    """Without the name and password that a URL may carry."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
