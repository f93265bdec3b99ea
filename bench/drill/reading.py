"""A week in figures and words: what the watch saw, what it could not know, what was decided and done."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from rounds.manifest import Facts

KINDS = ("naive", "realised", "estimated", "tested")


def note(
    week: int, monday: date, watched: Facts, decided: Facts, events: list[str], truth: Facts, counted: dict[str, int]
) -> dict[str, Any]:
    """What the story needs of a week."""
    drift, performance = watched["drift"], watched["performance"]
    judged = [each for each in drift["features"] if each.get("psi") is not None]
    target = drift.get("target") or {}
    return {
        "week": week,
        "first": (monday - timedelta(days=7)).isoformat(),
        "version": watched["version"],
        "counted": counted,
        "truth": truth,
        "drift": {
            "verdict": drift["verdict"],
            "psi": {each["feature"]: each["psi"] for each in judged},
            "score": drift["prediction"].get("psi"),
            "drifted": [each["feature"] for each in judged if each["drifted"]],
            "matters": [each["feature"] for each in judged if each["matters"]],
            "target": {name: target.get(name) for name in ("rate", "low", "high", "reference")},
        },
        "performance": {
            "verdict": performance["verdict"],
            "labels": performance["labels"],
            "called": performance["called"],
            "method": performance["method"],
            "auc": {kind: performance["auc"].get(kind) for kind in KINDS},
            "calibration": performance.get("calibration"),
        },
        "decided": {name: decided.get(name) for name in ("verdict", "reasons", "held", "unseen", "training")},
        "events": events,
    }


def line(found: dict[str, Any]) -> str:
    """A week on a terminal."""
    auc, drift = found["performance"]["auc"], found["drift"]
    told = [f"{name} {figure(auc[kind])}" for name, kind in (("naive", "naive"), ("weighted", "realised"))]
    told += [f"estimated {figure(auc['estimated'])}", f"truth {plain(found['truth']['watched']['auc'])}"]
    head = f"week {found['week']:2}  version {found['version']}  AUC {', '.join(told)}"
    matters = f"{len(drift['drifted'])} drifted, {len(drift['matters'])} matter"
    lines = [f"{head}; {matters}; {found['decided']['verdict']}", *(f"         {event}" for event in found["events"])]
    return "\n".join(lines)


def reasons(found: dict[str, Any]) -> list[str]:
    """What decide said, in its own words."""
    decided = found["decided"]
    said = [f"{each['rule']}: {each['says']}" for each in decided["reasons"] or []]
    held = [f"held back: {decided['held']}"] if decided["held"] else []
    return [*said, *held, *(f"not seen: {each}" for each in decided["unseen"] or [])]


def figure(found: Facts | None) -> str:
    return plain(found["value"] if found else None)


def plain(value: float | None) -> str:
    return "unseen" if value is None else f"{value:.3f}"
