"""Performance: what the champion's scores were worth, as far as outcomes say, and what they promise before that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from jobs.judging.parts import FEW
from jobs.watching.figures import Answers, Figure, auc, brier, ece, mean, observed_over_expected
from jobs.watching.weights import Evidence, weigh
from rounds.clusters import NORMAL, Clusters, caution, normal_quantile
from rounds.intervals import Estimate
from rounds.manifest import Facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """The champion's newest answer to each appointment: what it said, what came of it (not a number: not known), what
    was done and with which chance (`otherwise`: something that is not taken to change what comes); `who` numbers the
    patients, `day` the days of the appointments, `window` the windows from the newest.
    """

    score: Floats
    outcome: Floats
    acted: Flags
    propensity: Floats
    who: Integers
    day: Integers
    window: Integers
    otherwise: Flags

    def of(self, rows: Flags) -> Rows:
        return Rows(*(getattr(self, name)[rows] for name in Rows.__dataclass_fields__))

    @property
    def known(self) -> Flags:
        return np.isfinite(self.outcome)


PATIENTS = 30  # an error is reckoned from how patients differ, and comes out too small where there are fewer


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
    wrong_looks: float | None = None  # of the verdict; as often as `false_alarms` where nothing is said

    @property
    def risk(self) -> float:
        """Of each of the two ways to be called worse by chance: the AUC and the calibration."""
        return (self.wrong_looks or self.false_alarms) / 2

    @property
    def risk_of_rate(self) -> float:
        """The same for the outcome's rate, on either side, which asks for nothing by itself."""
        return self.false_alarms / 2


def judge(rows: Rows, tested: Facts, asked: Asked) -> Facts:
    """Every figure, and the verdict; `tested` is what evaluate found before the champion was released."""
    evidence = weigh(rows.known, rows.acted, rows.otherwise, rows.propensity)
    everything = _answers(rows, rows.score, np.ones(len(rows.score)))
    naive = _answers(rows, rows.outcome, everything.weight).of(rows.known)
    fair = _answers(rows, rows.outcome, evidence.weight).of(evidence.used)
    facts: Facts = {
        "labels": len(fair.score),
        "patients": fair.clusters.patients,
        "days": fair.clusters.days,
        "effective": fair.effective,
        "called": evidence.called,
        "method": evidence.method,
        "represented": evidence.represented,
        "auc": _beside(fair, naive, everything, tested, "auc", asked, auc),
        "brier": _beside(fair, naive, everything, tested, "brier", asked, brier),
        "ece": _beside(fair, naive, None, tested, "ece", asked, partial(ece, seed=asked.seed)),
        "calibration": calibration(fair) if enough(fair, asked.rows) else None,
    }
    return {**facts, **verdict(facts, fair, evidence, tested, asked)}


def enough(answers: Answers, rows: int) -> bool:
    """Whether the outcomes say anything: enough of them, of either kind and of enough patients, none of them standing
    for nearly all.
    """
    having = int((answers.happened > 0.5).sum())
    several = FEW <= having <= len(answers.happened) - FEW
    return several and answers.effective >= rows and answers.clusters.patients >= PATIENTS


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
    return Answers(rows.score, happened, weight, Clusters.of(rows.who, rows.day))


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
        if answers is None or len(answers.score) < asked.rows or answers.clusters.patients < PATIENTS:
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
    alike = evidence.method != "not called only"
    against = yardsticks(fair, tested.get("auc") if alike else None, asked)
    lower, higher = ([each for each in against if each.beyond(way, asked)] for way in (-1, 1))
    falls = [f"The AUC is {-each.apart:.3f} below {each.name}, which is beyond chance." for each in lower]
    says = falls if len(lower) == len(against) else []
    if (off := _miscalibrated(facts, fair, asked)) is not None:
        says = [*says, off]
    word = "worse" if says else "better" if len(higher) == len(against) else "as_expected"
    if word == "as_expected" and lower:
        rest = " and ".join(each.name for each in against if each not in lower)
        says = [f"{falls[0][:-1]}, but it is not so against {rest}: that alone is no fall."]
    elif word == "as_expected":
        names = " and ".join(each.name for each in against)
        says = [f"The AUC differs from {names} no more than chance and the margin let it."]
    elif word == "better":
        says = [f"The AUC is above {' and '.join(each.name for each in against)}, beyond chance."]
    if not alike:
        says.append("It is not held against the champion's test, which was made on everybody.")
    says += [few] if (few := caution(fair.clusters.days)) else []
    last = against[-1]
    return {
        "verdict": word,
        "drop": -last.apart / last.value,
        "drop_against": last.kind,
        "says": [*says, evidence.says],
    }


@dataclass(frozen=True)
class Yardstick:
    """What the AUC is held against: how far apart it is, how far chance reaches, and what of it says nothing."""

    kind: str
    name: str
    value: float
    apart: float
    reach: float
    allowed: float = 0.0

    def beyond(self, way: int, asked: Asked) -> bool:
        """Whether it lies beyond chance, and further than matters, below (-1) or above (1)."""
        return way * self.apart >= asked.margin and way * self.apart - self.allowed > self.reach


def yardsticks(fair: Answers, tested: Facts | None, asked: Asked) -> list[Yardstick]:
    """What the scores of the same rows promise and, where it is held, the champion's test: a fall is one from both.

    A fall from the test alone may be of the patients, who are harder to tell apart now, and then the promise falls
    too. A fall from the promise alone may be of scores that promised too much from the beginning, as the gate lets
    them. The promise stands by itself where there is no test to hold, and that much is allowed for then.
    """
    realised, promised = auc(fair), auc(fair.promised())
    assert realised is not None and promised is not None
    apart = realised - promised
    held = tested is not None and None not in (tested["low"], tested["high"])
    allowed = 0.0 if held else overpromise(fair, promised.value, asked.ece)
    name = "what the scores of the same rows promise"
    found = [Yardstick("promised", name, promised.value, apart.value, apart.error.bound(asked.risk), allowed)]
    if tested is not None and held:
        value = tested["value"]
        of_test = normal_quantile(asked.risk) * (tested["high"] - tested["low"]) / (2 * NORMAL)
        reach = math.hypot(realised.error.bound(asked.risk), of_test)
        found.append(Yardstick("tested", "the champion's own test", value, realised.value - value, reach))
    return found


def overpromise(answers: Answers, promised: float, ece: float | None) -> float:
    """By how much scores that the gate lets pass may promise too high an AUC: if the truth is that far drawn from
    them to their mean, the AUC is drawn to one half by the same share. All of it where no gate was asked.
    """
    middle = mean(answers, answers.score).value
    apart = mean(answers, np.abs(answers.score - middle)).value
    share = 1.0 if ece is None or ece >= apart else ece / apart
    return share * abs(promised - 0.5)


def _miscalibrated(facts: Facts, fair: Answers, asked: Asked) -> str | None:
    found = facts["ece"]["realised"]
    if asked.ece is None or found is None:
        return None
    surely = found["value"] - (found["value"] - found["low"]) * fair.clusters.stretch(asked.risk)
    if not surely > asked.ece:
        return None
    return (
        f"The calibration error is {found['value']:.3f} (surely above {surely:.3f}), and the gate lets {asked.ece:g} "
        f"pass: {facts['calibration']['observed']:.1%} happened where {facts['calibration']['expected']:.1%} was said."
    )


def _unseen(facts: Facts, asked: Asked) -> str:
    if facts["labels"] < asked.rows:
        return f"{facts['labels']:,} outcomes of the champion's predictions count so far; want at least {asked.rows:,}."
    if facts["patients"] < PATIENTS:
        return f"The {facts['labels']:,} outcomes are of {facts['patients']} patients; want at least {PATIENTS}."
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
    """How often the outcome happens now, beside how often it did when the champion was calibrated.

    It has drifted when that is beyond chance, and further than the calibration error that the gate lets pass.
    """
    evidence = weigh(rows.known, rows.acted, rows.otherwise, rows.propensity)
    fair = _answers(rows, rows.outcome, evidence.weight).of(evidence.used)
    if not enough(fair, asked.rows):
        return None
    found = mean(fair, fair.happened)
    told = found.share()
    facts: Facts = {"rate": told.value, "low": told.low, "high": told.high, "reference": None, "drifted": None}
    if reference.get("rows") and evidence.method != "not called only":
        was = reference["true"] / reference["rows"]
        worth = reference.get("effective", reference["rows"])  # a patient's rows count as fewer; older bundles lack it
        of_then = normal_quantile(asked.risk_of_rate) * math.sqrt(was * (1 - was) / worth)
        reach = math.hypot(mean(fair, fair.happened, was).error.bound(asked.risk_of_rate), of_then)
        moved = abs(told.value - was)
        facts |= {"reference": was, "drifted": moved > reach and moved >= (asked.ece or 0.0)}
    return facts
