"""What the watch found, as gauges: made anew for each scrape of what was seen last, so that none of them is stale."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, get_args

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rounds.manifest import Facts
from rounds.retrains import State
from serving.watching import Seen, Watching, ended

SEEN = ("enough", "little", "nothing")
DRIFT = ("drift", "none", "unseen")
HISTORY = ("lost", "there", "unseen", "unused")
PERFORMANCE = ("worse", "as_expected", "better", "unseen")
DECIDED = ("retrain", "warn", "nothing")
TRAINING = get_args(State)
KINDS = ("realised", "naive", "estimated", "tested")
OUTCOMES = (
    *("entries", "matched", "repeated", "corrected", "contradictory", "disputed"),
    *("unknown", "older", "late", "called"),
)
FAULTS = ("missing", "altered")
DRIFTS = {
    "psi": "PSI of the newest window",
    "threshold": "PSI that chance alone exceeds with the asked rate",
    "drifted": "1 where the newest window lies beyond chance",
    "matters": "1 where it is large enough to matter too",
    "agreed": "Windows that agree",
}


class Findings(Collector):
    """A figure that is not known has no sample; a verdict is 1 at the word that holds, and `unseen` is a word."""

    def __init__(self, watching: Watching, made: Callable[[], float | None]) -> None:
        self._watching, self._made = watching, made

    def describe(self) -> Iterable[Any]:
        return []

    def collect(self) -> Iterator[Any]:
        seen, asked, made = self._watching.seen, self._watching.trouble, self._made()
        yield _one("rounds_watch_store_up", "Whether the store answered at the last look", float(not seen.trouble))
        yield _one("rounds_watch_looked_timestamp_seconds", "When the store was seen last", seen.at)
        if "airflow" in asked:
            yield _one("rounds_airflow_up", "Whether Airflow is well", float(not asked["airflow"]))
        if made is not None:
            yield _one("rounds_champion_age_seconds", "Age of the model that answers", time.time() - made)
        try:
            told = [*_steps(seen), *_watched(seen)]
        except (AttributeError, KeyError, TypeError, ValueError):
            told = []  # of another release than this one; without them there are still the service's own counters
        yield _one("rounds_watch_readable", "Whether what the watch found can be read here", float(bool(told)))
        yield from told


def _watched(seen: Seen) -> Iterator[Any]:
    monitor, decide, collect = (seen.facts(step) for step in ("monitor", "decide", "collect"))
    yield _words("rounds_watch_seen", "How much monitor could see", "seen", SEEN, monitor, "nothing")
    yield _words("rounds_retrain_verdict", "What decide said", "verdict", DECIDED, decide, "")
    yield from _asked(seen)
    yield from _history((monitor or {}).get("history") or {})
    yield from _drift((monitor or {}).get("drift") or {})
    yield from _performance((monitor or {}).get("performance") or {})
    counts = (collect or {}).get("outcomes") or {}
    yield _many("rounds_outcomes_collected", "Outcomes of the last collect", "kind", counts, OUTCOMES)
    whole = seen.audit or {}
    faults = {"altered": 1} if seen.forged else whole
    yield _many("rounds_journal_faults", "What collect found missing or altered in the ledgers", "kind", faults, FAULTS)
    if whole:
        yield _one("rounds_journal_parts", "Parts of the ledgers that their heads name; it never falls", whole["parts"])
        at = datetime.fromisoformat(whole["at"]).timestamp()
        yield _one("rounds_journal_audited_timestamp_seconds", "When collect last verified the ledgers", at)
    windows = (monitor or {}).get("windows") or []
    rows = {str(each["window"]): each["rows"] for each in windows}
    yield _many("rounds_window_rows", "Predictions in each window, 0 the newest", "window", rows, rows)


def _asked(seen: Seen) -> Iterator[Any]:
    """What came of the training that was asked for last; nothing where none ever was."""
    last = next(iter(seen.retrains), None)
    yield _words("rounds_retrain_state", "What came of the last training asked for", "state", TRAINING, last, "")
    if last is not None:
        at = datetime.fromisoformat(last["at"]).timestamp()
        yield _one("rounds_retrain_asked_timestamp_seconds", "When the last training was asked for", at)


def _steps(seen: Seen) -> Iterator[Any]:
    last = {step: ended(found) for step, found in seen.steps.items()}
    took = {step: found.circumstances.seconds for step, found in seen.steps.items()}
    yield _many("rounds_step_last_success_timestamp_seconds", "When a step last ended well", "step", last, last)
    yield _many("rounds_step_seconds", "How long it then took", "step", took, took)


def _history(history: Facts) -> Iterator[Any]:
    yield _words("rounds_history_verdict", "Whether histories were looked up", "verdict", HISTORY, history, "unseen")
    windows = {str(each["window"]): each["down"] for each in history.get("windows") or []}
    name = "rounds_window_history_down_ratio"
    yield _many(name, "Share of each window predicted without histories, 0 the newest", "window", windows, windows)
    if "constant" in history:
        told = "Features with one value in all predictions of the newest window"
        yield _one("rounds_features_constant", told, float(len(history["constant"])))


def _drift(drift: Facts) -> Iterator[Any]:
    yield _words("rounds_drift_verdict", "Whether the data drifted", "verdict", DRIFT, drift, "unseen")
    rows = [*(drift.get("features") or []), *filter(None, [drift.get("prediction")])]
    for name, told in DRIFTS.items():
        family = GaugeMetricFamily(f"rounds_drift_{name}", told, labels=["feature"])
        for each in rows:
            if each.get(name) is not None:
                family.add_metric([each["feature"]], float(each[name]))
        yield family


def _performance(found: Facts) -> Iterator[Any]:
    yield _words("rounds_performance_verdict", "How good it was", "verdict", PERFORMANCE, found, "unseen")
    for figure in ("auc", "brier", "ece"):
        there = {kind: each for kind in KINDS if (each := (found.get(figure) or {}).get(kind))}
        for part, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            values = {kind: each.get(part) for kind, each in there.items()}
            yield _many(f"rounds_{figure}{suffix}", f"{figure}: {part}", "kind", values, KINDS)
    ratio = found.get("calibration") or {}
    for part, suffix in (("ratio", ""), ("low", "_low"), ("high", "_high")):
        if ratio.get(part) is not None:
            yield _one(f"rounds_calibration_ratio{suffix}", "Observed over expected", float(ratio[part]))
    labels = {"used": found.get("labels"), "new": found.get("new_labels"), "called": found.get("called")}
    yield _many("rounds_labels", "Outcomes that monitor knew", "kind", labels, labels)


def _one(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value)


def _many(name: str, told: str, label: str, values: Mapping[str, Any], order: Iterable[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=[label])
    for word in order:
        if values.get(word) is not None:
            family.add_metric([word], float(values[word]))
    return family


def _words(
    name: str, told: str, label: str, words: Iterable[str], facts: Facts | None, usual: str
) -> GaugeMetricFamily:
    """1 at the word that holds; `usual` where nothing was found, and no word at all where that is empty."""
    held = (facts or {}).get(label) or usual
    return _many(name, told, label, {word: word == held for word in words} if held else {}, words)
