"""The lines that people look at: reliability, ROC, precision and recall, gain, decision curve; and the scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.judging.exam import Exam
from rounds.bootstrap import tallies
from rounds.intervals import HIGH, LOW, rank
from rounds.metrics import Tally, net_benefit, ratio, recalls, tally

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
        "gain": _lines(exam, counted, "share", SHARES, recalls),
        "decision": [
            {**point, "call_all": _call_all(counted, point["threshold"])}
            for point in _lines(exam, counted, "threshold", THRESHOLDS, benefits)
        ],
        "scores": histogram(exam),
    }


def reliability(exam: Exam, counted: Tally) -> list[dict[str, float]]:
    """In groups of like scores: the mean score, the share with the outcome and its interval, and the rows."""
    starts = counted.scale.bins
    rows = np.add.reduceat(counted.scale.rows, starts)
    means = np.add.reduceat(counted.scale.rows * counted.scale.scores, starts) / rows
    shares = np.add.reduceat(counted.positives, starts) / rows

    def rates(block: Tally) -> Floats:
        drawn = np.add.reduceat(block.positives + block.negatives, starts, axis=-1)
        return ratio(np.add.reduceat(block.positives, starts, axis=-1), drawn)

    low, high = _band(exam, rates)
    lines = zip(means.tolist(), shares.tolist(), low, high, rows.tolist(), strict=True)
    keys = ("score", "outcome", "low", "high", "rows")
    return [dict(zip(keys, line, strict=True)) for line in lines][::-1]


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


def benefits(counted: Tally, thresholds: Floats) -> Floats:
    """The net benefit at each of several thresholds, on a last axis."""
    return np.stack([net_benefit(counted, threshold) for threshold in thresholds.tolist()], axis=-1)


def _lines(
    exam: Exam, counted: Tally, name: str, at: tuple[float, ...], metric: Callable[[Tally, Floats], Floats]
) -> list[dict[str, float]]:
    """A metric at several places, with its band."""
    places = np.array(at)
    low, high = _band(exam, lambda block: metric(block, places))
    keys = (name, "value", "low", "high")
    return [
        dict(zip(keys, line, strict=True)) for line in zip(at, metric(counted, places).tolist(), low, high, strict=True)
    ]


def _band(exam: Exam, figures: Callable[[Tally], Floats]) -> tuple[list[float], list[float]]:
    """The middle 95% of some figures over the resamples that have them: of few rows a resample may have none."""
    _, who = np.unique(exam.who, return_inverse=True)
    drawn = np.concatenate([figures(b) for b in tallies(exam.scores, exam.outcome, who, exam.resamples, exam.seed)])
    ordered = np.sort(drawn, axis=0)  # what is not a number comes last
    known = np.isfinite(ordered).sum(axis=0).tolist()
    low, high = ([float(ordered[rank(chance, count), at]) for at, count in enumerate(known)] for chance in (LOW, HIGH))
    return low, high


def _call_all(counted: Tally, threshold: float) -> float:
    share = float(counted.positive / counted.rows)
    return share - (1 - share) * threshold / (1 - threshold)


def _few(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """At most so many points, evenly chosen along x, the last among them."""
    at = np.unique(np.searchsorted(x, np.linspace(x[0], x[-1], POINTS)).clip(0, len(x) - 1))
    at = np.unique(np.append(at, len(x) - 1))
    return list(zip(x[at].tolist(), y[at].tolist(), strict=True))
