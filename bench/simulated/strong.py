"""An honest feature that is strong by itself: what the leakage checks say of it, and where its model ends.

The table's age stands for it: a laboratory value, say, that is known at the booking, drawn so that it ranks the
outcome as well as asked. The champion is fitted without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from jobs import evaluate
from jobs.champions.paired import Paired, Rows, Scored, against_champion, compare
from jobs.judging.gates import Verdict
from jobs.judging.rows import Rows as Judged
from jobs.judging.rows import assemble
from rounds.bundle import Bundle
from rounds.clusters import Clusters
from rounds.manifest import Facts
from rounds.metrics import Operation, roc_auc, tally
from rounds.modelling import Register
from rounds.registry import CHAMPION, Shelf, Version
from rounds.surprise import held
from rounds.tables import day_numbers
from tests.jobs.appointments import ASKED, Case, case

AUCS = (0.60, 0.65, 0.70, 0.75, 0.78, 0.80, 0.82)
PATIENTS, SEED = 2500, 5
FEATURE, OF_FEATURE = "age", ("age", "age_band")
LEAKAGE = ("time travel", "single feature", "strong feature", "repeated rows")
# Without the bound on the AUC itself: it belongs to a problem, and says nothing of a feature.
GATES = {**ASKED["gates"], "auc": {"at_least": 0.6}, "ece": {"at_most": 0.1}}  # type: ignore[dict-item]


@dataclass(frozen=True)
class Ended:
    """What came of one table."""

    alone: float
    auc: Facts
    refused: tuple[Verdict, ...]
    warned: tuple[Verdict, ...]
    test: Paired
    held: str

    @property
    def says(self) -> str:
        """What the leakage checks say of the feature."""
        gates = [each.gate for each in (*self.refused, *self.warned) if each.gate in LEAKAGE and FEATURE in each.says]
        return ", ".join(gates) or "nothing"

    @property
    def end(self) -> str:
        if self.refused:
            return "refused"
        if not self.test.passed:
            return "challenger"
        return "held" if self.held else "promoted"


def planted(honest: Case, auc: float, seed: int) -> Case:
    """The same appointments, with a feature that ranks the outcome so well."""
    missed = honest.typed.get_column("no_show").to_numpy()
    apart = NormalDist().inv_cdf(auc) * 2**0.5
    draw = np.random.default_rng([SEED, seed]).normal(apart * missed)
    value = np.clip(np.round(40 + 12 * draw), 0, 119).astype(np.int64)
    return honest.but(typed=honest.typed.with_columns(pl.Series(FEATURE, value)))


def without(features: pl.DataFrame) -> pl.DataFrame:
    return features.drop(name for name in OF_FEATURE if name in features.columns)


def ended(auc: float, seed: int = 1) -> Ended:
    """Fit champion and challenger, judge the challenger, and hold it against the champion."""
    of = planted(case(patients=PATIENTS), auc, seed)
    plain = of.but(change=without)
    asked, registry = of.knobs(gates=GATES), Register()
    champion, challenger = (each.fit(each.features()) for each in (plain, of))
    before, after = (judged(each, model, asked) for each, model in ((plain, champion), (of, challenger)))
    rows, evaluation, verdicts, scores = after
    outcome = rows.outcome[rows.test]
    days = day_numbers(rows.typed.get_column(asked.when.happens)[rows.test])
    both = Rows(outcome, Clusters.of(rows.who[rows.test], days))
    pair = (used(scores, challenger), used(before[3], champion))
    value = rows.typed.get_column(FEATURE).to_numpy()[rows.test].astype(np.float64)
    return Ended(
        float(roc_auc(tally(value, outcome))),
        evaluation["metrics"]["auc"],
        tuple(each for each in verdicts if each.stops),
        tuple(each for each in verdicts if each.verdict != "pass" and not each.blocks),
        compare(*pair, both, against_champion(registry), registry.risk),
        surprised(before[1]["metrics"]["auc"], evaluation["metrics"]["auc"], registry),
    )


def judged(of: Case, model: Bundle, asked: evaluate.Knobs) -> tuple[Judged, Facts, list[Verdict], Any]:
    rows = assemble(of.typed, of.features(), asked.who, model.rebuild(), asked.split)
    return rows, *evaluate.judge(rows, model, asked)


def used(scores: Any, model: Bundle) -> Scored:
    return Scored(scores, Operation(model.thresholds["capacity"], model.knobs["capacity"]))


def surprised(before: Facts, after: Facts, registry: Register) -> str:
    """Why the version waits for a person, by the AUCs with which the two are registered."""
    champion, version = (
        Version(number, {f"auc.{end}": str(auc[end]) for end in ("value", "low", "high")}, "", 0)
        for number, auc in enumerate((before, after), 1)
    )
    shelf = Shelf(0, {}, {CHAMPION: 1}, {1: champion, 2: version})
    return held(shelf, version, registry.surprise, comparable=True)
