"""A raw table on its way from validate to the registry, all in this process, and what every check says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jobs import evaluate, features, train, validate
from jobs.champions import gain, rescored
from jobs.champions.gain import Judged
from jobs.judging.rows import Rows, assemble
from jobs.validate import Last
from rounds import surprise, tables
from rounds.bundle import Bundle
from rounds.errors import Refused
from rounds.files import Writer
from rounds.knobs import Column, Problem
from rounds.manifest import Circumstances, Content, Facts, Ingredients, Manifest
from rounds.modelling import Evaluate
from rounds.registry import CHAMPION, Shelf, Version, version_tags
from tests.jobs.appointments import SMALL, definition, problem, text

EXTRA = "extra"
GATES = {"accuracy": None, "net_benefit": None, "leakage": {}}  # the leakage checks alone


@dataclass(frozen=True)
class Attempt:
    """A raw table and the code that reads it; `first` is the table of the run before, if there was one."""

    raw: pl.DataFrame
    of: Problem = field(default_factory=problem)
    source: str = field(default_factory=text)
    first: pl.DataFrame | None = None
    mutants: tuple[tuple[Any, str, Any], ...] = ()  # object, name and what stands there instead
    gates: Mapping[str, Any] = field(default_factory=lambda: GATES)
    replaces: bool = False  # whether its model is to replace the champion of the honest table

    def but(self, **changes: Any) -> Attempt:
        return replace(self, **changes)

    def with_column(self, cells: pl.Expr, first: pl.DataFrame | None = None, **described: Any) -> Attempt:
        """One more column in the raw table, in problem.yaml and among the features."""
        column = Column.model_validate({"from": "Extra", "type": "number", **described})
        of = self.of.model_copy(update={"columns": {**self.of.columns, EXTRA: column}})
        source = self.source.replace('"age": row.age,', f'"age": row.age,\n        "{EXTRA}": row.{EXTRA},')
        return self.but(
            raw=self.raw.with_columns(cells.cast(pl.String).alias("Extra")), of=of, source=source, first=first
        )


@dataclass(frozen=True)
class Model:
    """A model that was judged, on which rows, and with which tags it would be registered."""

    fitted: Bundle
    rows: Rows
    scores: Any
    tags: dict[str, str]

    @cached_property
    def judged(self) -> Judged:
        return Judged(self.fitted, self.rows.matrix(self.fitted.features), self.scores)

    def of_rows(self, rows: Rows) -> Judged:
        """This model with its own features of the rows of another one."""
        matrix = rescored.matrix(self.fitted, rows.typed.lazy(), rows.features[rows.test], ["appointment_id"])
        return Judged(self.fitted, matrix, self.fitted.score(matrix))


@dataclass(frozen=True)
class Answers:
    """The sentences that refuse, hold or warn, and the model where there is one."""

    refused: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    model: Model | None = None

    @property
    def end(self) -> tuple[str, list[str]]:
        """How it ends, in the words of docs/pipeline.md, and the sentences that say so."""
        ends = {"refused": self.refused, "held as challenger": self.held, "a warning": self.warned}
        return next(((end, said) for end, said in ends.items() if said), ("passes", []))


def walk(attempt: Attempt, folder: Path, champion: Model | None, patch: pytest.MonkeyPatch) -> Answers:
    """Through every step, as far as it goes."""
    for of, name, mutant in attempt.mutants:
        patch.setattr(of, name, mutant)
    last = None
    try:
        if attempt.first is not None:
            _validated(attempt.first, attempt, folder / "first", None)
            profile = json.loads((folder / "first/out/profile.json").read_text())
            last = Last(profile, folder / "first/out/table.parquet")
        facts = _validated(attempt.raw, attempt, folder / "now", last)
        typed = pl.read_parquet(folder / "now/out/table.parquet")
        model, verdicts = _judged(attempt, typed)
    except Refused as refusal:
        return Answers(refused=[str(refusal)])
    refused = [verdict.says for verdict in verdicts if verdict.stops]
    warned = [verdict.says for verdict in verdicts if verdict.verdict != "pass" and not verdict.blocks]
    held = _held(model, champion, attempt) if champion is not None and attempt.replaces else []
    return Answers(refused, held, [*facts["warnings"], *warned], model)


def _validated(raw: pl.DataFrame, attempt: Attempt, folder: Path, last: Last | None) -> Facts:
    of = attempt.of
    knobs = validate.Knobs(of.columns, of.outcome, of.checks, of.who, of.when)
    folder.mkdir(parents=True)
    return validate.examine(raw.lazy(), "noshow", knobs, validate.Evidence(last), Writer(folder))


def _judged(attempt: Attempt, typed: pl.DataFrame) -> tuple[Model, list[Any]]:
    of, made_by = attempt.of, definition(attempt.of, attempt.source)
    compact = tables.compact(typed.lazy(), made_by).collect()
    made = pl.concat(features.chunks(compact, tables.histories(compact.lazy(), made_by), made_by, made_by.sections))
    knobs = train.Knobs(of.columns, of.who, of.when, of.outcome, of.features, of.split, SMALL)
    fitted, fit_facts = train.fit(made, knobs, attempt.source, "noshow")
    rows = assemble(typed, made, of.who, fitted.rebuild(), of.split)
    asked = Evaluate.model_validate({"gates": attempt.gates, "slices": ["sex"]})
    asked_of = evaluate.Knobs(of.title, of.model, of.who, of.when, of.outcome, of.columns, of.split, asked)
    found, verdicts, scores = evaluate.judge(rows, fitted, asked_of)
    tags = version_tags(_done("train", fit_facts), _done("evaluate", found), "")
    return Model(fitted, rows, scores, tags), verdicts


def _held(model: Model, champion: Model, attempt: Attempt) -> list[str]:
    """Why register would hold the model, with the feature that the gain comes from."""
    old, new = Version(1, {**champion.tags, "stage": "Production"}, "", 0), Version(2, model.tags, "", 0)
    why = surprise.held(Shelf(0, {}, {CHAMPION: 1}, {1: old, 2: new}), new, attempt.of.registry.surprise, True)
    gains = gain.features(model.judged, champion.of_rows(model.rows), model.rows.outcome[model.rows.test], 1)
    return [f"{why} (most of it from {gains[0]['feature']})"] if why else []


def _done(step: str, facts: Facts) -> Manifest:
    nothing = Ingredients(code={}, knobs={}, packages={}, inputs={}, also={})
    came = Circumstances(why=(), same_as=None, read=nothing, places={}, started="", seconds=0.0, machine="", python="")
    content = Content(verdict="done", files={}, facts=facts)
    return Manifest(problem="noshow", run="here", step=step, content=content, circumstances=came)
