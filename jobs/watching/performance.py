"""Performance: what the champion's scores were worth, as far as outcomes say, and what they promise before that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from jobs.judging.parts import FEW
from jobs.watching.figures import Answers, Figure, auc, brier, ece, mean, observed_over_expected
from jobs.watching.weights import Evidence, weigh
from rounds.intervals import NORMAL, Estimate
from rounds.manifest import Facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """The champion's newest answer to each appointment: what it said, what came of it (not a number: not known), what
    was done and with which chance; `who` numbers the patients, `window` the windows from the newest.
    """

    score: Floats
    outcome: Floats
    acted: Flags
    propensity: Floats
    who: Integers
    window: Integers

    def of(self, rows: Flags) -> Rows:
        return Rows(*(getattr(self, name)[rows] for name in Rows.__dataclass_fields__))

    @property
    def known(self) -> Flags:
        return np.isfinite(self.outcome)


@dataclass(frozen=True)
class Asked:
    """From how many outcomes on a figure is told; how much AUC may be lost, and calibration error be had, unalarmed;
    and how often the verdict may cry wolf.
    """

    rows: int
    margin: float
    ece: float | None
    false_alarms: float
    seed: int


def judge(rows: Rows, tested: Facts, asked: Asked) -> Facts:
    """Every figure, and the verdict; `tested` is what evaluate found before the champion was released."""
    evidence = weigh(rows.known, rows.acted, rows.propensity)
    everything = _answers(rows, rows.score, np.ones(len(rows.score)))
    naive = _answers(rows, rows.outcome, everything.weight).of(rows.known)
    fair = _answers(rows, rows.outcome, evidence.weight).of(evidence.used)
    facts: Facts = {
        "labels": len(fair.score),
        "effective": fair.effective,
        "called": evidence.called,
        "method": evidence.method,
        "auc": _beside(fair, naive, everything, tested, "auc", asked, auc),
        "brier": _beside(fair, naive, everything, tested, "brier", asked, brier),
        "ece": _beside(fair, naive, None, tested, "ece", asked, partial(ece, seed=asked.seed)),
        "calibration": calibration(fair) if enough(fair, asked.rows) else None,
    }
    return {**facts, **verdict(facts, fair, evidence, tested, asked)}


def enough(answers: Answers, rows: int) -> bool:
    """Whether the outcomes say anything: enough of them, of either kind, none of them standing for nearly all."""
    having = int((answers.happened > 0.5).sum())
    return answers.effective >= rows and FEW <= having <= len(answers.happened) - FEW


def calibration(answers: Answers) -> Facts:
    ratio = observed_over_expected(answers)
    observed, expected = mean(answers, answers.happened), mean(answers, answers.score)
    found = ratio.ratio()
    return {
        "observed": observed.value,
        "expected": expected.value,
        "ratio": found.value,
        "low": found.low,
        "high": found.high,
    }


def _answers(rows: Rows, happened: Floats, weight: Floats) -> Answers:
    return Answers(rows.score, happened, weight, rows.who)


def _beside(
    fair: Answers,
    naive: Answers,
    everything: Answers | None,
    tested: Facts,
    name: str,
    asked: Asked,
    figure: Callable[[Answers], Figure | Estimate | None],
) -> Facts:
    """One figure four times: realised, as all outcomes would have it, as the scores promise, and as it was tested."""

    def told(answers: Answers | None) -> Facts | None:
        if answers is None or len(answers.score) < asked.rows:
            return None
        found = figure(answers)
        found = found.share() if isinstance(found, Figure) else found
        return None if found is None else {"value": found.value, "low": found.low, "high": found.high}

    return {
        "realised": told(fair) if enough(fair, asked.rows) else None,
        "naive": told(naive) if enough(naive, asked.rows) else None,
        "promised": told(fair.promised()) if everything is not None and enough(fair, asked.rows) else None,
        "estimated": told(everything.promised()) if everything is not None else None,
        "tested": tested.get(name),
    }


def verdict(facts: Facts, fair: Answers, evidence: Evidence, tested: Facts, asked: Asked) -> Facts:
    """Worse only where the drop is beyond its interval and larger than what may be lost; says against what."""
    if not enough(fair, asked.rows):
        return {"verdict": "unseen", "drop": None, "drop_against": None, "says": [_unseen(facts, asked), evidence.says]}
    realised, promised = auc(fair), auc(fair.promised())
    assert realised is not None and promised is not None
    alike = evidence.method != "not called only"
    differences = {
        "what the scores of the same rows promise": (realised.value - promised.value, (realised - promised).error)
    }
    if (known := tested.get("auc")) is not None and alike:
        error = math.hypot(realised.error, (known["high"] - known["low"]) / (2 * NORMAL))
        differences["the champion's own test"] = (realised.value - known["value"], error)
    reach = NormalDist().inv_cdf(1 - asked.false_alarms / len(differences))
    lower = {name: by for name, (by, error) in differences.items() if by + reach * error < 0 and -by >= asked.margin}
    higher = [by for by, error in differences.values() if by - reach * error > 0 and by >= asked.margin]
    says = [f"The AUC is {-by:.3f} below {name}, which is beyond chance." for name, by in lower.items()]
    if (off := _miscalibrated(facts, asked)) is not None:
        says.append(off)
    word = "worse" if says else "better" if len(higher) == len(differences) else "as_expected"
    if word == "as_expected":
        says.append(f"The AUC differs from {' and '.join(differences)} no more than chance lets it.")
    if word == "better":
        says.append(f"The AUC is above {' and '.join(differences)}, beyond chance.")
    if not alike:
        says.append("It is not held against the champion's test, which was made on everybody.")
    against = known if known is not None and alike else {"value": promised.value}
    return {
        "verdict": word,
        "drop": (against["value"] - realised.value) / against["value"],
        "drop_against": "tested" if against is known else "promised",
        "says": [*says, evidence.says],
    }


def _miscalibrated(facts: Facts, asked: Asked) -> str | None:
    found = facts["ece"]["realised"]
    if asked.ece is None or found is None or not found["low"] > asked.ece:
        return None
    return (
        f"The calibration error is {found['value']:.3f} (at least {found['low']:.3f}), and the gate lets {asked.ece:g} "
        f"pass: {facts['calibration']['observed']:.1%} happened where {facts['calibration']['expected']:.1%} was said."
    )


def _unseen(facts: Facts, asked: Asked) -> str:
    if facts["labels"] < asked.rows:
        return f"{facts['labels']:,} outcomes of the champion's predictions count so far; want at least {asked.rows:,}."
    if facts["effective"] < asked.rows:
        return f"The outcomes weigh as much as {facts['effective']:,} equal ones; want at least {asked.rows:,}."
    return f"Fewer than {FEW} of the {facts['labels']:,} outcomes are of the one kind, so nothing can be told apart."


def by_window(rows: Rows, windows: int, asked: Asked) -> list[Facts]:
    """The same figures window by window, the newest first, for those who look at them in a row."""
    return [{"window": at, **_short(rows.of(rows.window == at), asked)} for at in range(windows)]


def sliced(rows: Rows, parts: Iterator[tuple[str, str, Flags]], asked: Asked) -> list[Facts]:
    """The same for parts of the people; of one that is too small, only that it is."""
    return [
        {"slice": name, "part": part, "rows": int(mine.sum()), **_short(rows.of(mine), asked)}
        for name, part, mine in parts
    ]


def _short(rows: Rows, asked: Asked) -> Facts:
    found = judge(rows, {}, replace(asked, ece=None))
    figures = {name: found["auc"][name] for name in ("naive", "estimated")}
    return {"labels": found["labels"], "auc": found["auc"]["realised"], **figures, "calibration": found["calibration"]}


def target(rows: Rows, reference: Facts, asked: Asked) -> Facts | None:
    """How often the outcome happens now, beside how often it did when the champion was calibrated."""
    evidence = weigh(rows.known, rows.acted, rows.propensity)
    fair = _answers(rows, rows.outcome, evidence.weight).of(evidence.used)
    if not enough(fair, asked.rows):
        return None
    found = mean(fair, fair.happened)
    told = found.share()
    facts: Facts = {"rate": told.value, "low": told.low, "high": told.high, "reference": None, "drifted": None}
    if reference.get("rows") and evidence.method != "not called only":
        was = reference["true"] / reference["rows"]
        error = math.hypot(found.error, math.sqrt(was * (1 - was) / reference["rows"]))
        reach = NormalDist().inv_cdf(1 - asked.false_alarms / 2)
        facts |= {"reference": was, "drifted": abs(told.value - was) > reach * error}
    return facts
