"""The lines that people look at: reliability, ROC, precision and recall, gain, decision curve; and the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.judging.exam import Exam
from rounds import pulls
from rounds.intervals import Estimate, plain, share
from rounds.metrics import Tally, net_benefit, recalls, tally
from rounds.pulls import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

POINTS = 200
SHARES = tuple(part / 50 for part in range(1, 51))
THRESHOLDS = tuple(part / 100 for part in range(2, 62, 2))
BARS = 40


def curves(exam: Exam) -> dict[str, Any]:
    """Every line, as points that are few enough to draw."""
    counted = tally(exam.scores, exam.outcome)
    return {
        "reliability": reliability(exam, counted),
        "roc": roc(counted),
        "precision_recall": precision_recall(counted),
        "gain": gain(exam.of(exam.can) if exam.can.any() else exam),
        "decision": decision(exam, counted),
        "scores": histogram(exam),
    }


def reliability(exam: Exam, counted: Tally) -> list[dict[str, float]]:
    """In groups of like scores: the mean score, the share with the outcome and its interval, and the rows."""
    table, starts = _table(exam), counted.scale.bins
    rows = np.add.reduceat(counted.scale.rows, starts)
    means = np.add.reduceat(counted.scale.rows * counted.scale.scores, starts) / rows
    shares = np.add.reduceat(counted.positives, starts) / rows
    lines = []
    for at, value in enumerate(shares.tolist()):
        mine = (table.group == at).astype(np.float64)
        reach = exam.clusters.reach(pulls.share(mine * table.happened, mine))
        found = share(value, reach, int(rows[at]))
        line = {"score": float(means[at]), "outcome": value, "low": found.low, "high": found.high}
        lines.append({**line, "rows": float(rows[at])})
    return lines[::-1]


def gain(exam: Exam) -> list[dict[str, float]]:
    """The recall when that share of the rows that can be called is called, with its interval."""
    table, rarer, points = _table(exam), exam.measured.rarer, []
    counted = tally(exam.scores, exam.outcome)
    for part, value in zip(SHARES, recalls(counted, np.array(SHARES)).tolist(), strict=True):
        found = share(value, exam.clusters.reach(pulls.recall_at(table, part)), rarer)
        points.append(_point("share", part, found))
    return points


def decision(exam: Exam, counted: Tally) -> list[dict[str, float]]:
    """The net benefit by the risk from which a call is worth it, and that of calling everybody."""
    table = _table(exam)
    points = []
    for threshold in THRESHOLDS:
        reach = exam.clusters.reach(pulls.mean(pulls.benefit(table, threshold)))
        point = _point("threshold", threshold, plain(float(net_benefit(counted, threshold)), reach))
        points.append({**point, "call_all": _call_all(counted, threshold)})
    return points


def roc(counted: Tally) -> list[tuple[float, float]]:
    """False alarms against outcomes found."""
    x, y = counted.disturbed / counted.negative, counted.caught / counted.positive
    return [(0.0, 0.0), *_few(x, y)]


def precision_recall(counted: Tally) -> list[tuple[float, float]]:
    """Recall against precision; the first few rows alone would be noise."""
    called = counted.caught + counted.disturbed
    enough = called >= max(1.0, 0.005 * float(counted.rows))
    return _few((counted.caught / counted.positive)[enough], (counted.caught / called)[enough])


def histogram(exam: Exam) -> list[int]:
    """How many rows score in each of equal steps from 0 to 1."""
    step = np.minimum((exam.scores * BARS).astype(np.int64), BARS - 1)
    return [int(count) for count in np.bincount(step, minlength=BARS)]


def _table(exam: Exam) -> Table:
    return Table(exam.scores, exam.outcome.astype(np.float64))


def _point(name: str, at: float, found: Estimate) -> dict[str, float]:
    return {name: at, "value": found.value, "low": found.low, "high": found.high}


def _call_all(counted: Tally, threshold: float) -> float:
    share = float(counted.positive / counted.rows)
    return share - (1 - share) * threshold / (1 - threshold)


def _few(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """At most so many points, evenly chosen along x, the last among them."""
    at = np.unique(np.searchsorted(x, np.linspace(x[0], x[-1], POINTS)).clip(0, len(x) - 1))
    at = np.unique(np.append(at, len(x) - 1))
    return list(zip(x[at].tolist(), y[at].tolist(), strict=True))
