"""What the command `rounds` does with models: show them, release one, take one back, and mend the mirror."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

import problems
from rounds import inventory, promotion, views
from rounds.errors import Refused
from rounds.mirror import everything
from rounds.output import Output
from rounds.people import author, reason
from rounds.registry import CHAMPION, PREVIOUS, Registry, Shelf, Version
from rounds.store import Store
from rounds.tracking import open_tracking
from rounds.turns import Turn, at_the_registry
from rounds.words import count, figure


def models(store: Store, arguments: argparse.Namespace) -> Output:
    """every version in the registry: its stage and aliases, the run that made it, its AUC with the interval"""
    rows: list[dict[str, Any]] = []
    known, away = known_problems(store, arguments.problem)
    for problem in known:
        name, tracking = problems.problem(problem).model, open_tracking()
        shelf = Registry(tracking, store, problem, name, Turn(store, "")).shelf()
        if shelf is not None:
            rows += _rows(name, shelf)
    if not rows:
        return Output(rows, Text("no model is registered yet; 'make train' registers one"), failure=away)
    return Output(rows, Group(*_tables(rows)), failure=away)


def _tables(rows: list[dict[str, Any]]) -> Iterator[RenderableType]:
    """A title and a table for each model, so that it fits into 80 columns."""
    for model, own in groupby(rows, key=lambda row: str(row["model"])):
        table = views.table("version", "stage", "aliases", "run", "AUC (95%)", "data", "registered")
        for at in (0, 1, 4, 5, 6):
            table.columns[at].no_wrap = True
        for row in own:
            cells = (str(row["version"]), row["stage"], " ".join(row["aliases"]), row["run"], _auc(row["auc"]))
            table.add_row(*cells, row["data"], row["registered"][:10])
        yield Text(model, "bold")
        yield table


def promote(store: Store, arguments: argparse.Namespace) -> Output:
    """make a version champion; the one before is archived and can be brought back"""
    given = reason(arguments.reason) if arguments.reason else ""
    with _registry(store, arguments.problem) as registry:
        registry.heal()
        _confirm(registry, arguments.version, given, author(arguments.by))
        return _champion(registry, registry.promote(arguments.version))


def rollback(store: Store, arguments: argparse.Namespace) -> Output:
    """make the champion before this one champion again, with the feature definition of its own"""
    given = reason(arguments.reason) if arguments.reason else ""
    with _registry(store, arguments.problem) as registry:
        registry.heal()
        shelf = registry.shelf()
        if shelf is not None:
            _confirm(registry, int(shelf.tags.get(PREVIOUS, 0)), given, author(arguments.by))
        return _champion(registry, registry.rollback())


def _confirm(registry: Registry, number: int, reason: str, by: str) -> None:
    """Refuse a version that waits for a person, unless this person says why."""
    shelf = registry.shelf()
    version = None if shelf is None else shelf.versions.get(number)
    if shelf is not None and version is not None:  # a version that is not there is refused by `promote`
        objection = promotion.objection(registry, shelf, version, problems.problem(registry.problem).registry.surprise)
        promotion.confirm(registry, version, objection, reason, by)


def mirror(store: Store, arguments: argparse.Namespace) -> Output:
    """write to MLflow what it lacks of every run and version; who is champion, 'register' restores"""
    tracking, runs = open_tracking(), {}
    known, away = known_problems(store, arguments.problem)
    for problem in known:
        with at_the_registry(store, problem) as held:
            beating, name = tracking.while_telling(held.beat), problems.problem(problem).model
            runs[problem] = everything(beating, store, problem)
            Registry(beating, store, problem, name, held).rebuild()
    lines = [Text(f"{count(number, 'run')} of {problem} in MLflow") for problem, number in runs.items()]
    return Output(
        [{"problem": problem, "runs": number} for problem, number in runs.items()], Group(*lines), failure=away
    )


def known_problems(store: Store, only: str | None) -> tuple[list[str], str]:
    """The problems of the store whose folders are here, and a sentence on the others: they break nothing."""
    listed = inventory.problems(store, only)
    if only is not None:
        return listed, ""
    here = set(problems.names())
    away = [name for name in listed if name not in here]
    sentence = f"left out, for problems/ has no such folder here: {', '.join(away)}." if away else ""
    return [name for name in listed if name in here], sentence


@contextmanager
def _registry(store: Store, only: str | None) -> Iterator[Registry]:
    """The registry of the one problem that is meant, to oneself."""
    known, away = known_problems(store, only)
    if not known:
        raise Refused(f"there is no model in {store.url}; 'make train' registers one. {away}".rstrip())
    if len(known) > 1:
        raise Refused(f"there are models of several problems ({', '.join(known)}); choose one with --problem.")
    tracking = open_tracking()
    with at_the_registry(store, known[0]) as held:
        yield Registry(tracking.while_telling(held.beat), store, known[0], problems.problem(known[0]).model, held)


def _champion(registry: Registry, shelf: Shelf) -> Output:
    champion = shelf.by_alias(CHAMPION)
    assert champion is not None
    before = shelf.tags.get("previous_champion")
    words = f"; 'rounds rollback' brings version {before} back" if before else ""
    data = {"model": registry.model, "version": champion.number, "run": champion.run, "previous": before}
    return Output(data, Text(f"version {champion.number} of {registry.model} (run {champion.run}) is champion{words}"))


def _rows(model: str, shelf: Shelf) -> Iterator[dict[str, Any]]:
    """The newest version first."""
    for version in reversed(shelf.versions.values()):
        yield {
            "model": model,
            "version": version.number,
            "stage": version.stage,
            "aliases": sorted(alias for alias, number in shelf.aliases.items() if number == version.number),
            "run": version.run,
            "auc": _interval(version),
            "data": version.tags.get("rounds.origin", ""),
            "registered": datetime.fromtimestamp(version.made / 1000, UTC).isoformat(timespec="seconds"),
        }


def _interval(version: Version) -> dict[str, float] | None:
    """As register wrote it; None where the version has none."""
    tags = {name: version.tags.get(f"auc.{name}", "") for name in ("value", "low", "high")}
    return {name: float(text) for name, text in tags.items() if text} or None


def _auc(auc: dict[str, float] | None) -> str:
    if auc is None:
        return ""
    value, low, high = (figure(auc[name]) if name in auc else "" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
