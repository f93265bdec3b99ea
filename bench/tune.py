"""The grid beside scikit-learn's GridSearchCV, the same fits on the same folds: `python -m bench.tune [rows]`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, TypeAlias

# XGBoost's threads would spin while they wait, on both sides.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import polars as pl
from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier

from jobs.searches.trial import Trial
from jobs.tune import Knobs, prepare, trials
from rounds.folds import Fold, folds
from rounds.knobs import Outcome, Split
from rounds.modelling import Train, Tune

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
FEATURES, DAYS, THREADS, REPEATS = 25, 60, 2, 3
SPACE = {"depth": (3, 4, 5), "ridge": (1.0, 20.0, 100.0)}


def table(rows: int, seed: int = 7) -> pl.DataFrame:
    """Rows with a quarter of outcomes, which some of the features tell something of."""
    draw = np.random.default_rng(seed)
    columns = [draw.normal(size=rows) for _ in range(FEATURES // 2)]
    columns += [draw.integers(0, 30, rows).astype(np.float64) for _ in range(FEATURES - FEATURES // 2)]
    log_odds = -1.6 + 0.6 * columns[0] - 0.4 * columns[1] * columns[2] + 0.03 * columns[-1]
    missed = draw.random(rows) < 1 / (1 + np.exp(-log_odds))
    named = {f"feature_{i}": column.astype(np.float32) for i, column in enumerate(columns)}
    day = np.sort(draw.integers(0, DAYS, rows))
    return pl.DataFrame(
        {"who": draw.integers(0, rows // 2, rows), "day": day, "missed": missed.astype(np.int64), **named}
    )


def ours(fitting: pl.DataFrame, made: list[Fold], knobs: Knobs) -> Array:
    """Folds made ready once."""
    return scores(trials(prepare(fitting, made, knobs), knobs, lambda: None))


def uncached(fitting: pl.DataFrame, made: list[Fold], knobs: Knobs) -> Array:
    """The same with the folds made ready anew for every trial."""
    found: list[Trial] = []
    for depth in SPACE["depth"]:
        for ridge in SPACE["ridge"]:
            space = {"depth": (depth,), "ridge": (ridge,)}
            one = Knobs(**{**vars(knobs), "tune": knobs.tune.model_copy(update={"space": space})})
            found += trials(prepare(fitting, made, one), one, lambda: None)
    return scores(found)


def theirs(fitting: pl.DataFrame, made: list[Fold], knobs: Knobs) -> Array:
    names = [name for name in fitting.columns if name.startswith("feature")]
    rows, missed = fitting.select(names).to_numpy(), fitting["missed"].to_numpy()
    model = XGBClassifier(n_estimators=knobs.train.trees, learning_rate=knobs.train.rate, tree_method="hist", n_jobs=1)
    search = GridSearchCV(
        model,
        {"max_depth": list(SPACE["depth"]), "reg_lambda": list(SPACE["ridge"])},
        scoring="roc_auc",
        cv=[(fold.learn, fold.judge) for fold in made],
        n_jobs=THREADS,
        refit=False,
    )
    found = search.fit(rows, missed).cv_results_
    return np.array([found[f"split{i}_test_score"] for i in range(len(made))]).T


def scores(found: list[Trial]) -> Array:
    return np.array([trial.scores for trial in found])


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    fitting = table(rows)
    tune = Tune(engine="grid", space=SPACE, fits=1000, folds=4)
    train = Train(
        family="xgboost", trees=200, depth=4, rate=0.05, scale_pos_weight=False, threads=THREADS, seed=0, capacity=0.1
    )
    split = Split(by="day", fit=0.5, calibrate=0.25, test=0.25)
    knobs = Knobs("who", Outcome(column="missed", true="1", false="0"), split, tune, train)
    made = folds(fitting["day"].to_numpy(), fitting["who"].to_numpy(), tune.folds, apart=True)
    ways: dict[str, Callable[[pl.DataFrame, list[Fold], Knobs], Array]] = {
        "GridSearchCV": theirs,
        "grid, folds made anew": uncached,
        "grid, folds cached": ours,
    }
    # its worker processes are there before the clock starts
    theirs(fitting, made, Knobs(**{**vars(knobs), "train": train.model_copy(update={"trees": 1})}))
    taken, found = dict.fromkeys(ways, float("inf")), {}
    for _ in range(REPEATS):
        for name, way in ways.items():
            begun = time.perf_counter()
            found[name] = way(fitting, made, knobs)
            taken[name] = min(taken[name], time.perf_counter() - begun)
    fits = found["GridSearchCV"].size
    print(
        f"{rows:,} rows, {FEATURES} features, {fits} fits of {train.trees} trees, {THREADS} threads, best of {REPEATS}"
    )
    for name, seconds in taken.items():
        off = float(np.abs(found[name] - found["GridSearchCV"]).max())
        print(
            f"{name:<24}{seconds:>8.2f} s {seconds / taken['GridSearchCV']:>6.2f} of GridSearchCV, AUC off by {off:.1e}"
        )


if __name__ == "__main__":
    main()
