"""What the command `rounds` does with models: show them, release one, take one back, and mend the mirror."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

import problems
from rounds import inventory, views
from rounds.errors import Refused
from rounds.mirror import everything
from rounds.registry import CHAMPION, Registry, Shelf, Version
from rounds.store import Store
from rounds.tracking import open_tracking
from rounds.turns import Turn, at_the_registry
from rounds.words import count, printable

WIDTH = 200


def models(store: Store, arguments: argparse.Namespace) -> None:
    """every version in the registry: its stage and aliases, the run that made it, its AUC with the interval"""
    made = views.table("model", "version", "stage", "aliases", "run", "AUC (95%)", "registered (UTC)")
    for problem in inventory.problems(store, arguments.problem):
        name, tracking = problems.problem(problem).model, open_tracking()
        shelf = Registry(tracking, store, problem, name, Turn(store, "")).shelf()
        if shelf is not None:
            _list(made, name, shelf)
    if not made.row_count:
        return print("no model is registered yet; 'make train' registers one")
    views.show(made, Console(highlight=False, markup=False, emoji=False, width=WIDTH))


def promote(store: Store, arguments: argparse.Namespace) -> None:
    """make a version champion; the one before is archived and can be brought back"""
    with _registry(store, arguments.problem) as registry:
        registry.heal()
        _tell(registry, registry.promote(arguments.version))


def rollback(store: Store, arguments: argparse.Namespace) -> None:
    """make the champion before this one champion again, with the feature definition of its own"""
    with _registry(store, arguments.problem) as registry:
        registry.heal()
        _tell(registry, registry.rollback())


def mirror(store: Store, arguments: argparse.Namespace) -> None:
    """write to MLflow what it lacks of every run and version; who is champion, 'register' restores"""
    tracking = open_tracking()
    for problem in inventory.problems(store, arguments.problem):
        with at_the_registry(store, problem) as held:
            beating, name = tracking.while_telling(held.beat), problems.problem(problem).model
            runs = everything(beating, store, problem)
            Registry(beating, store, problem, name, held).rebuild()
        print(f"{count(runs, 'run')} of {problem} in MLflow")


@contextmanager
def _registry(store: Store, only: str | None) -> Iterator[Registry]:
    """The registry of the one problem that is meant, to oneself."""
    found = inventory.problems(store, only)
    if len(found) != 1:
        raise Refused(f"there are models of several problems ({', '.join(found)}); choose one with --problem.")
    tracking = open_tracking()
    with at_the_registry(store, found[0]) as held:
        yield Registry(tracking.while_telling(held.beat), store, found[0], problems.problem(found[0]).model, held)


def _tell(registry: Registry, shelf: Shelf) -> None:
    champion = shelf.by_alias(CHAMPION)
    assert champion is not None
    before = shelf.tags.get("previous_champion")
    words = f"; 'rounds rollback' brings version {before} back" if before else ""
    print(printable(f"version {champion.number} of {registry.model} (run {champion.run}) is champion{words}"))


def _list(made: Table, model: str, shelf: Shelf) -> None:
    """The newest version first."""
    for version in reversed(shelf.versions.values()):
        aliases = sorted(alias for alias, number in shelf.aliases.items() if number == version.number)
        when = datetime.fromtimestamp(version.made / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        cells = (model, str(version.number), version.stage, " ".join(aliases), version.run, _auc(version), when)
        made.add_row(*cells)


def _auc(version: Version) -> str:
    value, low, high = (version.tags.get(f"auc.{name}", "") for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if value else ""
