"""Histories of a table, published into a file as `publish` does."""

from __future__ import annotations

from pathlib import Path

import polars as pl

import problems
from jobs import publish
from rounds.definition import Definition
from rounds.pasts import pieces, redis, sqlite

NOSHOW = problems.problem("noshow")
DEFINITION = Definition(NOSHOW, problems.definition("noshow", "features").features)
KNOBS = publish.Knobs(NOSHOW.when, NOSHOW.outcome, NOSHOW.features, NOSHOW.publish)


def published(table: pl.DataFrame, target: Path, as_of: str = "2026-03-15") -> sqlite.Published:
    found = {
        word: pieces.cut(publish.records(table.lazy(), column, KNOBS)) for word, column in DEFINITION.history.items()
    }
    sqlite.write(found, {"problem": "noshow", "as_of": as_of}, target)
    return sqlite.Published(target)


def in_redis(url: str, patience: float = 60) -> redis.Published:
    """As the service asks, with more patience than it: nobody waits here, and the machine may be busy."""
    return redis.Published(url, "noshow", patience)
