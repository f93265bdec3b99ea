"""What differs between two runs: the data, the knobs, the code, the packages, and what was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rounds.inventory import Run
from rounds.manifest import Manifest
from rounds.why import changes, short
from rounds.words import words

NOTHING = "(none)"


@dataclass(frozen=True)
class Difference:
    """One thing that two runs have in different states, and the steps that it concerns."""

    kind: str
    what: str
    before: str
    after: str
    steps: tuple[str, ...]


def compare(before: Run, after: Run) -> list[Difference]:
    """Every difference once, however many steps it concerns."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for step in [*before.steps, *(name for name in after.steps if name not in before.steps)]:
        for leaf in _of_step(before.steps.get(step), after.steps.get(step)):
            found.setdefault(leaf, []).append(step)
    return [Difference(*leaf, tuple(steps)) for leaf, steps in found.items()]


def _of_step(before: Manifest | None, after: Manifest | None) -> Iterator[tuple[str, str, str, str]]:
    if before is None or after is None:
        yield "steps", "verdict", _verdict(before), _verdict(after)
        return
    then, now = before.circumstances.read, after.circumstances.read
    yield from _leaves("data", then.also, now.also)
    yield from _leaves("data", _digests(before), _digests(after), nested=False)
    yield from _leaves("knobs", then.knobs, now.knobs)
    yield from _leaves("code", then.code, now.code, nested=False)
    yield from _leaves("packages", then.packages, now.packages, nested=False)
    if before.content.verdict != after.content.verdict:
        yield "facts", "verdict", _verdict(before), _verdict(after)
    yield from _leaves("facts", before.content.facts, after.content.facts)


def _leaves(kind: str, before: Any, after: Any, *, nested: bool = True) -> Iterator[tuple[str, str, str, str]]:
    for key, old, new in changes(before, after, nested=nested):
        yield kind, key, words(short(old)), words(short(new))


def _verdict(done: Manifest | None) -> str:
    return NOTHING if done is None else done.content.verdict


def _digests(done: Manifest) -> dict[str, str]:
    return {name: kept.sha256 for name, kept in done.content.files.items()}
