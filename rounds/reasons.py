"""Why a prediction is what it is: the features with the largest SHAP values, in words that a nurse reads.

The SHAP values are exact (TreeSHAP), in log odds before calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Words: TypeAlias = Mapping[str, str | Mapping[int, str]]
Effect = Literal["raises the risk", "lowers the risk"]


class Reason(NamedTuple):
    """`by` is the SHAP value in log odds, before calibration, which keeps the order and so the direction."""

    text: str
    effect: Effect
    feature: str
    by: float

    def __str__(self) -> str:
        return f"{self.text}: {self.effect}"


def strongest(
    contributions: Array, matrix: Array, names: Sequence[str], words: Words, count: int
) -> list[list[Reason]]:
    """For each row the features with the largest SHAP values; `Bundle.contributions` computes these."""
    pushes = contributions[:, : len(names)]
    order = np.argsort(-np.abs(pushes), axis=1, kind="stable")[:, :count]
    rows = zip(order.tolist(), np.take_along_axis(pushes, order, 1).tolist(), matrix.tolist(), strict=True)
    return [
        [_reason(names[at], values[at], by, words) for at, by in zip(places, strengths, strict=True) if by]
        for places, strengths, values in rows
    ]


def _reason(feature: str, value: float, by: float, words: Words) -> Reason:
    return Reason(told(feature, value, words), "raises the risk" if by > 0 else "lowers the risk", feature, by)


def told(feature: str, value: float, words: Words) -> str:
    """A feature's value in the problem's words; by its name where there are none."""
    found = words.get(feature)
    if isinstance(found, Mapping):
        found = found.get(int(value)) if value == int(value) else None
    if found is None:
        return f"{feature.replace('_', ' ')} is {value:.4g}"
    return found.format(value=value)
