"""Where a challenger's gain comes from: feature by feature, and slice by slice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.judging.importance import importance
from jobs.judging.parts import FEW
from rounds.bundle import Bundle
from rounds.manifest import Facts
from rounds.metrics import roc_auc, tally
from rounds.rounding import rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

MOST = 10  # features and slices that are named


@dataclass(frozen=True)
class Judged:
    """A model, its features of the compared rows, and its scores of them."""

    model: Bundle
    matrix: NDArray[np.float32]
    scores: Floats


@dataclass(frozen=True)
class Part:
    """A part of a slice and its rows."""

    slice: str
    part: str
    rows: Flags


def explain(challenger: Judged, champion: Judged, outcome: Integers, parts: Iterable[Part], seed: int) -> Facts:
    """The features that the challenger's AUC leans on more than the champion's, and the AUC of both in each part."""
    return dict(
        rounded(
            {
                "features": features(challenger, champion, outcome, seed)[:MOST],
                "slices": slices(challenger, champion, outcome, parts)[:MOST],
            }
        )
    )


def features(challenger: Judged, champion: Judged, outcome: Integers, seed: int) -> list[Facts]:
    """The AUC that each model loses when a feature is shuffled; a feature that the champion lacks is new."""
    now, before = (
        importance(each.model.features, each.matrix, outcome, each.model.raw, seed) for each in (challenger, champion)
    )
    told = [
        {"feature": name, "gain": lost - before.get(name, 0.0), "loses": lost, "new": name not in before}
        for name, lost in now.items()
    ]
    return sorted(told, key=lambda each: (-float(str(each["gain"])), str(each["feature"])))


def slices(challenger: Judged, champion: Judged, outcome: Integers, parts: Iterable[Part]) -> list[Facts]:
    """The AUC of both models in each part that is large enough, the largest gain first."""
    told = []
    for each in parts:
        happened = outcome[each.rows]
        if not FEW <= happened.sum() <= len(happened) - FEW:
            continue
        now, before = (float(roc_auc(tally(model.scores[each.rows], happened))) for model in (challenger, champion))
        row = {"slice": each.slice, "part": each.part, "rows": len(happened)}
        told.append({**row, "auc": now, "champion": before, "gain": now - before})
    return sorted(told, key=lambda each: (-float(str(each["gain"])), str(each["slice"]), str(each["part"])))
