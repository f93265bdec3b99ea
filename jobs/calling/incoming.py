"""Appointments as their source spells them, read by the rules of `validate`; a bad row is told from a good one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from jobs.checks import rows
from jobs.checks.header import match
from jobs.checks.questions import Questions, questions
from jobs.checks.uniqueness import ROW
from rounds.definition import ORDER, Sections
from rounds.errors import Refused
from rounds.knobs import Column, Validate
from rounds.rules import broken_by, text_of

RULES = "broken"


@dataclass(frozen=True)
class Incoming:
    """`good`: the rows that can be scored, typed. `bad`: the others, identifiers as text, with the rules they break."""

    good: pl.DataFrame
    bad: pl.DataFrame

    @property
    def rows(self) -> int:
        return self.good.height + self.bad.height

    @property
    def broken(self) -> dict[str, int]:
        """How many rows break each rule."""
        found = self.bad.select(pl.col(RULES).explode()).to_series().drop_nulls().value_counts().sort(RULES)
        return dict(found.iter_rows())


def known(sections: Sections) -> dict[str, Column]:
    """The columns that a model may ask for at its moment: no outcome, nothing that is known later."""
    now = ORDER.index(sections.when.moment)
    return {
        name: column
        for name, column in sections.columns.items()
        if name != sections.outcome.column and ORDER.index(column.known) <= now
    }


def read(raw: pl.LazyFrame, sections: Sections, checks: Validate, keys: list[str]) -> Incoming:
    """Every row of the raw table, good or bad; `keys` are the columns by which people find a row."""
    columns = known(sections)
    header = match(raw.collect_schema().names(), columns)
    if header.faults:
        raise Refused(". ".join(header.faults) + ".", {"faults": len(header.faults)})
    asked = questions(columns, sections.outcome, _of(checks, columns), header.names)
    decoded = rows.decode(raw, asked)
    marked = rows.mark_repeats(rows.mark(decoded, asked).collect().lazy(), asked).collect()
    bad = marked.get_column(ROW).filter(marked.select(rows.is_bad(asked)).to_series())
    good = marked.filter(~rows.is_bad(asked)).select(ROW, *columns)
    found = Incoming(good, _told(decoded, marked, bad, asked, keys))
    if not found.rows:
        raise Refused("the list of appointments has a header and no rows; want at least one. See where it came from.")
    return found


def _told(
    decoded: pl.LazyFrame, marked: pl.DataFrame, bad: pl.Series, asked: Questions, keys: list[str]
) -> pl.DataFrame:
    """What people need to find the bad rows and to mend them."""
    ids = [pl.when(broken_by(check)).then(pl.lit(check.id)) for check in asked.rows]
    rules = marked.filter(pl.col(ROW).is_in(bad.implode())).select(
        ROW, pl.concat_list(ids).list.drop_nulls().alias(RULES)
    )
    texts = decoded.filter(pl.col(ROW).is_in(bad.implode())).select(
        ROW, *(pl.col(text_of(key)).alias(key) for key in keys)
    )
    return texts.collect().join(rules, on=ROW, how="left", maintain_order="left")


def _of(checks: Validate, columns: Mapping[str, Column]) -> Validate:
    """The rules that speak of these columns alone."""
    kept = [
        rule
        for rule in checks.rules
        if rule.column in columns
        and all(bound in columns for bound in (rule.at_least, rule.at_most) if isinstance(bound, str))
    ]
    return checks.model_copy(update={"rules": tuple(kept)})
