"""What monitor, collect and decide say in a store, made by hand: for tests of whoever shows it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from rounds import places
from rounds.audit import write_report
from rounds.manifest import Circumstances, Content, Facts, Ingredients, Kept, Manifest
from rounds.store import Store
from tests.serving.running import KEY

PAGE = b"<!doctype html><title>Watch</title><style>p { color: #123 }</style><p>Age drifted.</p>"
NOW = datetime.now(UTC).replace(microsecond=0)


def feature(name: str, psi: float, threshold: float = 0.03, **more: Any) -> Facts:
    drifted = psi > threshold
    told = {"ks": 0.08, "p": 0.002, "drifted": drifted, "matters": drifted and psi > 0.1, "agreed": 3 * drifted}
    return {"feature": name, "psi": psi, "threshold": threshold, **told, "importance": 0.2, "missing": 0.0, **more}


def figure(value: float, half: float) -> Facts:
    return {"value": value, "low": round(value - half, 4), "high": round(value + half, 4)}


def collected() -> Facts:
    counts = {"entries": 530, "matched": 512, "repeated": 6, "corrected": 3, "contradictory": 1, "unknown": 7}
    return {
        "to": NOW.isoformat(),
        "first": NOW.isoformat(),
        "windows": 4,
        "predictions": 3200,
        "appointments": 3100,
        "by_version": {"1": 3200},
        "rows_per_window": [812, 801, 790, 797],
        "outcomes": {**counts, "late": 4, "called": 31},
        "trouble": [],
        "evidence": {"parts": 40, "missing": 0, "altered": 0},
    }


def monitored(bundle: str, **more: Any) -> Facts:
    """A window with drift that matters, and outcomes that say it does no harm."""
    windows = [
        {"window": at, "first": NOW.isoformat(), "last": NOW.isoformat(), "rows": rows, "seen": "enough"}
        for at, rows in enumerate((812, 801, 790, 797))
    ]
    features = [feature("age", 0.31), feature("lead_days", 0.02), feature("sex_male", 0.001)]
    features.append(feature("patient_visits", 7.5, matters=False, ignored=True, says="not judged: it moves by itself"))
    tested, realised, naive = figure(0.741, 0.02), figure(0.735, 0.05), figure(0.702, 0.05)
    kinds = {"realised": realised, "naive": naive, "estimated": figure(0.74, 0.01), "tested": tested}
    ece = {"realised": figure(0.02, 0.01), "naive": figure(0.03, 0.01), "estimated": None, "tested": figure(0.01, 0.01)}
    target = {"rate": 0.21, "low": 0.18, "high": 0.24, "reference": 0.2, "drifted": False}
    return {
        "to": NOW.isoformat(),
        "model": "NoShowXGBoost",
        "version": 1,
        "bundle": bundle,
        "made": NOW.isoformat(),
        "age_days": 12.3,
        "seen": "enough",
        "says": ["age drifted in 3 of 4 windows.", "The AUC is as expected."],
        "windows": windows,
        "history": {
            "verdict": "there",
            "down": 0.02,
            "at_most": 0.05,
            "windows": [{"window": at, "rows": 800, "down": 0.02, "unknown": 0.3} for at in range(4)],
            "constant": [],
        },
        "drift": {
            "verdict": "drift",
            "false_alarms": 0.01,
            "agree": 3,
            "of": 4,
            "features": features,
            "prediction": feature("score", 0.04),
            "target": target,
        },
        "performance": {
            "verdict": "as_expected",
            "labels": 512,
            "new_labels": 480,
            "called": 31,
            "auc": {**kinds, "method": "inverse probability"},
            "brier": {**kinds, "realised": figure(0.14, 0.01)},
            "ece": ece,
            "calibration": {"observed": 0.21, "expected": 0.2, "ratio": 1.05, "low": 0.93, "high": 1.17},
            "drop": 0.008,
            "slices": [{"slice": "sex", "part": "F", "rows": 300, "auc": figure(0.73, 0.06)}],
        },
        "reports": {"report": "report.html", "evidently": "evidently.html", "sampled": 3200},
        **more,
    }


def decided(verdict: str = "warn") -> Facts:
    reason = {"rule": "drift", "says": "age drifted so that it matters", "asks": "warn"}
    return {"verdict": verdict, "reasons": [reason], "key": None, "training": None, "held": "", "unseen": []}


def publish(
    store: Store, step: str, facts: Facts, files: dict[str, bytes] | None = None, at: datetime | None = None
) -> None:
    """The manifest of a step that has run, as the newest of its kind."""
    kept, where = {}, {}
    for name, content in (files or {}).items():
        found = hashlib.sha256(content).hexdigest()
        where[name] = places.file_path("noshow", "watched", step, name, found)
        kept[name] = Kept(sha256=found, bytes=len(content))
        store.write(where[name], content)
    read = Ingredients(code={}, knobs={}, packages={}, inputs={}, also={})
    around = {"why": (), "same_as": None, "read": read, "places": where, "seconds": 2.5, "machine": "", "python": ""}
    circumstances = Circumstances(started=(at or NOW).isoformat(), **around)
    content = Content(verdict="skipped" if step == "decide" else "done", files=kept, facts=facts)
    places.publish(
        store, Manifest(problem="noshow", run="watched", step=step, content=content, circumstances=circumstances)
    )


def report(store: Store, key: str = KEY, **more: Any) -> None:
    """What collect signs about the ledgers."""
    whole = {"parts": 40, "missing": 0, "altered": 0, "at": NOW.isoformat(), "first": ""}
    write_report(store, "noshow", key.encode(), {**whole, **more})


def published(store: Store, bundle: str, verdict: str = "warn", **more: Any) -> None:
    """All that a day's watch leaves."""
    report(store)
    publish(store, "collect", collected())
    publish(store, "monitor", monitored(bundle, **more), {"report.html": PAGE, "evidently.html": PAGE})
    publish(store, "decide", decided(verdict))
