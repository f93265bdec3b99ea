"""The command `rounds source`: which table a run reads if it names none."""

from __future__ import annotations

import argparse

from rich.console import Group
from rich.text import Text

import problems
from rounds import usual_source
from rounds.errors import Refused
from rounds.output import Output
from rounds.sourced import Journal, describe, parse_source
from rounds.store import Store
from rounds.usual_source import UsualSource


def source(store: Store, arguments: argparse.Namespace) -> Output:
    """the table that a run reads if it names none: show it, set it with SOURCE, or forget it"""
    if arguments.source and arguments.forget:
        raise Refused(f"both '{arguments.source}' and --forget were given; want one of them.")
    if arguments.source:
        _set(store, _one_problem(arguments.problem), arguments.source)
    elif arguments.forget:
        usual_source.forget(store, _one_problem(arguments.problem))
    names = [arguments.problem] if arguments.problem else problems.names()
    rows = [_row(store, name) for name in names]
    return Output(rows, Group(*(Text(_sentence(row)) for row in rows)))


def _set(store: Store, name: str, typed: str) -> None:
    chosen = parse_source(typed, problems.problem(name).source)
    if isinstance(chosen, Journal):
        raise Refused(f"the source '{typed}' is a journal, which goes on from a table; want that table.")
    usual_source.write(store, name, UsualSource(chosen, by_hand=True))


def _one_problem(only: str | None) -> str:
    if only is not None:
        return only
    if len(names := problems.names()) != 1:
        raise Refused(f"there are several problems ({', '.join(names)}); choose one with --problem.")
    return names[0]


def _row(store: Store, name: str) -> dict[str, str]:
    """What a run of a problem reads if it names no source, and who set that."""
    usual = usual_source.read(store, name)
    own = describe(problems.problem(name).source)
    if usual is None:
        return {"problem": name, "source": own, "by": "problem.yaml", "problem.yaml": own}
    by = "hand" if usual.by_hand else "a run"
    return {"problem": name, "source": describe(usual.source), "by": by, "problem.yaml": own}


def _sentence(row: dict[str, str]) -> str:
    if row["by"] == "problem.yaml":
        return f"{row['problem']}: {row['source']}, as problem.yaml says; none was given"
    how = "set by hand" if row["by"] == "hand" else "the first that a run was given"
    return f"{row['problem']}: {row['source']}, {how}; problem.yaml says {row['problem.yaml']}"
