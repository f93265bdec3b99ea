"""The commands that look at runs: `rounds runs`, `show`, `open`, `why`, `diff`, `quarantine`, `get` and `prune`."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from rounds import comparison, inventory, pruning, views, words
from rounds.errors import Refused, StoreError
from rounds.files import fetch
from rounds.git_ignore import require_ignored
from rounds.inventory import Run
from rounds.manifest import Manifest
from rounds.output import WIDTH, Output
from rounds.pruning import Plan
from rounds.settings import ROOT
from rounds.store import Store, sha256

REPORT = "report.json"
PAGE = "report.html"


def runs(store: Store, arguments: argparse.Namespace) -> Output:
    """every run, the newest first: its steps with their verdicts, and why it did anything"""
    problems = inventory.problems(store, arguments.problem)
    listed = [run for problem in problems for run in inventory.runs(store, problem)]
    return Output([_run_data(run) for run in listed], views.runs(listed))


def _run_data(run: Run) -> dict[str, Any]:
    verdicts = {name: done.content.verdict for name, done in run.steps.items()}
    return {
        "problem": run.problem,
        "run": run.name,
        "when": run.when,
        "steps": {**verdicts, **dict.fromkeys(run.unreadable, "unreadable")},
        "why": views.why_in_short(run),
    }


def show(store: Store, arguments: argparse.Namespace) -> Output:
    """one run: each step, how long it took, why it ran or did not, what it found"""
    run = inventory.run(store, arguments.run, arguments.problem)
    if arguments.json:
        run.readable()
    manifests = {name: json.loads(done.to_json()) for name, done in run.steps.items()}
    return Output(manifests, views.run(run, str(store.root or store.url)), WIDTH)


def open_report(store: Store, arguments: argparse.Namespace) -> Output:
    """the report of a run in the browser: that of evaluate, or of the step that is named"""
    run = inventory.run(store, arguments.run, arguments.problem)
    step = arguments.step or _last_with_a_report(run)
    done = run.step(step)
    if PAGE not in done.content.files:
        raise Refused(f"step '{step}' of run {run.name} wrote no report. 'rounds get {run.name} {step}' has its files.")
    folder = _folder(done)
    folder.mkdir(parents=True, exist_ok=True)
    _copy_file(store, done, PAGE, folder)
    page = folder / PAGE
    return Output({"report": str(page)}, Text(str(page)), after=lambda: _open_browser(page))


def _last_with_a_report(run: Run) -> str:
    having = [name for name, done in run.steps.items() if PAGE in done.content.files]
    if not having:
        raise Refused(f"no step of run {run.name} wrote a report yet. 'rounds show {run.name}' says how far it came.")
    return having[-1]


def _open_browser(page: Path) -> None:
    webbrowser.open(page.as_uri())


def why(store: Store, arguments: argparse.Namespace) -> Output:
    """why a step of a run did its work, or did not"""
    run = inventory.run(store, arguments.run, arguments.problem)
    done = run.step(arguments.step)
    circumstances = done.circumstances
    data = {
        "problem": run.problem,
        "run": run.name,
        "step": done.step,
        "verdict": done.content.verdict,
        "message": done.content.message,
        "why": list(circumstances.why),
        "same_as": circumstances.same_as,
        "work": circumstances.work and circumstances.work.model_dump(mode="json"),
        "stale": run.stale(done.step),
    }
    return Output(data, views.why(run, done))


def diff(store: Store, arguments: argparse.Namespace) -> Output:
    """what differs between two runs: data, knobs, code, packages, facts"""
    after = inventory.run(store, arguments.after, arguments.problem)
    before = inventory.run(store, arguments.before, arguments.problem or after.problem)
    differences = comparison.compare(before.readable(), after.readable())
    return Output([vars(each) for each in differences], views.differences(before, after, differences), WIDTH)


def quarantine(store: Store, arguments: argparse.Namespace) -> Output:
    """the rules that the rows of a run broke: how often, and in which rows, never with which values"""
    run = inventory.run(store, arguments.run, arguments.problem)
    done = run.step("validate")
    with tempfile.TemporaryDirectory() as folder:
        report = json.loads(fetch(store, done, REPORT, Path(folder)).read_bytes())
    data = {
        "run": run.name,
        "rows": report.get("rows", 0),
        "quarantined": report.get("quarantined", 0),
        "rules": [rule for rule in report["rules"] if rule["broken"]],
        "table": [one for one in report["table"] if one["holds"] is False],
        "verdict": done.content.verdict,
        "message": done.content.message,
    }
    return Output(data, views.quarantine(run, done, report), WIDTH)


def get(store: Store, arguments: argparse.Namespace) -> Output:
    """the files of a step, by their own names, into a folder that git ignores"""
    run = inventory.run(store, arguments.run, arguments.problem)
    done = run.step(arguments.step)
    target = arguments.to or _folder(done)
    if arguments.to is not None:
        require_ignored(arguments.to, sorted(done.content.files))
    target.mkdir(parents=True, exist_ok=True)
    names = sorted(done.content.files)
    for name in names:
        _copy_file(store, done, name, target)
    brought = words.count(len(names), "file")
    text = Text(f"{brought} of {done.step} in {target}: {', '.join(names) or 'it wrote none'}")
    return Output({"folder": str(target), "files": names}, text)


def prune(store: Store, arguments: argparse.Namespace) -> Output:
    """remove all but the newest runs, and what killed steps left; never what a run that stays refers to"""
    plans = [pruning.plan(store, problem, arguments.keep) for problem in inventory.problems(store, arguments.problem)]
    freed = {plan.problem: pruning.apply(store, plan) for plan in plans if plan} if arguments.yes else {}
    lines: list[RenderableType] = [views.pruned(plan, freed.get(plan.problem)) for plan in plans if plan]
    if not lines:
        kept = words.count(arguments.keep, "run")
        lines.append(Text(f"nothing to remove: {kept} a problem may stay, and nothing else is left over"))
    elif not arguments.yes:
        lines.append(Text("nothing was removed; say --yes to do it"))
    return Output([_plan_data(plan, freed.get(plan.problem)) for plan in plans if plan], Group(*lines))


def _plan_data(plan: Plan, freed: int | None) -> dict[str, Any]:
    return {
        "problem": plan.problem,
        "removed": freed is not None,
        "runs": [run.name for run in plan.runs],
        "files": len(plan.files),
        "leftovers": len(plan.leftovers) + len(plan.staging),
        "keys": len(plan.index),
        "bytes": plan.bytes if freed is None else freed,
    }


def _folder(done: Manifest) -> Path:
    """Where the files of a step go if nobody names a place."""
    return ROOT / ".rounds" / "files" / done.problem / done.run / done.step


def _copy_file(store: Store, done: Manifest, name: str, target: Path) -> None:
    """Copy one file, checked again where it arrives; what stood there before is whole until the new one is."""
    with tempfile.TemporaryDirectory(dir=target, prefix=".rounds-") as folder:
        new = Path(folder) / "new"
        shutil.copyfile(fetch(store, done, name, Path(folder)), new)
        if sha256(new) != done.content.files[name].sha256:
            raise StoreError(f"{name} arrived altered in {target}. See that the disk is well, then get it again.")
        new.replace(target / name)
