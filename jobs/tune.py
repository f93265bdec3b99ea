"""Search for better knobs by folds of time, when a run asks.  Reads features.  Writes trials.json and trials.svg."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from jobs.searches import SEARCHES
from jobs.searches.picture import draw
from jobs.searches.trial import Trial, table
from rounds import metrics
from rounds.calibration import probability
from rounds.errors import NotAsked
from rounds.families import FAMILIES, Family
from rounds.files import Reader, Writer
from rounds.folds import Fold, folds
from rounds.knobs import Outcome, Split
from rounds.manifest import Facts
from rounds.matrix import feature_names, matrix, outcomes
from rounds.modelling import SEARCHED, Train, Tune
from rounds.progress import progress
from rounds.slices import cut
from rounds.step import step


@dataclass(frozen=True)
class Knobs:
    who: str
    outcome: Outcome
    split: Split
    tune: Tune
    train: Train


@dataclass(frozen=True)
class Judged:
    """One fold, made ready once for any number of fits."""

    family: Family
    score: str
    learn: Any
    learned: Any
    judge: Any
    judged: Any

    def __call__(self, knobs: Train, threads: int) -> float:
        margins = self.family.scorer(self.family.fit(self.learn, knobs, threads))(self.judge)
        if self.score == "roc_auc":
            return float(metrics.roc_auc(metrics.tally(margins, self.judged)))
        # a class weight multiplies the odds; without it, they are those of the table
        believed = probability(margins - math.log(self.family.weight(self.learned, knobs)))
        return float(metrics.log_loss(metrics.tally(believed, self.judged)))


def prepare(fitting: pl.DataFrame, made: list[Fold], knobs: Knobs) -> list[Judged]:
    rows, family = matrix(fitting, feature_names(fitting)), FAMILIES[knobs.train.family]
    prepared = []
    for number, fold in enumerate(made, 1):
        learned, judged = (
            outcomes(fitting[part], knobs.outcome.column, f"fold {number}") for part in (fold.learn, fold.judge)
        )
        data = family.data(rows[fold.learn], learned)
        prepared.append(Judged(family, knobs.tune.score, data, learned, rows[fold.judge], judged))
    return prepared


def trials(prepared: list[Judged], knobs: Knobs, done: Callable[[], None]) -> list[Trial]:
    """Every trial of the search: its folds side by side, the largest first, each on its share of the threads."""
    threads = knobs.train.threads
    workers = min(threads, len(prepared))

    with ThreadPoolExecutor(workers) as pool:

        def trial(chosen: Facts) -> Trial:
            tried = knobs.train.model_copy(update=chosen)
            scores = pool.map(lambda judged: judged(tried, threads // workers), reversed(prepared))
            result = Trial(chosen, tuple(reversed(list(scores))))
            done()
            return result

        found: list[Trial] = SEARCHES[knobs.tune.engine].search(knobs.tune, trial)
        return found


def fitting_slice(features: pl.DataFrame, split: Split) -> tuple[pl.DataFrame, Any]:
    """The rows that a model may be fitted on, and their days."""
    days = features.get_column(split.by).cast(pl.Date)
    fitting = cut(days, split).rows(features, split.by, "fit")
    return fitting, fitting.get_column(split.by).cast(pl.Date).cast(pl.Int32).to_numpy()


def asked(read: Reader, _: Knobs) -> tuple[Facts, bool]:
    return {"search": bool(read.options["search"])}, bool(read.options["search"])


@step(
    reads=("features/table.parquet",),
    knobs=Knobs,
    also=asked,
    options={"search": "yes: search; otherwise train uses the knobs of problem.yaml"},
)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    usual = {name: getattr(knobs.train, name) for name in SEARCHED}
    if not read.also:
        raise NotAsked("nobody asked for a search; train uses the knobs of problem.yaml.", {"best": usual})
    count = SEARCHES[knobs.tune.engine].trials(knobs.tune)
    fitting, days = fitting_slice(read.table("features").collect(), knobs.split)
    who = fitting.get_column(knobs.who).rank("dense").to_numpy()
    made = folds(days, who, knobs.tune.folds, apart=knobs.tune.apart)
    with progress("trial", count) as done:
        found = trials(prepare(fitting, made, knobs), knobs, done)
    tried = table(found, knobs.tune.score)
    write.json("trials.json", {"score": knobs.tune.score, "folds": _described(days, made), "trials": tried})
    write.text("trials.svg", draw(tried, knobs.tune.score))
    return {
        "trials": count,
        "fits": count * knobs.tune.folds,
        "score": knobs.tune.score,
        "best_score": tried[0]["mean"],
        "usual_score": next((row["mean"] for row in tried if row["knobs"].items() <= usual.items()), None),
        "best": {**usual, **tried[0]["knobs"]},
    }


def _described(days: Any, made: list[Fold]) -> list[Facts]:
    """Days and rows of each fold, to learn from and to be judged on."""

    def part(rows: Any) -> Facts:
        first, last = (str(np.datetime64(int(day), "D")) for day in (days[rows].min(), days[rows].max()))
        return {"first": first, "last": last, "rows": len(rows)}

    return [{"learn": part(fold.learn), "judge": part(fold.judge)} for fold in made]


if __name__ == "__main__":
    main.command()
