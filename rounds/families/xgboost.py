"""Gradient boosted trees by XGBoost."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from rounds.modelling import Train

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
FILE = "model.ubj"


def library() -> Any:
    """XGBoost, its threads asleep while they wait: by default they spin, 20 times slower where cores are shared."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xgboost

    return xgboost


def data(matrix: Array, outcomes: Array) -> Any:
    return library().DMatrix(matrix, label=outcomes, nthread=1)


def fit(data: Any, knobs: Train, threads: int) -> bytes:
    parameters = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": knobs.depth,
        "learning_rate": knobs.rate,
        "min_child_weight": knobs.leaf,
        "subsample": knobs.rows,
        "colsample_bytree": knobs.columns,
        "reg_lambda": knobs.ridge,
        "max_bin": knobs.bins,
        "scale_pos_weight": weight(data.get_label(), knobs),
        "nthread": threads,
        "seed": knobs.seed,
        "verbosity": 0,
    }
    return bytes(library().train(parameters, data, num_boost_round=knobs.trees).save_raw("ubj"))


def weight(outcomes: Array, knobs: Train) -> float:
    missed = int(outcomes.sum())
    return (len(outcomes) - missed) / missed if knobs.scale_pos_weight else 1.0


def scorer(model: bytes) -> Callable[[Array], Array]:
    booster = library().Booster({"nthread": 1}, model_file=bytearray(model))

    def score(matrix: Array) -> Array:
        return np.asarray(booster.inplace_predict(matrix, predict_type="margin"), dtype=np.float64)

    return score
