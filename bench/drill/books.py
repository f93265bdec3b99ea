"""What is on the books: who was answered what, what the clinic knows of it, and the truth, which nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from bench.drill.world import Told, World, auc, call, unique
from rounds.manifest import Facts

WEEK = timedelta(days=7)


class Answered(NamedTuple):
    """One prediction, as the drill remembers it."""

    key: str
    score: float
    version: int
    above: bool


Answers = Mapping[date, Sequence[Answered]]
Due = Mapping[date, Sequence[Told]]


def between(answered: Answers, first: date, end: date) -> list[Answered]:
    return [each for day, answers in answered.items() if first <= day < end for each in answers]


def counted(answered: Answers, monday: date) -> dict[str, int]:
    """Which version answered how many questions of the week before."""
    found = [each.version for each in between(answered, monday - WEEK, monday)]
    return {str(version): found.count(version) for version in sorted(set(found))}


def truth(world: World, answered: Answers, due: Due, version: int, since: date, monday: date) -> Facts:
    """How good the scores are if nobody is called: of the rows whose outcomes the watch knows, and of the week's."""
    heard = {each.key for day in due if day < monday for each in due[day]}
    seen = [each for each in between(answered, since, monday) if each.key in heard]
    week = between(answered, monday - WEEK, monday)
    called = sum(call(world.plan, each.key, each.above).action == "call" for each in week)
    return {
        "watched": _of(world, [each for each in seen if each.version == version]),
        "week": _of(world, week),
        "called": called,
        "held": sum(each.above for each in week) - called,
    }


def _of(world: World, found: Sequence[Answered]) -> Facts:
    scores, missed = [each.score for each in found], [world.missed[each.key] for each in found]
    count = max(len(found), 1)
    return {"rows": len(found), "auc": auc(scores, missed), "said": sum(scores) / count, "rate": sum(missed) / count}


def known(world: World, base: pl.DataFrame, raw: pl.DataFrame, due: Due, monday: date) -> pl.DataFrame:
    """The clinic's own table: every appointment whose outcome it knows, spelt as its table is."""
    problem = world.problem
    key, outcome = problem.columns[unique(problem)].raw, problem.columns[problem.outcome.column].raw
    said = {each.key: each.outcome for day in sorted(due) if day < monday for each in due[day]}
    spelt = {name: problem.outcome.true if missed else problem.outcome.false for name, missed in said.items()}
    now = raw.filter(pl.col(key).is_in(list(spelt))).with_columns(
        pl.col(key).replace_strict(spelt, return_dtype=pl.String).alias(outcome)
    )
    return pl.concat([base, now])
