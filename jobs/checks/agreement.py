"""Both evaluations of the rules on the same rows: ours and that of Great Expectations must agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from jobs.checks import expectations, rows, whole
from jobs.checks.expectations import Opinion
from jobs.checks.profile import profile
from jobs.checks.questions import Questions
from jobs.checks.uniqueness import ROW
from rounds.errors import RoundsError

ALL_ROWS = 200_000


@dataclass(frozen=True)
class Agreement:
    """What Great Expectations said, and about how many rows: of each row, and of the whole of the good ones."""

    opinions: Mapping[str, Opinion]
    rows: int
    good: int


def ask_again(raw: pl.LazyFrame, size: int, asked: Questions, limit: int = ALL_ROWS) -> Agreement:
    """Ask both the same of the same rows: all, or at most `limit` of them."""
    asked, raw = _renamed(raw, asked)
    cells = sample(raw, size, limit)
    decoded = rows.decode(cells.lazy(), asked).collect()
    marked = rows.mark_repeats(rows.mark(decoded.lazy(), asked), asked).collect()
    theirs = expectations.of_rows(cells, decoded, asked)
    mine = rows.count(marked.lazy(), asked).broken
    for check in asked.rows:
        compare(check.id, mine[check.id], theirs[check.id], counted=check.kind != "unique")
    good = rows.good(marked.lazy(), asked).collect()
    if good.height == 0:
        return Agreement(theirs, cells.height, 0)
    return Agreement(theirs | _whole(good, asked), cells.height, good.height)


def _renamed(raw: pl.LazyFrame, asked: Questions) -> tuple[Questions, pl.LazyFrame]:
    """Raw columns under names that none of ours can have."""
    names = {name: f"{name}:raw" for name in asked.names}
    cells = [pl.col(raw_name).alias(names[name]) for name, raw_name in asked.names.items()]
    return replace(asked, names=names), raw.select(cells)


def _whole(good: pl.DataFrame, asked: Questions) -> dict[str, Opinion]:
    theirs = expectations.of_whole(good, asked)
    seen = profile(good.lazy(), asked.columns, asked.outcome.column)
    for verdict in whole.judge(asked.whole, seen, None, ()):
        if verdict.check.id in theirs:
            compare(verdict.check.id, int(not verdict.holds), theirs[verdict.check.id], counted=False)
    return theirs


def sample(raw: pl.LazyFrame, size: int, limit: int) -> pl.DataFrame:
    """All rows, or `limit` of them at equal distances."""
    if size > limit:
        place = pl.col(ROW).cast(pl.Int64)
        raw = raw.with_row_index(ROW).filter((place + 1) * limit // size > place * limit // size).drop(ROW)
    return raw.collect(engine="streaming")


def compare(rule: str, broken: int, opinion: Opinion, *, counted: bool) -> None:
    """One rule on the same rows, evaluated twice; `unique` is compared only in whether it holds."""
    if opinion.holds != (broken == 0) or (counted and opinion.broken != broken):
        theirs = "no verdict but broken" if opinion.broken is None else f"{opinion.broken} rows"
        raise RoundsError(
            f"rule {rule} was evaluated twice on the same rows: by our count {broken} break it, by that of Great "
            f"Expectations {'none' if opinion.holds else theirs}. One of the two is wrong: report this as a defect."
        )
