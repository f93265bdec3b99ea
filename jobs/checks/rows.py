"""Every row against every rule: what was read from it, and which rules it breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from jobs.checks.bias import Outcomes
from jobs.checks.questions import Questions
from jobs.checks.uniqueness import ROW, repeats
from rounds.decoding import tidy, value
from rounds.rules import broken, broken_by, text_of

NUMBER, RULES = "row", "rules"  # in quarantine
FIRST = 20  # rows of each rule that a report names by number


@dataclass(frozen=True)
class Counts:
    """Of rows: all, the bad ones, and those that break each rule; the outcomes of the good and of the bad."""

    rows: int
    bad: int
    broken: Mapping[str, int]
    outcomes: Outcomes


def decode(raw: pl.LazyFrame, asked: Questions) -> pl.LazyFrame:
    """Row number, tidy texts and typed values of a raw table, under our names."""
    texts, values = [], []
    for name, column in asked.columns.items():
        texts.append(tidy(pl.col(asked.names[name]), column, asked.spoken(name)).alias(text_of(name)))
        values.append(value(pl.col(text_of(name)), column, asked.spoken(name)).alias(name))
    if ROW in raw.collect_schema():  # rows were left out before, and these have the numbers of the raw table
        return raw.select(ROW, *texts).with_columns(values)
    return raw.select(texts).with_row_index(ROW, offset=1).with_columns(values)


def mark(decoded: pl.LazyFrame, asked: Questions) -> pl.LazyFrame:
    """Row number, values, and one column a rule that says which rows break it; `unique` is not judged here."""
    marks = [broken(check).alias(broken_by(check)) for check in asked.rows if check.kind != "unique"]
    return decoded.select(ROW, *asked.columns, *marks)


def mark_repeats(marked: pl.LazyFrame, asked: Questions) -> pl.LazyFrame:
    """The same with the rows that break `unique`."""
    marks = []
    for check in asked.rows:
        if check.kind == "unique":
            rows = repeats(marked, check.column, pl.struct(list(asked.columns)).hash())
            marks.append(pl.col(ROW).is_in(rows.implode()).alias(broken_by(check)))
    return marked.with_columns(marks)


def is_bad(asked: Questions) -> pl.Expr:
    return pl.any_horizontal(broken_by(check) for check in asked.rows)


def count(marked: pl.LazyFrame, asked: Questions) -> Counts:
    """How many rows there are, how many are bad, how many break each rule, and how often each sort has the outcome."""
    sums = [pl.col(broken_by(check)).sum() for check in asked.rows]
    outcome, bad = pl.col(asked.outcome.column), is_bad(asked)
    seen = {
        f"{name} {what}": value.sum()
        for name, mine in (("good", ~bad), ("bad", bad))
        for what, value in (("readable", mine & outcome.is_not_null()), ("true", mine & (outcome == 1)))
    }
    named = [value.alias(name) for name, value in {"bad": bad.sum(), **seen}.items()]
    rows, apart, *rest = marked.select(pl.len(), *named, *sums).collect(engine="streaming").row(0)
    outcomes, broken = Outcomes(*rest[: len(seen)]), rest[len(seen) :]
    return Counts(rows, apart, {check.id: count for check, count in zip(asked.rows, broken, strict=True)}, outcomes)


def good(marked: pl.LazyFrame, asked: Questions) -> pl.LazyFrame:
    return marked.filter(~is_bad(asked)).select(list(asked.columns))


def bad(raw: pl.LazyFrame, marked: pl.LazyFrame, asked: Questions) -> pl.LazyFrame:
    """The rows for quarantine as the source has them, with their number there and the rules that they break."""
    marks = [broken_by(check) for check in asked.rows]
    ids = [pl.when(broken_by(check)).then(pl.lit(check.id)) for check in asked.rows]
    raw = raw.drop(ROW, strict=False)
    cells = raw.rename({name: f"{name} (raw)" for name in raw.collect_schema() if name in {NUMBER, RULES}})
    return (
        pl.concat([marked.select(pl.col(ROW).alias(NUMBER), *marks), cells], how="horizontal")
        .filter(is_bad(asked))
        .with_columns(pl.concat_list(ids).list.drop_nulls().alias(RULES))
        .drop(marks)
    )


def first_rows(bad: Path) -> dict[str, list[int]]:
    """For each rule that was broken, the numbers of the first rows that break it."""
    numbered = pl.scan_parquet(bad, glob=False).select(NUMBER, RULES).explode(RULES)
    found = numbered.group_by(RULES).agg(pl.col(NUMBER).bottom_k(FIRST).sort()).collect(engine="streaming")
    return dict(zip(found[RULES].to_list(), found[NUMBER].to_list(), strict=True))
