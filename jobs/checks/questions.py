"""What a raw table is asked: its columns, where they are, and the rules of the rows and of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rounds.knobs import Column, Outcome, Validate
from rounds.rules import Check, row_checks, table_checks


@dataclass(frozen=True)
class Questions:
    columns: Mapping[str, Column]
    outcome: Outcome
    names: Mapping[str, str]  # ours to the raw table's
    rows: tuple[Check, ...]
    whole: tuple[Check, ...]

    def spoken(self, name: str) -> Outcome | None:
        """The two words of the outcome, for its own column."""
        return self.outcome if name == self.outcome.column else None

    def words(self, name: str) -> frozenset[str]:
        """What a column may say although it reads like a word for nothing."""
        own = (self.outcome.true, self.outcome.false) if self.spoken(name) else ()
        return frozenset((*(self.columns[name].within or ()), *own))


def questions(columns: Mapping[str, Column], outcome: Outcome, checks: Validate, names: Mapping[str, str]) -> Questions:
    return Questions(columns, outcome, names, row_checks(columns, checks, outcome.column), table_checks(checks))
