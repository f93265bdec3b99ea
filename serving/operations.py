"""What /ops tells: how the service, its model, the data and the outcomes are, and what the watch could not see."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rounds.knobs import Problem as Knobs
from rounds.manifest import Facts
from serving import about
from serving.retraining import BY_HAND
from serving.state import State
from serving.watching import age_days, ended, moment

SILENT = 300.0  # seconds after which whoever used to ask for the metrics is missed
FEW = 10  # predictions that are shown one by one in the summary
STALE = 2 * 86400.0  # seconds from which on what monitor found is old
LACKING = 3  # faults of the journal that are shown at once
ILL = "not well"
FINE = {"well", "full: nothing is answered"}
MORE = "A key with the scope 'operate' is told more."
NEVER = "The watch has not run yet: nothing is known of drift and performance. docs/watching.md says how it is started."


def health(state: State) -> Facts:
    """`well` is said only of what was seen."""
    told, seen, scraped = state.described(), state.watching.seen, state.scraped
    parts = {
        "service": "answers" if told["ready"] else "does not answer",
        "model": told["model"],
        "registry": told["registry"],
        "histories": told["histories"],
        "journal": told["journal"],
        "evidence": _evidence(state) or "well",
        "store": seen.trouble or "well",
        "watch": _watched(state) or "well",
        "airflow": state.watching.trouble.get("airflow", "not set up") or "well",
        "metrics": f"asked for at {moment(scraped)}" if scraped else "nobody has asked for them yet",
    }
    judged = ("registry", "journal", "evidence", "store", "watch")
    says = [f"{name}: {parts[name]}" for name in judged if parts[name] != "well"]
    says += [f"{name}: {trouble}" for name, trouble in state.troubles().items()]
    says += [] if parts["airflow"] in {"well", "not set up"} else [f"airflow: {parts['airflow']}"]
    if scraped and time.time() - scraped > SILENT:
        says.append(f"metrics: nobody has asked for them since {moment(scraped)}; is Prometheus up?")
    if not told["ready"]:
        says.insert(0, f"service: {told['model']}")
    return {"well": not says, "says": says, "parts": parts, "looked": seen.looked}


def outline(found: Facts) -> Facts:
    """Of `health`, for whoever has no key for operators: what is not well, but neither why nor where it is."""
    ill = dict.fromkeys((said.partition(":")[0] for said in found["says"]), ILL)
    says = [f"{name}: {ILL}" for name in ill] + [MORE] * bool(ill)
    return {"well": found["well"], "says": says, "parts": ill, "looked": found["looked"]}


def ready(state: State) -> Facts:
    """The same of what /readyz tells."""
    told, troubles = state.described(), state.troubles()
    ill = {*troubles, *(name for name in ("registry", "journal") if told[name] not in FINE)}
    return {**told, **dict.fromkeys(ill, ILL)}


def model(state: State) -> Facts:
    """The champion in figures; its whole card is at /model."""
    if state.live is None:
        return {"model": None, "says": ["No model answers yet; see /readyz."]}
    card = about.model(state.live, state).model_dump()
    kept = (
        "title",
        "name",
        "version",
        "bundle",
        "origin",
        "made",
        "stage",
        "run",
        "moment",
        "threshold",
        "bands",
        "metrics",
    )
    watched = (state.watching.seen.facts("monitor") or {}).get("bundle")
    return {
        "model": {**{name: card[name] for name in kept}, "age_days": age_days(state.live.card.made / 1000)},
        "watched": None if watched is None else watched == state.live.card.bundle,
        "says": _another(state),
    }


def predictions(state: State, limit: int = FEW) -> Facts:
    """What this process answered, by day and version, the newest one by one, and what the last collect found of all."""
    found = state.watching.seen.facts("collect")
    kept = ("to", "first", "predictions", "appointments", "by_version", "rows_per_window", "outcomes", "trouble")
    return {
        "since": moment(state.begun),
        "days": state.metrics.days(),
        "newest": state.newest.predictions(limit),
        "collected": None if found is None else {name: found.get(name) for name in kept},
        "audit": state.watching.seen.audit,
        "says": [] if found else ["No journal was collected yet; the counts are of this process alone."],
    }


def drift(state: State) -> Facts:
    found = state.watching.seen.facts("monitor") or {}
    unseen = {"verdict": "unseen"}
    return {
        **_head(state),
        "windows": found.get("windows", []),
        "history": found.get("history") or unseen,
        "drift": found.get("drift") or unseen,
    }


def performance(state: State) -> Facts:
    found = state.watching.seen.facts("monitor") or {}
    return {**_head(state), "performance": found.get("performance") or {"verdict": "unseen"}}


def check(state: State) -> Facts:
    """What decide said last, and what it would take."""
    seen, airflow = state.watching.seen, state.airflow
    found = seen.facts("decide") or {}
    dag = f"train_{state.settings.problem}"
    return {
        "verdict": found.get("verdict"),
        "reasons": found.get("reasons", []),
        "held": found.get("held", ""),
        "key": found.get("key"),
        "training": found.get("training"),
        "decided": moment(ended(seen.steps["decide"])) if "decide" in seen.steps else None,
        "takes": takes(state.problem),
        "asked": list(seen.retrains),
        "by_hand": f"POST /ops/retrain starts {dag}." if airflow else BY_HAND.format(dag=dag),
        "says": _blind(state, "decide", "Nothing was decided yet: decide has not run."),
    }


def summary(state: State) -> Facts:
    parts = (health, model, predictions, drift, performance, check)
    return {"title": state.problem.title, **{part.__name__: part(state) for part in parts}}


TOLD = {
    "health": (health, "What is well, what is not, and what could not be seen"),
    "model": (model, "The champion in figures"),
    "predictions": (predictions, "What was predicted: the newest one by one, and all by day, band and version"),
    "drift": (drift, "Whether the data drifted, by feature"),
    "performance": (performance, "How good the predictions were, as far as outcomes are known"),
    "retrain/check": (check, "Whether to train again, why, and what it would take"),
    "summary": (summary, "All of it at once"),
}
REPORTS = {"report": "report.html", "report/evidently": "evidently.html"}
READ = frozenset(f"/ops/{path}" for path in {*TOLD, *REPORTS} - {"health"})  # with a key for operators


def takes(problem: Knobs) -> list[str]:
    """What problem.yaml asks for before decide says retrain, in words."""
    asked, of = problem.decide, f"{problem.monitor.agree} of {problem.collect.windows} windows, the newest among them"
    told = ["the performance falls beyond its interval"]
    if asked.drift is not None:
        more = f"or fewer that hold {asked.drift.importance:.0%} of the model's importance"
        told.append(f"{asked.drift.matters} features drift so that it matters, {more}, in {of}")
    if asked.psi is not None:
        told.append(f"the PSI of any feature is above {asked.psi:g}")
    if asked.drop is not None:
        told.append(f"the AUC is {asked.drop:.1%} below the champion's test")
    if asked.labels is not None:
        told.append(f"{asked.labels} outcomes are new since the champion was made")
    if asked.age is not None:
        told.append(f"the champion is {asked.age} days old, and there are new outcomes")
    return [*told, f"at most once in {asked.cooldown} days, and once for each reason"]


def _head(state: State) -> Facts:
    """What every answer about monitor's facts begins with."""
    seen = state.watching.seen
    found = seen.facts("monitor") or {}
    says = [*_blind(state, "monitor", NEVER), *_another(state), *(found.get("says") or [])]
    kept = {name: found.get(name) for name in ("to", "model", "version", "bundle", "made", "age_days")}
    run = seen.steps["monitor"].run if "monitor" in seen.steps else None
    return {**kept, "run": run, "looked": seen.looked, "seen": found.get("seen", "nothing"), "says": says}


def _blind(state: State, step: str, never: str) -> Sequence[str]:
    seen = state.watching.seen
    told = [f"What is said here is of {seen.looked or 'no time yet'}: {seen.trouble}"] if seen.trouble else []
    return told if step in seen.steps or (seen.trouble and not seen.at) else [*told, never]


def _evidence(state: State) -> str:
    """What is missing or altered in the ledgers, as this instance and the last collect saw it."""
    lacking = [*state.journal.lacking, *state.outcomes.lacking]
    seen = state.watching.seen
    report = seen.audit or {"missing": 0, "altered": 0, "at": ""}
    if count := report["missing"] + report["altered"]:
        lacking.append(f"collect found {count} faults; the first: {report['first']}")
    if seen.forged:
        lacking.append(seen.forged)
    elif report["at"] and time.time() - datetime.fromisoformat(report["at"]).timestamp() > STALE:
        lacking.append(f"collect verified the ledgers at {report['at']}, and not since")
    more = [f"and {len(lacking) - LACKING} more"] if len(lacking) > LACKING else []
    return ". ".join([*lacking[:LACKING], *more])


def _watched(state: State) -> str:
    """What is not well with the daily look itself; a step that never ran is not well."""
    seen = state.watching.seen
    if "monitor" not in seen.steps:
        return NEVER if seen.at else "not known: the store was not seen yet"
    last = ended(seen.steps["monitor"])
    if time.time() - last > STALE:
        return f"monitor ended well at {moment(last)}, and not since."
    found = seen.facts("monitor") or {}
    return "" if found.get("seen") == "enough" else f"it could see {found.get('seen', 'nothing')}."


def _another(state: State) -> list[str]:
    found = state.watching.seen.facts("monitor") or {}
    if state.live is None or found.get("bundle") in {None, state.live.card.bundle}:
        return []
    told: Any = found.get("version")
    return [f"The watch looked at version {told}; version {state.live.card.version} answers now."]
