"""Publish what patients and areas did so far, for whoever predicts.  Reads validate.  Writes history.sqlite."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from rounds import log, pasts, places
from rounds.errors import Refused
from rounds.files import Reader, Writer
from rounds.knobs import Features, Outcome, Publish, When
from rounds.manifest import Facts
from rounds.pasts import redis, sqlite
from rounds.pasts.pieces import DAY, ENTITY, MISSED, cut
from rounds.settings import settings
from rounds.step import step
from rounds.turns import turn


@dataclass(frozen=True)
class Knobs:
    when: When
    outcome: Outcome
    features: Features
    publish: Publish


def records(table: pl.LazyFrame, column: str, knobs: Knobs) -> pl.LazyFrame:
    """Whose, on which day, and whether it was missed."""
    return table.select(
        pl.col(column).cast(pl.String).alias(ENTITY),
        pl.col(knobs.when.happens).cast(pl.Date).to_physical().alias(DAY),
        pl.col(knobs.outcome.column).cast(pl.Int64).alias(MISSED),
    )


def as_of(table: pl.LazyFrame, knobs: Knobs) -> str:
    """The last day whose outcomes are known."""
    last = table.select(pl.col(knobs.when.happens).cast(pl.Date).max()).collect().item()
    if last is None:
        raise Refused("the table of validate has no rows; want at least 1. Bring a larger table.")
    return str(last)


def told(read: Reader, now: str) -> None:
    """Say it where the history goes back: an older table was published after a newer one."""
    last = places.read(read.store, places.last_path(read.problem, "publish"))
    if last is not None and last.content.facts["as_of"] > now:
        log.say(f"the table ends on {now}; what was published before knew all until {last.content.facts['as_of']}")


@step(reads=("validate/table.parquet",), knobs=Knobs, reuse=False)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    url, table = pasts.checked(settings().history), read.table("validate")
    known, target = as_of(table, knobs), write.path(pasts.FILE)
    told(read, known)
    found = {word: cut(records(table, column, knobs)) for word, column in knobs.features.history.items()}
    words = sqlite.write(found, {"problem": read.problem, "as_of": known}, target)
    if url:
        with turn(read.store, f"{read.problem}/.history/turns") as held:
            filled = redis.fill(url, read.problem, sqlite.Published(target), held.beat)
        log.say("Redis answers from it now" if filled else "Redis answers from it already")
    return {"as_of": known, "entities": words}


if __name__ == "__main__":
    main.command()
