"""A small table of appointments as validate leaves it, its features, and a model fitted on them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

import problems
from jobs import evaluate, train
from jobs.judging.rows import assemble
from rounds.bundle import Bundle
from rounds.definition import Definition
from rounds.knobs import Moment, Problem
from rounds.modelling import Evaluate, Train
from rounds.tables import build_features

START = datetime.date(2026, 1, 5)
ASKED = {
    "gates": {
        "auc": {"at_least": 0.6, "alarm_above": 0.8},
        "ece": {"at_most": 0.06},
        "brier": {"better_than": "base_rate"},
        "leakage": {},
    },
    "slices": ["sex", {"name": "age_band", "column": "age", "at": [18, 60]}, "same_day", "known_patient"],
}
SMALL = Train(family="xgboost", trees=40, depth=4, rate=0.15, leaf=5, threads=1, seed=1, capacity=0.1)


def appointments(patients: int = 1500, seed: int = 1) -> pl.DataFrame:
    """Patients who come about three times in ten weeks, and miss more the longer ahead they booked."""
    generator = np.random.default_rng(seed)
    who = np.repeat(np.arange(patients), generator.integers(1, 6, patients))
    rows = len(who)
    lead = np.where(generator.random(rows) < 0.35, 0, generator.integers(1, 40, rows))
    day = generator.integers(0, 70, rows)
    second = generator.integers(7 * 3600, 18 * 3600, rows)
    age, sex = generator.integers(0, 95, patients)[who], generator.integers(0, 2, patients)[who]
    tendency = generator.normal(0, 1.2, patients)[who]
    odds = -2.6 + tendency + 1.3 * (lead > 0) + 0.03 * lead - 0.01 * age
    missed = generator.random(rows) < 1 / (1 + np.exp(-odds))
    midnight = np.datetime64(START, "us")
    booked = midnight + (day - lead).astype("timedelta64[D]") + second.astype("timedelta64[s]")
    flags = {name: generator.integers(0, 2, rows) for name in ("scholarship", "hypertension", "diabetes", "alcoholism")}
    return pl.DataFrame(
        {
            "patient_id": pl.Series([f"P{number:06}" for number in who]),
            "appointment_id": pl.Series([f"A{number:06}" for number in generator.permutation(rows)]),
            "sex": pl.Series(["FM"[one] for one in sex]),
            "scheduled_day": pl.Series(booked),
            "appointment_day": pl.Series((midnight + day.astype("timedelta64[D]")).astype("datetime64[D]")),
            "age": age,
            "neighbourhood": pl.Series([f"N{one}" for one in generator.integers(0, 9, patients)[who]]),
            **flags,
            "handicap": generator.integers(0, 2, rows),
            "reminded": ((lead > 2) & (generator.random(rows) < 0.5)).astype(np.int64),
            "no_show": missed.astype(np.int64),
        }
    )


def problem(moment: Moment = "day_before") -> Problem:
    found = problems.problem("noshow")
    return found.model_copy(update={"when": found.when.model_copy(update={"moment": moment})})


def text() -> str:
    return Path(str(problems.definition("noshow", "features").__file__)).read_text(encoding="utf-8")


def definition(of: Problem, source: str) -> Definition:
    module = ModuleType("features")
    exec(source, module.__dict__)
    return Definition(of, module.features)


@dataclass(frozen=True)
class Case:
    """A run as far as train: change a part of it, and judge what follows."""

    of: Problem
    typed: pl.DataFrame
    source: str
    change: Callable[[pl.DataFrame], pl.DataFrame] = lambda features: features

    def features(self) -> pl.DataFrame:
        made = definition(self.of, self.source)
        matrix, _ = build_features(self.typed, made)
        kept = self.typed.select("patient_id", "appointment_id", "appointment_day", "scheduled_day", "no_show")
        return self.change(kept.hstack(pl.DataFrame(matrix, schema=dict.fromkeys(made.names, pl.Float32))))

    def fit(self, features: pl.DataFrame) -> Bundle:
        of = self.of
        knobs = train.Knobs(of.columns, of.who, of.when, of.outcome, of.features, of.split, SMALL)
        return train.fit(features, knobs, self.source, "noshow")[0]

    def knobs(self, **asked: Any) -> evaluate.Knobs:
        of = self.of
        wanted = Evaluate.model_validate({**ASKED, **asked})
        return evaluate.Knobs(of.title, of.model, of.who, of.when, of.outcome, of.columns, of.split, wanted)

    def judge(self, **asked: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was found, and the gates that stop the run by name."""
        features, knobs = self.features(), self.knobs(**asked)
        fitted = self.fit(features)
        rows = assemble(self.typed, features, knobs.who, fitted.rebuild(), knobs.split)
        found, verdicts, _ = evaluate.judge(rows, fitted, knobs)
        return found, {verdict.gate: verdict for verdict in verdicts if verdict.stops}

    def but(self, **changes: Any) -> Case:
        return replace(self, **changes)


def case(moment: Moment = "day_before", patients: int = 1500) -> Case:
    return Case(problem(moment), appointments(patients), text())
