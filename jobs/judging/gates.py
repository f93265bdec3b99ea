"""The gates: a bound, the value that was found, and what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rounds.intervals import Estimate
from rounds.modelling import Gate, Gates

# Of these, less is better.
LOSSES = {"brier", "log_loss", "ece"}
# Features that an alarm names.
NAMED = 5
RIVALS = {"base_rate": "base rate", "lead_time": "lead time", "nobody": "acting on nobody"}


@dataclass(frozen=True)
class Verdict:
    """One gate's answer: `refuse` says not good enough, `alarm` too good to be true or not to be trusted."""

    gate: str
    value: float | None
    bound: str
    verdict: Literal["pass", "refuse", "alarm"]
    blocks: bool
    says: str = ""

    @property
    def stops(self) -> bool:
        return self.blocks and self.verdict != "pass"


def judge(
    gates: Gates,
    found: Mapping[str, Estimate],
    simpler: Mapping[str, Mapping[str, float]],
    worth: Mapping[str, float] | None = None,
) -> list[Verdict]:
    """Every gate on a figure, in the order of the figures; `worth` is the importance of each feature."""
    advice = _LEAK + _most_important(worth or {})
    verdicts: list[Verdict] = []
    for name in found:
        gate = getattr(gates, name, None)
        if isinstance(gate, Gate):
            verdicts += _asked(name, gate, found[name], simpler, advice)
    return verdicts


def _asked(
    name: str, gate: Gate, found: Estimate, simpler: Mapping[str, Mapping[str, float]], leak: str
) -> Iterator[Verdict]:
    value = found.value
    low, high = (found.low, found.high) if gate.surely else (value, value)
    weak = _WEAK if gate.blocks else ""  # a warning asks for nothing
    surely = f" by its interval ({found.low:.4g} to {found.high:.4g})" if gate.surely else ""

    def verdict(bound: str, holds: bool, otherwise: Literal["refuse", "alarm"], advice: str) -> Verdict:
        if holds:
            return Verdict(name, value, bound, "pass", gate.blocks)
        says = f"{name} is {value:.4g}, want {bound}"
        return Verdict(name, value, bound, otherwise, gate.blocks, f"{says}. {advice}" if advice else says)

    # a figure that is not a number holds no bound
    if gate.at_least is not None:
        yield verdict(f"at least {gate.at_least:g}{surely}", low >= gate.at_least, "refuse", weak)
    if gate.at_most is not None:
        yield verdict(f"at most {gate.at_most:g}{surely}", high <= gate.at_most, "refuse", weak)
    if gate.better_than is not None:
        other = simpler[gate.better_than][name]
        better = value < other if name in LOSSES else value > other
        rival = f"better than {RIVALS[gate.better_than]} ({other:.4g})"
        yield verdict(rival, better, "refuse", weak)
    if gate.alarm_above is not None:
        yield verdict(f"at most {gate.alarm_above:g}, or it is too good", value <= gate.alarm_above, "alarm", leak)


def _most_important(worth: Mapping[str, float]) -> str:
    """The features that the ranking rests on most, with the ROC-AUC that is lost without each."""
    ordered = sorted((item for item in worth.items() if item[1] > 0), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{name} ({lost:.3f})" for name, lost in ordered[:NAMED])
    return f" The ranking rests most on {named}." if named else ""


_WEAK = "See report.html for where it fails; change features.py, train or the data."
_LEAK = "Look for a feature that knows the outcome."
