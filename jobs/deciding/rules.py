"""The rules that may ask for a retrain or for people's eyes: each looks at what monitor saw, and speaks in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from rounds.manifest import Facts
from rounds.watched import Decide

Verdict = Literal["retrain", "warn", "nothing"]
SHOWN = 3  # features that a sentence names
AGAINST = {"tested": "was tested", "promised": "the scores of the same rows promise"}


@dataclass(frozen=True)
class Reason:
    rule: str
    says: str
    asks: Literal["retrain", "warn"]

    @property
    def facts(self) -> Facts:
        return {"rule": self.rule, "says": self.says, "asks": self.asks}


@dataclass(frozen=True)
class Decision:
    """What is to be done and why; and what could not be seen, so that nobody takes silence for health."""

    reasons: tuple[Reason, ...]
    unseen: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        asked = {reason.asks for reason in self.reasons}
        return "retrain" if "retrain" in asked else "warn" if asked else "nothing"

    @property
    def asking(self) -> tuple[str, ...]:
        """The rules that want a retrain: together they are the reason for it."""
        return tuple(sorted({reason.rule for reason in self.reasons if reason.asks == "retrain"}))


@dataclass(frozen=True)
class Watched:
    """What monitor saw."""

    facts: Facts
    ignore: Collection[str]

    @property
    def drift(self) -> Facts:
        return self.facts.get("drift") or {}

    @property
    def features(self) -> list[Facts]:
        return list(self.drift.get("features") or ())

    @property
    def performance(self) -> Facts:
        return self.facts.get("performance") or {}

    def auc(self, kind: str) -> Facts | None:
        found: Facts | None = (self.performance.get("auc") or {}).get(kind)
        return found

    def says(self, usual: str) -> str:
        """Monitor's first sentence on the performance, as part of another one."""
        found = next(iter(self.performance.get("says") or ()), usual).rstrip(".")
        return found[:1].lower() + found[1:]

    @property
    def harm(self) -> str:
        """In words whether the score got worse, by outcomes or, before there are enough, by the estimate."""
        if self.performance.get("verdict") == "worse":
            return "outcomes show that the score got worse"
        estimated, tested = self.auc("estimated"), self.auc("tested")
        unseen = self.performance.get("verdict") in {None, "unseen"}
        if unseen and _whole(estimated) and _whole(tested) and estimated["high"] < tested["low"]:
            return f"the AUC is estimated at {_figure(estimated)}; {_figure(tested)} was tested"
        return ""


def judge(facts: Facts, asked: Decide, ignore: Collection[str] = ()) -> Decision:
    """All rules, each asked once; a rule that is null in problem.yaml says nothing."""
    watched = Watched(facts, frozenset(ignore))
    reasons = (rule(watched, asked) for rule in RULES.values())
    return Decision(tuple(reason for reason in reasons if reason), tuple(_unseen(watched, asked)))


def _seen(watched: Watched, _: Decide) -> Reason | None:
    newest = next(iter(watched.facts.get("windows") or ()), {"seen": "nothing"})
    if newest["seen"] != "nothing":
        return None
    return Reason(
        "seen", "no prediction came in the newest window: is the service used, is its journal shipped?", "warn"
    )


def _history(watched: Watched, _: Decide) -> Reason | None:
    """Lost histories are mended by people; a model that is trained again would lack them too."""
    history = watched.facts.get("history") or {}
    told = []
    if history.get("verdict") == "lost":
        told.append(f"{history['down']:.1%} of the newest window was predicted without histories")
    if names := history.get("constant"):
        told.append(f"one value in all predictions: {', '.join(names[:SHOWN])}" + _and_more(names))
    return Reason("history", "; ".join(told), "warn") if told else None


def _and_more(names: list[str]) -> str:
    return f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""


def _drift(watched: Watched, asked: Decide) -> Reason | None:
    """Drift with harm asks for a retrain, without harm for people's eyes."""
    matters = [feature for feature in watched.features if feature.get("matters")]
    score, target = watched.drift.get("prediction") or {}, watched.drift.get("target") or {}
    if asked.drift is None or not (matters or score.get("matters") or target.get("drifted")):
        return None
    told = [f"{each['feature']} (PSI {each['psi']:.2g})" for each in matters[:SHOWN]]
    told += [f"{len(matters) - SHOWN} more"] if len(matters) > SHOWN else []
    told += [f"the score itself (PSI {score['psi']:.2g})"] if score.get("matters") else []
    told += [f"the outcome's rate ({_rates(target)})"] if target.get("drifted") else []
    weight = math.fsum(each.get("importance") or 0.0 for each in matters)
    enough = len(matters) >= asked.drift.matters or (bool(matters) and weight >= asked.drift.importance)
    moved = "drifted: " + ", ".join(told)
    if watched.harm and (enough or score.get("matters") or target.get("drifted")):
        return Reason("drift", f"{moved}; and {watched.harm}", "retrain")
    harmless = "the score is as good as expected" if _is_seen(watched) else "no harm is seen yet"
    return Reason("drift", f"{moved}; {watched.harm or harmless}", "warn")


def _performance(watched: Watched, _: Decide) -> Reason | None:
    """Beyond its interval, as monitor judged it."""
    if watched.performance.get("verdict") != "worse":
        return None
    labels = watched.performance["labels"]
    return Reason("performance", f"by {labels:,} outcomes: {watched.says('the score got worse')}", "retrain")


def _psi(watched: Watched, asked: Decide) -> Reason | None:
    """The plain rule, for who wants it: whatever chance may do."""
    if asked.psi is None:
        return None
    found = [each for each in watched.features if each["feature"] not in watched.ignore and each["psi"] is not None]
    beyond = sorted((each for each in found if each["psi"] > asked.psi), key=lambda each: -float(each["psi"]))
    if not beyond:
        return None
    told = ", ".join(f"{each['feature']} {each['psi']:.2g}" for each in beyond[:SHOWN])
    more = f" and {len(beyond) - SHOWN} more" if len(beyond) > SHOWN else ""
    return Reason("psi", f"PSI above {asked.psi:g}: {told}{more}", "retrain")


def _drop(watched: Watched, asked: Decide) -> Reason | None:
    drop = watched.performance.get("drop")
    if asked.drop is None or drop is None or drop <= asked.drop:
        return None
    against = AGAINST.get(watched.performance.get("drop_against") or "tested")
    told = f"the AUC fell by {drop:.1%} of what {against}; {100 * asked.drop:.3g}% is let pass"
    return Reason("drop", told, "retrain")


def _labels(watched: Watched, asked: Decide) -> Reason | None:
    new = watched.performance.get("new_labels") or 0
    if asked.labels is None or new <= asked.labels:
        return None
    return Reason(
        "labels", f"{new:,} outcomes are new since the champion was made; {asked.labels:,} are enough", "retrain"
    )


def _age(watched: Watched, asked: Decide) -> Reason | None:
    age, new = watched.facts.get("age_days"), watched.performance.get("new_labels") or 0
    if asked.age is None or age is None or age <= asked.age:
        return None
    told = f"the champion is {age:.0f} days old; {asked.age} are let pass"
    return Reason("age", told, "retrain") if new else Reason("age", f"{told}; but no outcome is new", "warn")


RULES: dict[str, Callable[[Watched, Decide], Reason | None]] = {
    "seen": _seen,
    "history": _history,
    "drift": _drift,
    "performance": _performance,
    "psi": _psi,
    "drop": _drop,
    "labels": _labels,
    "age": _age,
}


def _unseen(watched: Watched, asked: Decide) -> list[str]:
    """What the rules could not look at, a sentence each."""
    told = []
    if watched.drift.get("verdict") not in {"drift", "none"}:
        told.append(f"drift: {_waits(watched)}")
    if not _is_seen(watched):
        told.append(f"performance: {watched.says('too few outcomes')}")
    if asked.drop is not None and watched.performance.get("drop") is None:
        told.append("drop: the AUC cannot be held against the test yet")
    if asked.age is not None and watched.facts.get("age_days") is None:
        told.append("age: nobody knows when the champion was made")
    return [*told, *(watched.facts.get("trouble") or ())]


def _waits(watched: Watched) -> str:
    """Why nothing can be said of drift: for want of rows, or of windows that agree."""
    windows = watched.facts.get("windows") or ()
    enough = [each.get("seen") == "enough" for each in windows]
    if enough and enough[0] and sum(enough) < watched.drift.get("agree", 0):
        said = "says" if sum(enough) == 1 else "say"
        return f"something moved; {watched.drift['agree']} windows must agree, and so far {sum(enough)} {said} enough"
    rows = f" ({windows[0]['rows']:,} rows)" if windows else ""
    return f"the newest window{rows} does not say enough"


def _is_seen(watched: Watched) -> bool:
    return watched.performance.get("verdict") in {"worse", "as_expected", "better"}


def _rates(target: Facts) -> str:
    now: Any = target.get("rate")
    before: Any = target.get("reference")
    return f"{now:.1%}, was {before:.1%}" if now is not None and before is not None else "moved"


def _whole(found: Facts | None) -> TypeGuard[Facts]:
    """Whether a figure is there with both ends: of too few patients, it has none."""
    return found is not None and None not in (found.get("value"), found.get("low"), found.get("high"))


def _figure(found: Facts) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
