"""Single features: one that nearly ranks the outcomes by itself probably knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rounds.metrics import roc_auc, tally

if TYPE_CHECKING:
    from numpy.typing import NDArray


def single_aucs(names: tuple[str, ...], matrix: NDArray[np.float32], outcome: NDArray[np.integer]) -> dict[str, float]:
    """The ROC-AUC of each feature alone, whichever way it points."""
    found = {}
    for at, name in enumerate(names):
        auc = float(roc_auc(tally(matrix[:, at].astype(np.float64), outcome)))
        found[name] = max(auc, 1 - auc)
    return found
