"""The world outside: who comes when, who is called, what then happens, when it is known.  All by lot and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import polars as pl

from bench.drill.plan import Plan
from jobs.calling import incoming
from jobs.checks.uniqueness import ROW
from rounds.definition import Sections
from rounds.knobs import Problem

DAY, MISSED, KEY = ":day", ":missed", ":key"


class Called(NamedTuple):
    """What was done about one appointment, and the chance with which it would have been done."""

    action: str
    propensity: float


class Told(NamedTuple):
    """What the clinic says of one appointment, and on which day it knows."""

    key: str
    day: date
    outcome: bool
    observed: date


@dataclass(frozen=True)
class World:
    """`stream` has a row for each appointment: what may be asked about it, on which day, and whether it is missed."""

    plan: Plan
    problem: Problem
    stream: pl.DataFrame

    @property
    def first(self) -> date:
        """The Monday on or before the first appointment of the stream."""
        return monday(self.stream.get_column(self.problem.when.happens))

    @property
    def weeks(self) -> int:
        last: date = self.stream.get_column(DAY).max()  # type: ignore[assignment]
        return min(self.plan.weeks, (last - self.first).days // 7 + 1)

    def asked(self, day: date) -> list[dict[str, Any]]:
        """The day's list, as the service is asked."""
        rows = self.stream.filter(pl.col(DAY) == day)
        kinds = {name: self.problem.columns[name].type for name in rows.columns if name in self.problem.columns}
        return [{name: spelt(kinds[name], row[name]) for name in kinds} for row in rows.iter_rows(named=True)]

    @cached_property
    def missed(self) -> Mapping[str, bool]:
        """The truth: by appointment, whether it is missed if nobody does anything about it."""
        return dict(self.stream.select(KEY, MISSED).iter_rows())

    @cached_property
    def happens(self) -> Mapping[str, date]:
        return dict(self.stream.select(KEY, self.problem.when.happens).iter_rows())


def world(plan: Plan, problem: Problem, raw: pl.DataFrame) -> World:
    """The rows that the service can be asked about; the others are refused at the door, as by every sender."""
    sections = Sections(problem.columns, problem.who, problem.when, problem.outcome, problem.features)
    key = unique(problem)
    outcome = problem.columns[problem.outcome.column].raw
    numbered = raw.with_row_index(ROW, offset=1).select(ROW, (pl.col(outcome) == problem.outcome.true).alias(MISSED))
    spoken = raw.get_column(outcome).is_in([problem.outcome.true, problem.outcome.false])
    good = incoming.read(raw.lazy(), sections, problem.checks, [key]).good
    when = problem.when
    booked, happens = pl.col(when.booked).cast(pl.Date), pl.col(when.happens).cast(pl.Date)
    known = good.join(numbered.filter(spoken), on=ROW, how="inner").with_columns(
        # Asked the day before, unless it was booked on its own day; what lies before the first week, on its first day.
        pl.max_horizontal(booked, happens - pl.duration(days=1), monday(good.get_column(when.happens))).alias(DAY),
        pl.col(key).alias(KEY),
        happens.alias(when.happens),
    )
    return World(plan, problem, known.drop(ROW).sort(DAY, KEY))


def monday(days: pl.Series) -> date:
    first: date = days.cast(pl.Date).min()  # type: ignore[assignment]
    return first - timedelta(days=first.weekday())


def unique(problem: Problem) -> str:
    return next(name for name, column in problem.columns.items() if column.unique)


def spelt(kind: str, value: Any) -> Any:
    """As JSON has it."""
    if value is None:
        return None
    if kind in {"date", "timestamp"}:
        return value.isoformat()
    return bool(value) if kind == "flag" else value


def call(plan: Plan, key: str, above: bool) -> Called:
    """Whoever is above the line is called, but for some who are drawn by lot: so the chance of a call is known."""
    if not above:
        return Called("none", 1.0)
    if lot(plan, key, "held") < plan.held:
        return Called("none", plan.held)
    return Called("call", 1.0 - plan.held)


def happened(plan: Plan, key: str, missed: bool, action: str) -> bool:
    """Whether it is missed in the end: a call that works turns a miss into a visit."""
    return missed and not (action == "call" and lot(plan, key, "effect") < plan.effect)


def told(plan: Plan, key: str, happens: date, missed: bool) -> Iterator[Told]:
    """What the clinic says of it in the days after: late, now and then twice, or wrong at first, or never."""
    if lot(plan, key, "never") < plan.never:
        return
    known = happens + timedelta(days=1 + int(2 * plan.lag * lot(plan, key, "lag")))
    wrong = lot(plan, key, "corrected") < plan.corrected
    yield Told(key, known, missed != wrong, known)
    if wrong:
        yield Told(key, known + timedelta(days=5), missed, known + timedelta(days=5))
    elif lot(plan, key, "repeated") < plan.repeated:
        yield Told(key, known + timedelta(days=1), missed, known)


def lot(plan: Plan, key: str, what: str) -> float:
    """A number from 0 to 1, always the same for the same question."""
    drawn = hashlib.blake2b(f"{plan.seed} {what} {key}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") / 2**64


def auc(scores: Sequence[float], missed: Sequence[bool]) -> float | None:
    """Of two appointments, one missed and one not: how often the first had the higher score."""
    table = pl.DataFrame({"score": scores, "missed": missed}).with_columns(pl.col("score").rank().alias("rank"))
    ones, rows = int(table.get_column("missed").sum() or 0), table.height
    if not 0 < ones < rows:
        return None
    ranks = float(table.filter(pl.col("missed")).get_column("rank").sum())
    return (ranks - ones * (ones + 1) / 2) / (ones * (rows - ones))
