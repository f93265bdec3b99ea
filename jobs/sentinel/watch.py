"""The sentinel's answers, as gates: each names the features, or counts the rows, that know too much."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.judging.gates import Verdict
from jobs.sentinel.travel import Journey
from rounds.modelling import Leakage


def verdicts(
    asked: Leakage, journey: Journey, singles: Mapping[str, float], repeats: int, test_rows: int
) -> list[Verdict]:
    return [
        _travel(asked, journey),
        _singles(asked, singles),
        _repeats(asked, repeats, test_rows),
    ]


def _travel(asked: Leakage, journey: Journey) -> Verdict:
    bound = f"no feature that differs when {journey.rows} rows are made again as of {journey.moments} moments"
    said = ", ".join(f"{name} (in {count} rows)" for name, count in sorted(journey.differing.items(), key=_most))
    says = f"made again with what was known at the time, these features come out differently: {said}. {_MEND}"
    return _verdict("time travel", float(len(journey.differing)), bound, not journey.differing, asked, says)


def _singles(asked: Leakage, singles: Mapping[str, float]) -> Verdict:
    most = max(singles.values())
    bound = f"no feature whose own ROC-AUC is above {asked.feature_at_most:g}"
    above = {name: auc for name, auc in singles.items() if not auc <= asked.feature_at_most}
    said = ", ".join(f"{name} ({auc:.3f})" for name, auc in sorted(above.items(), key=_most))
    says = f"these features nearly answer by themselves: {said}. {_MEND}"
    return _verdict("single feature", most, bound, not above, asked, says)


def _repeats(asked: Leakage, repeats: int, rows: int) -> Verdict:
    share = repeats / rows
    bound = f"at most {asked.repeated_at_most:.2%} of test rows repeat an earlier row"
    says = (
        f"{repeats} of {rows} test rows repeat an earlier row under another id and day, want at most "
        f"{asked.repeated_at_most:.2%}. Remove the copies from the table."
    )
    return _verdict("repeated rows", share, bound, share <= asked.repeated_at_most, asked, says)


def _verdict(gate: str, value: float, bound: str, holds: bool, asked: Leakage, says: str) -> Verdict:
    return Verdict(gate, value, bound, "pass" if holds else "alarm", asked.blocks, "" if holds else f"{gate}: {says}")


def _most(item: tuple[str, float]) -> tuple[float, str]:
    return -item[1], item[0]


_MEND = "Take them out of features.py, or make them from what is known at the moment."
