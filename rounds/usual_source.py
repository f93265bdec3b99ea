"""The source of a problem's runs that name none: the first that was given and fits, or one that a person set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from rounds import places
from rounds.errors import StoreError
from rounds.origin import GIVEN, of_source
from rounds.sourced import Journal, Source, describe
from rounds.store import Store

ADVICE = "'rounds source' shows and changes it"


@dataclass(frozen=True)
class UsualSource:
    """A source, and whether a person set it or a run was given it."""

    source: Source
    by_hand: bool


def read(store: Store, problem: str) -> UsualSource | None:
    """What is remembered for a problem."""
    raw = store.read(_path(problem))
    if raw is None:
        return None
    try:
        remembered: dict[str, Any] = json.loads(raw)
        source = TypeAdapter[Source](Source).validate_python(remembered["source"])
        return UsualSource(source, bool(remembered["by_hand"]))
    except (KeyError, TypeError, ValueError):  # of which pydantic's own error is one
        raise StoreError(
            f"{_path(problem)} is no source that this release reads. Say 'rounds source --forget', then give it again."
        ) from None


def write(store: Store, problem: str, usual: UsualSource) -> None:
    remembered = {"source": usual.source.model_dump(mode="json"), "by_hand": usual.by_hand}
    store.write(_path(problem), json.dumps(remembered, indent=1, sort_keys=True).encode())


def forget(store: Store, problem: str) -> None:
    if store.read(_path(problem)) is not None:
        store.delete([_path(problem)])


def remember(store: Store, problem: str, given: Source) -> str:
    """Remember a source that a run was given, unless one is remembered already; answers what to say of it.

    One that was given before any table passed `validate` gives way to the next: it may have been a mistake.
    """
    if isinstance(given, Journal) or of_source(given) != GIVEN:
        return ""
    usual = read(store, problem)
    if usual is not None and usual.source == given:
        return ""
    if usual is not None and (usual.by_hand or _was_valid(store, problem)):
        return f"this run alone reads this source; runs without one read {describe(usual.source)}: {ADVICE}"
    write(store, problem, UsualSource(given, by_hand=False))
    return f"runs without a source read this one from now on: {ADVICE}"


def _was_valid(store: Store, problem: str) -> bool:
    """Whether a table that was given passed its checks."""
    return store.read(places.last_path(problem, "validate", GIVEN)) is not None


def _path(problem: str) -> str:
    return f"{problem}/.source/usual.json"
