"""The mirror: what the manifests of a run say, written to MLflow, as often as one likes and always to the same end."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rounds import inventory, log, manifest
from rounds.files import fetch
from rounds.manifest import Facts, Manifest
from rounds.scratch import scratch
from rounds.store import Store
from rounds.tracking import Tracking, open_tracking
from rounds.turns import at_the_registry

# What people look at. Tables and profiles hold what patients are like, and stay in the store.
PICTURES = {".html", ".svg"}
FIGURES = {"metrics.json", "trials.json", "registration.json", "watch.json"}
MODEL = "model"
Named = dict[str, str]


@dataclass(frozen=True)
class Mirrored:
    """The run of MLflow's that stands for one of ours."""

    id: str
    params: dict[str, str]
    tags: dict[str, str]
    status: str = "RUNNING"
    steps: frozenset[str] = frozenset()


def after(store: Store, problem: str, name: str) -> None:
    """Bring a run's mirror up to date at the end of one of its steps."""
    tracking = open_tracking()
    with at_the_registry(store, problem) as held:
        run(tracking.while_telling(held.beat), store, problem, name)


def run(tracking: Tracking, store: Store, problem: str, name: str) -> Mirrored | None:
    """Write what MLflow lacks of a run, and answer the run of its own that it is written to."""
    found = inventory.run(store, name, problem)
    steps = {step: done for step, done in found.steps.items() if not found.stale(step)}
    if not steps:
        return None
    experiment = _experiment(tracking, problem)
    mirrored = _find(tracking, experiment, f"tags.`rounds.run` = '{name}' and tags.`rounds.current` = 'yes'")
    if mirrored is not None and _contradicts(mirrored, steps):
        # MLflow's parameters are final, and both passes of that name are worth comparing
        tracking.call("set_tag", mirrored.id, "rounds.current", "no")
        mirrored = None
    if mirrored is None:
        mirrored = _make(tracking, experiment, found.problem, found.name, steps)
    _complete(tracking, store, experiment, mirrored, steps)
    return replace(mirrored, steps=frozenset(steps))


def past(tracking: Tracking, store: Store, trained: Manifest) -> Mirrored:
    """The run of MLflow's that holds the model of a pass whose name another pass has taken since."""
    experiment = _experiment(tracking, trained.problem)
    text = f"tags.`rounds.bundle` = '{trained.content.facts['bundle']}'"
    mirrored = _find(tracking, experiment, text)
    if mirrored is None:
        named = {"rounds.current": "no", "rounds.bundle": str(trained.content.facts["bundle"])}
        mirrored = _make(tracking, experiment, trained.problem, trained.run, {"train": trained}, named)
    _complete(tracking, store, experiment, mirrored, {"train": trained})
    return mirrored


def _complete(
    tracking: Tracking, store: Store, experiment: str, mirrored: Mirrored, steps: dict[str, Manifest]
) -> None:
    """Write the steps that it has not: the mark of a step comes after all of it, the end of the run after all steps."""
    lacking = [done for step, done in steps.items() if mirrored.tags.get(_mark(step)) != digest(done)]
    for done in lacking:
        _write(tracking, store, experiment, mirrored, done)
        tracking.call("set_tag", mirrored.id, _mark(done.step), digest(done))
    refused = any(done.content.verdict == "refused" for done in steps.values())
    status = "FAILED" if refused else "FINISHED"
    if lacking or mirrored.status != status:
        tracking.call("set_tag", mirrored.id, "verdict", "refused" if refused else "done")
        ends = max(_milliseconds(done, done.circumstances.seconds) for done in steps.values())
        tracking.call("set_terminated", mirrored.id, status, ends)


def everything(tracking: Tracking, store: Store, problem: str) -> int:
    """Every run of a problem, the oldest first; answers how many there are."""
    runs = inventory.runs(store, problem)[::-1]
    for each in runs:
        run(tracking, store, problem, each.name)
        log.say(f"run {each.name} is in MLflow")
    return len(runs)


def digest(done: Manifest) -> str:
    """What a step said and which knobs it read: if MLflow has a mark of this, it has the step."""
    return manifest.digest([done.content.digest(), done.circumstances.read.knobs])


def _experiment(tracking: Tracking, problem: str) -> str:
    found = tracking.call("get_experiment_by_name", problem)
    if found is not None:
        tracking.check_place(found.artifact_location)
        return str(found.experiment_id)
    return str(tracking.call("create_experiment", problem, artifact_location=_under(tracking.artifacts, problem)))


def _under(root: str | None, name: str) -> str | None:
    return None if root is None else f"{root}/{name}"


def _find(tracking: Tracking, experiment: str, text: str) -> Mirrored | None:
    found = tracking.call("search_runs", [experiment], filter_string=text, max_results=1)
    if not found:
        return None
    told, data = found[0].info, found[0].data
    return Mirrored(told.run_id, dict(data.params), dict(data.tags), told.status)


def _contradicts(mirrored: Mirrored, steps: dict[str, Manifest]) -> bool:
    """Whether the run of that name in MLflow is of another pass than the one on record now."""
    marks = ((mirrored.tags.get(_mark(step)), digest(done)) for step, done in steps.items())
    if any(was is not None and was != now for was, now in marks):
        return True
    wanted = {name: value for done in steps.values() for name, value in _params(done).items()}
    return any(wanted.get(name, value) != value for name, value in mirrored.params.items())


def _make(
    tracking: Tracking, experiment: str, problem: str, name: str, steps: dict[str, Manifest], named: Named | None = None
) -> Mirrored:
    """One call makes the run with the tags by which it is found: killed before or after, there are never two."""
    source = {"rounds.run": name, "rounds.problem": problem, "mlflow.source.name": f"rounds {problem}"}
    tags = {**source, "rounds.current": "yes", **(named or {})}
    begins = min(_milliseconds(done) for done in steps.values())
    made = tracking.call("create_run", experiment, start_time=begins, tags=tags, run_name=name)
    return Mirrored(made.info.run_id, {}, tags)


def _write(tracking: Tracking, store: Store, experiment: str, mirrored: Mirrored, done: Manifest) -> None:
    """All of one step: writing it twice changes nothing."""
    import mlflow

    now, entities = _milliseconds(done), mlflow.entities
    tags = {f"{done.step}.{name}": value for name, value in _leaves(_told(done)) if isinstance(value, str)}
    tags |= {f"{done.step}.verdict": done.content.verdict, f"{done.step}.message": done.content.message}
    tracking.call(
        "log_batch",
        mirrored.id,
        metrics=[entities.Metric(name, value, now, 0) for name, value in metrics(done)],
        params=[entities.Param(name, value) for name, value in _params(done).items()],
        tags=[entities.RunTag(name, value[:5000]) for name, value in tags.items() if value],
    )
    with scratch() as folder:
        files = _brought(store, done, folder / "fetched")
        if shown := [path for path in files.values() if path.suffix in PICTURES or path.name in FIGURES]:
            _lay_out(shown, folder / done.step)
            tracking.call("log_artifacts", mirrored.id, str(folder / done.step), done.step)
        if "bundle.json" in files:
            from rounds import served  # loads numpy and the model's library, which the command `rounds` does without

            served.write(files, folder / MODEL, done.circumstances.started)
            tracking.call("log_artifacts", mirrored.id, str(folder / MODEL), MODEL)
        if "trials.json" in files:
            _trials(tracking, experiment, mirrored, json.loads(files["trials.json"].read_bytes()), now)


def _brought(store: Store, done: Manifest, folder: Path) -> dict[str, Path]:
    """The step's files that are no tables, by their own names."""
    folder.mkdir(parents=True)
    names = [name for name in sorted(done.content.files) if not name.endswith(".parquet")]
    return {name: Path(shutil.copyfile(fetch(store, done, name, folder), folder / name)) for name in names}


def _lay_out(files: list[Path], folder: Path) -> None:
    folder.mkdir()
    for path in files:
        shutil.copyfile(path, folder / path.name)


def _trials(tracking: Tracking, experiment: str, parent: Mirrored, found: Facts, now: int) -> None:
    """Each trial of a search as a child run; one that was begun and not finished is finished."""
    import mlflow

    text = f"tags.mlflow.parentRunId = '{parent.id}'"
    there = {run.data.tags["rounds.trial"]: run for run in tracking.pages("search_runs", [experiment], text)}
    for trial in found["trials"]:
        number = str(trial["number"])
        child = there.get(number)
        if child is not None and child.info.status == "FINISHED":
            continue
        if child is None:
            tags = {"mlflow.parentRunId": parent.id, "rounds.trial": number}
            child = tracking.call("create_run", experiment, start_time=now, tags=tags, run_name=f"trial {number}")
        folds = ((f"fold_{fold}", score) for fold, score in enumerate(trial["scores"], 1))
        scores = [(found["score"], trial["mean"]), *folds]
        tracking.call(
            "log_batch",
            child.info.run_id,
            metrics=[mlflow.entities.Metric(name, value, now, 0) for name, value in scores],
            params=[mlflow.entities.Param(name, str(value)) for name, value in trial["knobs"].items()],
        )
        tracking.call("set_terminated", child.info.run_id, "FINISHED", now)


def metrics(done: Manifest) -> Iterator[tuple[str, float]]:
    """Every number among a step's facts; those of evaluate by their bare names, for runs are compared by them."""
    for name, value in _leaves(_told(done)):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield (_bare(name) if done.step == "evaluate" else f"{done.step}.{name}"), float(value)


def _told(done: Manifest) -> Facts:
    """A step's facts as MLflow takes them; of what monitor says of each feature and window, the drift of each."""
    facts = done.content.facts
    if done.step != "monitor" or "drift" not in facts:
        return facts
    drift, performance = facts["drift"], facts["performance"]
    figures = {each["feature"]: each["psi"] for each in [*drift["features"], drift["prediction"]]}
    matter = sum(each["matters"] for each in drift["features"])
    return {
        "version": facts["version"],
        "seen": facts["seen"],
        "says": " ".join(facts["says"]),
        "age_days": facts["age_days"],
        "history": {name: facts["history"][name] for name in ("verdict", "down")},
        "drift": {"verdict": drift["verdict"], "matters": matter, "psi": figures, "target": drift["target"]},
        "performance": {name: value for name, value in performance.items() if not isinstance(value, list)},
    }


def _bare(name: str) -> str:
    return name.removeprefix("metrics.").removesuffix(".value")


def _params(done: Manifest) -> dict[str, str]:
    """The knobs that a step read, by the keys of problem.yaml; MLflow holds 6,000 characters of each."""
    return {name: str(value)[:6000] for name, value in _leaves(done.circumstances.read.knobs)}


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in sorted(value.items()):
            yield from _leaves(inner, f"{name}.{key}" if name else _safe(key))
    elif not isinstance(value, list):
        yield _safe(name), value
    elif name:
        yield _safe(name), json.dumps(value, sort_keys=True)


def _safe(name: str) -> str:
    """MLflow's names hold letters, digits and a few signs."""
    return "".join(sign if sign.isalnum() or sign in "_-./ " else "_" for sign in name)


def _mark(step: str) -> str:
    return f"rounds.mirrored.{step}"


def _milliseconds(done: Manifest, later: float = 0.0) -> int:
    return int((datetime.fromisoformat(done.circumstances.started).timestamp() + later) * 1000)
