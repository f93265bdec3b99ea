"""How often 95% intervals cover the truth, where days differ and where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from rounds.clusters import Clusters
from rounds.intervals import Measured, measure
from rounds.metrics import Operation

USE = Operation(threshold=0.4, capacity=0.1)
PATIENTS, SEED = 600, 7
DAYS, DIFFER = (8, 12, 20, 30, 60), (0.0, 0.4)  # how far days differ is in log odds
MANY = 800_000, 20_000  # patients and days of the truth
FIGURES = ("auc", "ece", "observed_over_expected", "calibration_slope")
PROMOTED = ("pr_auc", "f1", "brier", "log_loss", "precision_at_capacity", "net_benefit")  # beside the AUC


class Table(NamedTuple):
    """Two scores of the same rows, what happened, whose each row is and of which day."""

    scores: Any
    others: Any
    outcome: Any
    clusters: Clusters

    def measured(self, scores: Any) -> Measured:
        return measure(scores, self.outcome, self.clusters, USE, seed=1)


def table(seed: tuple[int, ...], patients: int, days: int, differ: float) -> Table:
    """Patients with visits of their own kind on days of their own kind, and a score that says a little too much.

    The other score knows less, and is fooled by some days more than by others.
    """
    draw = np.random.default_rng(seed)
    visits = np.minimum(draw.geometric(0.6, patients), 30)
    who = np.repeat(np.arange(patients), visits)
    day = draw.integers(0, days, len(who))
    seen = 0.6 * draw.normal(size=patients)[who] + 0.8 * draw.normal(size=len(who))
    hidden = draw.normal(size=patients)[who] * 0.6 + differ * draw.normal(size=days)[day]
    chance = 1 / (1 + np.exp(1.6 - 0.8 * seen - hidden))
    outcome = (draw.random(len(who)) < chance).astype(np.int64)
    fooled = seen + 0.3 * draw.normal(size=len(who)) + differ * draw.normal(size=days)[day]
    scores, others = (1 / (1 + np.exp(1.3 - 0.75 * each)) for each in (seen, fooled))
    return Table(scores, others, outcome, Clusters.of(who, day))


@cache
def truth(differ: float) -> tuple[dict[str, float], dict[str, float]]:
    """The figures of a million visits on many days, and by how much they lie above those of the other score."""
    many = table((SEED, 10**6), *MANY, differ)
    one, other = (many.measured(scores).values for scores in (many.scores, many.others))
    return dict(one), {name: one[name] - other[name] for name in one}


def covered(days: int, differ: float, tables: int) -> Iterator[dict[str, bool]]:
    """Of each table, by figure, whether the interval holds the truth."""
    true, _ = truth(differ)
    for number in range(tables):
        one = table((SEED, number), PATIENTS, days, differ)
        estimates = one.measured(one.scores).estimates()
        yield {name: figure.low <= true[name] <= figure.high for name, figure in estimates.items()}


def differences(days: int, differ: float, tables: int) -> Iterator[dict[str, bool]]:
    """The same for how far a figure lies above that of the other score; of the calibration error there is none."""
    _, true = truth(differ)
    for number in range(tables):
        one = table((SEED, number), PATIENTS, days, differ)
        mine, theirs = one.measured(one.scores), one.measured(one.others)
        estimates = {name: mine.less(theirs, name) for name in mine.pulls}
        yield {name: figure.low <= true[name] <= figure.high for name, figure in estimates.items()}
