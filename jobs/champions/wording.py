"""The champion test in sentences: what was found, how sure it is, and what the rule asks for."""

from __future__ import annotations

from jobs.champions.paired import POWER
from rounds.clusters import caution
from rounds.manifest import Facts

SMALLEST = 0.0001  # share of tests that is told in figures
NAMES = {
    "auc": "AUC",
    "pr_auc": "area under the precision-recall curve",
    "f1": "F1",
    "brier": "Brier score",
    "log_loss": "log loss",
}


def refusals(test: Facts) -> str:
    """Why a challenger stays one: each comparison that did not pass."""
    if test["cannot_tell"]:
        return str(test["cannot_tell"])
    failed = {rival: facts for rival, facts in test["against"].items() if not facts["passed"]}
    sentences = []
    for rival, facts in failed.items():
        sentences.append(difference(f"the {rival}, version {facts['version']}", facts))
        sentences.append(rule(facts))
        sentences += strength(facts, test["rows"])
    return "; ".join([*sentences, *days(test)])


def success(test: Facts) -> str:
    """How sure it is that the champion was improved on, or not harmed; nothing where there was no champion."""
    if not test or not test["against"]:
        return ""
    facts = test["against"]["champion"]
    rival = f"version {facts['version']}"
    return f": {'; '.join([difference(rival, facts), rule(facts), *days(test)])}"


def days(test: Facts) -> list[str]:
    """What is to be said where the rows are of few days, within a longer sentence."""
    said = caution(test["days"]).rstrip(".")
    return [said[:1].lower() + said[1:]] if said else []


def difference(rival: str, facts: Facts) -> str:
    """How much better it is than the rival, with the 95% interval."""
    way = "better" if facts["gain"] >= 0 else "worse"
    interval = f"95% interval {facts['low']:+.4f} to {facts['high']:+.4f}, above 0 is better"
    return f"its {metric(facts)} is {abs(facts['gain']):.4f} {way} than that of {rival} ({interval})"


def rule(facts: Facts) -> str:
    """What is asked for, and how often chance alone would show as much."""
    if facts["must"] == "improve":
        bound = " by its lower bound" if facts["surely"] else ""
        chance = f"a true gain of {facts['by']:g} shows as much in {percent(facts['chance'])} of tests"
        return f"register asks for a gain of at least {facts['by']:g}{bound}, and {chance}"
    loss, risk = max(0.0, -facts["at_least"]), f"{percent(facts['risk'])} is tolerated"
    chance = f"a model worse by {facts['by']:g} shows as much in {percent(facts['chance'])} of tests, and {risk}"
    return f"it may be {loss:.4f} worse, {facts['by']:g} is tolerated; {chance}"


def percent(chance: float) -> str:
    return f"{chance:.2%}" if chance >= SMALLEST else f"less than {SMALLEST:.2%}"


def strength(facts: Facts, rows: int) -> list[str]:
    """Whether so many rows can show that a model is no worse."""
    power = facts.get("power")
    if power is None or power >= POWER:
        return []
    return [f"{rows:,} rows pass an equal model in {power:.0%} of tests; {facts['rows_wanted']:,} would in {POWER:.0%}"]


def metric(facts: Facts) -> str:
    name = str(facts["metric"])
    return NAMES.get(name, name.replace("_", " "))
