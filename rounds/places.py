"""Where things lie in the store, and the index that finds finished work by its key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from rounds import manifest
from rounds.errors import StoreError
from rounds.manifest import Manifest
from rounds.store import Store


def manifest_path(problem: str, run: str, step: str) -> str:
    return f"{problem}/{run}/{step}/manifest.json"


def file_path(problem: str, run: str, step: str, name: str, sha256: str) -> str:
    """A file's own path carries its digest: what a manifest refers to is never overwritten."""
    stem, dot, suffix = name.partition(".")
    return f"{problem}/{run}/{step}/{stem}.{sha256[:12]}{dot}{suffix}"


def key_path(problem: str, step: str, key: str) -> str:
    return f"{problem}/.index/{step}/{key}.json"


def last_path(problem: str, step: str, of: str = "") -> str:
    """The last good work of a step, or of one group of its works, such as `simulated` or `input-<digest>`."""
    return f"{problem}/.index/{step}/last{of and '-'}{of}.json"


def read(store: Store, path: str) -> Manifest | None:
    """The manifest at a path, or None where there is none."""
    raw = store.read(path)
    return None if raw is None else manifest.parse(raw, path)


def going_path(problem: str, prune: str) -> str:
    return f"{problem}/.index/going/{prune}.json"


def publish(store: Store, done: Manifest, sorts: Iterable[str] = ()) -> None:
    """Make a step's result known: its own manifest first, then the index; refused work is never found again.

    `sorts` are the groups of which it is now the last good work.
    """
    raw = done.to_json()
    store.write(manifest_path(done.problem, done.run, done.step), raw)
    # A prune says first what goes and then looks who needs it: one of us two sees the other.
    lost = sorted(going(store, done.problem).intersection(done.circumstances.places.values()))
    if lost or (done.circumstances.same_as is not None and (lost := _gone(store, done))):
        raise StoreError(f"{lost[0]} is being removed by a prune. Let that end, then run '{done.step}' again.")
    if done.content.verdict == "refused":
        return
    store.write(key_path(done.problem, done.step, done.circumstances.read.key()), raw)
    for sort in ("", *sorts):
        store.write(last_path(done.problem, done.step, sort), raw)


def going(store: Store, problem: str) -> frozenset[str]:
    """The files that a prune is removing just now: nobody may begin to refer to one."""
    marks = store.paths(f"{problem}/.index/going")
    return frozenset(path for mark in marks for path in json.loads(store.read(mark) or b"[]"))


def finished(
    store: Store, problem: str, run: str, step: str, key: str, sound: Callable[[Manifest], bool] = lambda _: True
) -> Manifest | None:
    """Work with this key that was finished before, in whichever run, if all its files are still what they were."""
    for path in (manifest_path(problem, run, step), key_path(problem, step, key)):
        found = read(store, path)
        if (
            found is not None
            and found.content.verdict != "refused"
            and found.circumstances.read.key() == key
            and sound(found)
            and not going(store, problem).intersection(found.circumstances.places.values())
            and not damaged(store, found)
        ):
            return found
    return None


def damaged(store: Store, found: Manifest) -> list[str]:
    """The names of the files that are gone or altered."""
    places = found.circumstances.places
    return [name for name, kept in found.content.files.items() if store.digest(places[name]) != kept.sha256]


def _gone(store: Store, done: Manifest) -> list[str]:
    """The files that are no longer there; cheaper than `damaged`, which reads them."""
    wanted = done.circumstances.places.values()
    there = {path for folder in {place.rsplit("/", 1)[0] for place in wanted} for path in store.paths(folder)}
    return [place for place in wanted if place not in there]
