"""Calibrators: from a booster's margin (log odds, distorted by class weights) to a probability that can be believed."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from rounds.errors import Refused
from rounds.manifest import Facts
from rounds.metrics import brier, tally

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
STEPS = 100  # of Newton's method, which needs about seven


@dataclass(frozen=True)
class Platt:
    """A straight line through the log odds (Platt 1999, with his targets, so that it always has a finite answer)."""

    slope: float
    offset: float
    kind: ClassVar[Literal["platt"]] = "platt"

    def __call__(self, margins: Array) -> Array:
        return probability(self.slope * margins + self.offset)

    def at(self, margin: float) -> float:
        """The same for one margin, without an array."""
        return _sigmoid(self.slope * margin + self.offset)


@dataclass(frozen=True)
class Isotonic:
    """A rising line through the means of pooled blocks: strictly rising between them, so it ranks as the booster does.

    Centred isotonic regression (Oron and Flournoy 2017); flat beyond the first and the last block.
    """

    margins: tuple[float, ...]
    probabilities: tuple[float, ...]
    kind: ClassVar[Literal["isotonic"]] = "isotonic"

    def __call__(self, margins: Array) -> Array:
        x, y = np.array(self.margins), np.array(self.probabilities)
        if len(x) == 1:
            return np.full(len(margins), y[0])
        right = np.clip(np.searchsorted(x, margins, side="right"), 1, len(x) - 1)
        part = np.clip((margins - x[right - 1]) / (x[right] - x[right - 1]), 0.0, 1.0)
        return np.where(part < 1.0, y[right - 1] + part * (y[right] - y[right - 1]), y[right])

    def at(self, margin: float) -> float:
        """The same for one margin, by bisection."""
        x, y = self.margins, self.probabilities
        if len(x) == 1:
            return y[0]
        right = min(max(bisect_right(x, margin), 1), len(x) - 1)
        part = min(max((margin - x[right - 1]) / (x[right] - x[right - 1]), 0.0), 1.0)
        return y[right - 1] + part * (y[right] - y[right - 1]) if part < 1.0 else y[right]


Calibrator: TypeAlias = Platt | Isotonic


def platt(margins: Array, outcomes: Array) -> Platt:
    """Fit the two numbers by Newton's method."""
    missed = int(outcomes.sum())
    kept = len(outcomes) - missed
    high, low = (missed + 1) / (missed + 2), 1 / (kept + 2)
    rows = [
        (margin, high if outcome else low) for margin, outcome in zip(margins.tolist(), outcomes.tolist(), strict=True)
    ]
    slope, offset = 0.0, math.log((missed + 1) / (kept + 1))
    loss = _platt_loss(rows, slope, offset)
    for _ in range(STEPS):
        step = _newton(rows, slope, offset)
        size = 1.0
        while (new := _platt_loss(rows, slope - size * step[0], offset - size * step[1])) > loss and size > 1e-10:
            size /= 2
        slope, offset = slope - size * step[0], offset - size * step[1]
        if loss - new <= 1e-12 * len(rows):
            break
        loss = new
    return Platt(slope, offset)


def _newton(rows: list[tuple[float, float]], slope: float, offset: float) -> tuple[float, float]:
    guesses = [_sigmoid(slope * margin + offset) for margin, _ in rows]
    weights = [guess * (1 - guess) for guess in guesses]
    errors = [guess - target for guess, (_, target) in zip(guesses, rows, strict=True)]
    first = math.fsum(error * margin for error, (margin, _) in zip(errors, rows, strict=True))
    second = math.fsum(errors)
    # a little on the diagonal: margins that are all equal leave the slope undetermined
    aa = math.fsum(weight * margin * margin for weight, (margin, _) in zip(weights, rows, strict=True)) + 1e-12
    ab = math.fsum(weight * margin for weight, (margin, _) in zip(weights, rows, strict=True))
    bb = math.fsum(weights) + 1e-12
    determinant = aa * bb - ab * ab
    return (bb * first - ab * second) / determinant, (aa * second - ab * first) / determinant


def _platt_loss(rows: list[tuple[float, float]], slope: float, offset: float) -> float:
    return math.fsum(_softplus(slope * margin + offset) - target * (slope * margin + offset) for margin, target in rows)


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def probability(log_odds: Array) -> Array:
    """From log odds to probabilities; one by one, as numpy's own exp differs by processor in the last digit."""
    return np.array([_sigmoid(value) for value in log_odds.tolist()])


def _sigmoid(log_odds: float) -> float:
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1 + odds)


def isotonic(margins: Array, outcomes: Array) -> Isotonic:
    """Fit by pooling adjacent violators; kept half an outcome away from 0 and 1, which no finite table can show."""
    order = np.argsort(margins, kind="stable")
    x, first = np.unique(margins[order], return_index=True)
    missed = np.add.reduceat(outcomes[order].astype(np.int64), first).tolist()
    counts = np.diff([*first, len(order)]).tolist()
    blocks: list[tuple[int, int, int]] = []  # outcomes, rows, distinct margins
    for outcome, rows in zip(missed, counts, strict=True):
        block = (outcome, rows, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    floor, start, knots = 0.5 / len(order), 0, []
    for outcome, rows, distinct in blocks:
        centre = math.fsum(x[start : start + distinct] * counts[start : start + distinct]) / rows
        knots.append((centre, min(max(outcome / rows, floor), 1 - floor)))
        start += distinct
    return Isotonic(tuple(centre for centre, _ in knots), tuple(level for _, level in knots))


FITS: dict[str, Callable[[Array, Array], Calibrator]] = {"isotonic": isotonic, "platt": platt}


def choose(margins: Array, outcomes: Array, later: Array) -> tuple[Calibrator, Facts]:
    """The calibrator with the lower Brier score on the later rows when fitted on the earlier, then refitted on all."""
    for part, rows in (("earlier", ~later), ("later", later)):
        if not rows.any() or len(np.unique(outcomes[rows])) < 2:
            raise Refused(
                f"the {part} part of the calibrate slice has {int(rows.sum())} rows and not both outcomes among them, "
                "so no calibrator can be chosen. Give split.calibrate a larger share, or bring a larger table."
            )
    tried = {name: fit(margins[~later], outcomes[~later])(margins[later]) for name, fit in FITS.items()}
    scores = {name: float(brier(tally(found, outcomes[later]))) for name, found in tried.items()}
    best = min(scores, key=lambda name: (scores[name], name))
    return FITS[best](margins, outcomes), {"chosen": best, "brier": scores}


def to_json(calibrator: Calibrator) -> Facts:
    return {"kind": calibrator.kind, **asdict(calibrator)}


def from_json(value: Facts) -> Calibrator:
    if value["kind"] == "platt":
        return Platt(value["slope"], value["offset"])
    if value["kind"] == "isotonic":
        return Isotonic(tuple(value["margins"]), tuple(value["probabilities"]))
    raise Refused(f"the bundle has a calibrator of kind '{value['kind']}'; this release knows platt and isotonic.")
