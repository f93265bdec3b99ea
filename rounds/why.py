"""Why a step runs: what it reads now, held against what it read when it last finished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rounds.manifest import Ingredients, Manifest

LOOKS = "it looks outside the store every time"


def reasons(now: Ingredients, last: Manifest | None, *, damaged: list[str], forced: bool) -> tuple[str, ...]:
    """In words, the most telling first."""
    if forced:
        return ("asked for with --force",)
    if last is None:
        return ("the first run",)
    found = tuple(differences(last.circumstances.read, now))
    if found:
        return found
    if damaged:
        return (f"of run {last.run}, {' and '.join(damaged)} is gone or altered",)
    return (f"run {last.run} read the same, but its result was refused, is not signed, or is not on record",)


def differences(before: Ingredients, now: Ingredients) -> Iterator[str]:
    """One line a difference between what two runs of a step read."""
    for key, old, new in changes(before.knobs, now.knobs):
        yield f"problem.yaml {key} {old} -> {new}"
    for key, old, new in changes(before.also, now.also):
        yield f"{key} {short(old)} -> {short(new)}"
    for path, old, new in changes(before.code, now.code, nested=False):
        yield f"code {path} {_verb(old, new)}"
    for name, old, new in changes(before.packages, now.packages, nested=False):
        yield f"package {name} {old} -> {new}"
    for entry, _, _ in changes(before.inputs, now.inputs, nested=False):
        step, _, file = entry.partition("/")
        yield f"{file} of '{step}' changed" if file else f"what '{step}' wrote changed"


_NOTHING = "(none)"


def changes(before: Any, now: Any, prefix: str = "", *, nested: bool = True) -> Iterator[tuple[str, Any, Any]]:
    """The leaves in which two JSON values differ, each with its dotted key."""
    if isinstance(before, dict) and isinstance(now, dict) and (nested or not prefix):
        for key in sorted(before.keys() | now.keys()):
            name = f"{prefix}.{key}" if prefix else key
            yield from changes(before.get(key, _NOTHING), now.get(key, _NOTHING), name, nested=nested)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from changes(old, new, f"{prefix}.{_label(new, i)}", nested=nested)
    elif before != now:
        yield prefix, before, now


def _label(item: Any, position: int) -> str:
    """A rule is called by its id, anything else in a list by its place."""
    return str(item["id"]) if isinstance(item, dict) and "id" in item else str(position)


def _verb(old: Any, new: Any) -> str:
    return "is new" if old == _NOTHING else "is gone" if new == _NOTHING else "changed"


def short(value: Any) -> Any:
    """A digest is told apart by its first characters."""
    if isinstance(value, dict):
        return {name: short(inner) for name, inner in value.items()}
    return value[:12] if isinstance(value, str) and len(value) == 64 else value
