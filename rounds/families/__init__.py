"""Model families: one module each, all with the same functions, told apart by `train.family`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from rounds.families import xgboost
from rounds.modelling import Train

Array: TypeAlias = Any


class Family(Protocol):
    FILE: str

    def data(self, matrix: Array, outcomes: Array) -> Any:
        """Rows in the shape that `fit` reads, made once and used for any number of fits."""

    def fit(self, data: Any, knobs: Train, threads: int) -> bytes:
        """A model of these rows: equal bytes for equal rows and knobs, whatever the number of threads."""

    def scorer(self, model: bytes) -> Callable[[Array], Array]:
        """From a matrix to log odds."""

    def quick(self, model: bytes) -> Callable[[Array], list[float]]:
        """The same in the least time for a row or a few, in float32 and contiguous; for one thread at a time."""

    def explainer(self, model: bytes) -> Callable[[Array], Array]:
        """From a matrix to its SHAP values: what each feature added to the log odds of each row."""

    def weight(self, outcomes: Array, knobs: Train) -> float:
        """How many times a row of outcome 1 counts."""


FAMILIES: Mapping[str, Family] = {"xgboost": xgboost}
