"""The leakage checks' answers, as gates: each names the features, or counts the rows, that know too much."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.judging.gates import Verdict
from jobs.sentinel.repeats import Repeats
from jobs.sentinel.singles import Single
from jobs.sentinel.travel import Journey
from rounds.modelling import Leakage

ANSWER = 0.95  # a single feature whose ROC-AUC is surely at least that is the answer under another name
SHOWN = 10


def verdicts(
    asked: Leakage,
    journey: Journey,
    singles: Mapping[str, Single],
    repeats: Mapping[str, Repeats],
    test_rows: int,
) -> list[Verdict]:
    return [
        _travel(asked, journey),
        _answers(asked, singles),
        _strong(asked, singles),
        _repeats(asked, repeats, test_rows),
    ]


def _travel(asked: Leakage, journey: Journey) -> Verdict:
    bound = f"no feature that differs when {journey.rows} rows are computed again as of {journey.moments} moments"
    ordered = sorted(journey.differing.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{name} (in {count} rows)" for name, count in ordered)
    says = f"computed again with what was known at the time, these features come out differently: {named}. {_FIX}"
    return _verdict("time travel", float(len(journey.differing)), bound, not journey.differing, asked.blocks, says)


def _answers(asked: Leakage, singles: Mapping[str, Single]) -> Verdict:
    lows = {name: single.surely for name, single in singles.items()}
    bound = f"no feature whose own ROC-AUC is surely {ANSWER:g} or more"
    above = [name for name, low in lows.items() if low >= ANSWER]
    says = f"these features are the answer by themselves: {_named(above, singles)}. {_FIX}"
    return _verdict("single feature", max(lows.values()), bound, not above, asked.blocks, says)


def _strong(asked: Leakage, singles: Mapping[str, Single]) -> Verdict:
    """A strong predictor may be honest, so this warns only."""
    bound = f"no feature whose own ROC-AUC is surely above {asked.feature_at_most:g}, none that settles the outcome"
    lows = {name: single.surely for name, single in singles.items() if single.surely < ANSWER}
    strong = [name for name, low in lows.items() if low > asked.feature_at_most]
    certain = [name for name in lows if singles[name].certain_low >= ANSWER]
    told = []
    if strong:
        told.append(f"strong by themselves: {_named(strong, singles)}")
    if certain:
        rows = ", ".join(f"{name} (in {singles[name].certain} rows)" for name in sorted(certain)[:SHOWN])
        told.append(f"these have a value that nearly always comes with the rarer outcome: {rows}")
    says = f"{'; '.join(told)}. This may be honest: see for each from when on it is known, and who fills it in."
    return _verdict("strong feature", max(lows.values(), default=0.0), bound, not told, False, says)


def _named(names: list[str], singles: Mapping[str, Single]) -> str:
    ordered = sorted(names, key=lambda name: (-singles[name].surely, name))[:SHOWN]
    return ", ".join(f"{name} ({_figure(singles[name])})" for name in ordered)


def _figure(single: Single) -> str:
    if single.best is not None and single.best.low > single.low:
        return f"{single.best.auc:.3f}, at least {single.best.low:.3f}, where {single.best.part}"
    return f"{single.auc:.3f}, at least {single.low:.3f}"


def _repeats(asked: Leakage, repeats: Mapping[str, Repeats], rows: int) -> Verdict:
    shares = {of: each.excess(rows) for of, each in repeats.items()}
    of = max(shares, key=lambda name: shares[name])
    bound = f"at most {asked.repeated_at_most:.2%} of test rows repeat an earlier row beyond chance"
    says = (
        f"{repeats[of].rows} of {rows} test rows repeat an earlier row of {_OF[of]} under another id or day, and "
        f"chance explains {repeats[of].by_chance:.0f}; want at most {asked.repeated_at_most:.2%} of the rows beyond "
        "that. Remove the copies from the table."
    )
    return _verdict("repeated rows", shares[of], bound, shares[of] <= asked.repeated_at_most, asked.blocks, says)


def _verdict(gate: str, value: float, bound: str, holds: bool, blocks: bool, says: str) -> Verdict:
    return Verdict(gate, value, bound, "pass" if holds else "alarm", blocks, "" if holds else f"{gate}: {says}")


_OF = {"same patient": "the same patient", "any patient": "any patient"}
_FIX = "Take them out of features.py, or compute them from what is known at the moment."
