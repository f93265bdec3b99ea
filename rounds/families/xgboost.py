"""Gradient boosted trees by XGBoost."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from rounds.modelling import Train

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
FILE = "model.ubj"
MANY = 1000  # rows, from which on threads are worth their while


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


def quick(model: bytes) -> Callable[[Array], list[float]]:
    """As `scorer`, by XGBoost's C function alone, for one thread: its Python takes three quarters of one row's time.

    The place of a matrix is made once: by itself each call makes one, and reads the processors' share from the disk.
    """
    core = library().core
    booster, place_of = library().Booster({"nthread": 1}, model_file=bytearray(model)), core._ProxyDMatrix()
    call, handle, proxy = core._LIB.XGBoosterPredictFromDense, booster.handle, place_of.handle
    told = {"type": 1, "training": False, "iteration_begin": 0, "iteration_end": 0, "missing": float("nan")}
    how = json.dumps({**told, "strict_shape": False, "cache_id": 0}).encode()
    shape, dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
    found = ctypes.POINTER(ctypes.c_float)()
    wide = booster.num_features()

    def score(matrix: Array) -> list[float]:
        rows = len(matrix)
        if matrix.shape != (rows, wide) or matrix.dtype != np.float32 or not matrix.flags.c_contiguous:
            raise ValueError(f"a matrix of {matrix.dtype} and shape {matrix.shape}; want float32 in {wide} columns")
        place = b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}' % (matrix.ctypes.data, rows, wide)
        answers = (ctypes.byref(shape), ctypes.byref(dimensions), ctypes.byref(found))
        core._check_call(call(handle, place, how, proxy, *answers))
        return found[:rows]

    score.owners = (booster, place_of)  # type: ignore[attr-defined] # the handles are good for as long as they live
    return score


def explainer(model: bytes) -> Callable[[Array], Array]:
    """Exact SHAP values, by the library's own TreeSHAP."""
    one, all_of_them = (library().Booster({"nthread": n}, model_file=bytearray(model)) for n in (1, 0))

    def explain(matrix: Array) -> Array:
        booster = one if len(matrix) < MANY else all_of_them  # row by row: threads change no number
        found = booster.predict(library().DMatrix(matrix, nthread=1), pred_contribs=True)
        return np.asarray(found, dtype=np.float64)[:, :-1]  # the last is what all rows have in common

    return explain
