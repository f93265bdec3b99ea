"""What may go from the store: old runs, work that no run shows any more, and what killed steps left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path, PurePosixPath
from re import fullmatch
from typing import Any
from uuid import uuid4

from rounds import places
from rounds.errors import StoreError
from rounds.inventory import Object, Run, gather, is_manifest, objects
from rounds.manifest import Manifest
from rounds.store import Store

YOUNG = timedelta(hours=1)  # what is younger may belong to a step that has yet to write its manifest


@dataclass(frozen=True)
class Plan:
    """What would go of one problem; `before` is what lay there when it was made."""

    problem: str
    runs: list[Run]
    index: list[Object]
    manifests: list[Object]
    files: list[Object]
    leftovers: list[Object]
    staging: list[Path]
    before: frozenset[Object]

    @property
    def bytes(self) -> int:
        objects = (*self.index, *self.manifests, *self.files, *self.leftovers)
        return sum(each.bytes for each in objects) + sum(path.stat().st_size for path in self.staging if path.exists())

    def __bool__(self) -> bool:
        return bool(self.index or self.manifests or self.files or self.leftovers or self.staging)


def plan(store: Store, problem: str, keep: int, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Plan:
    """What goes if the newest `keep` runs of a problem stay."""
    old_enough = clock() - YOUNG
    found = objects(store, f"{problem}/")
    runs = [each.readable() for each in gather(store, found)]  # what cannot be read may refer to anything
    entries = _entries(store, found)
    wanted = _wanted(store, problem, runs[:keep], found)
    named = set(chain.from_iterable(entries.values()))
    named.update(chain.from_iterable(_places(done) for run in runs[keep:] for done in run.steps.values()))
    there = {each.path for each in found}
    old = {run.name for run in runs[keep:]}
    left = [each for each in found if each.modified < old_enough and _is_left(each.path)]
    return Plan(
        problem,
        runs=runs[keep:],
        index=[each for each in found if each.path in entries and not entries[each.path] <= wanted & there],
        manifests=[each for each in found if is_manifest(each.path) and each.path.split("/")[1] in old],
        files=[each for each in found if each.path in named - wanted],
        leftovers=[each for each in left if each.path not in named | wanted],
        staging=[path for path in _staging(store, problem) if _modified(path) < old_enough],
        before=frozenset(found),
    )


def apply(store: Store, planned: Plan) -> int:
    """Remove it, and answer how many bytes that freed.

    The order keeps a step beside us safe. First it is said what goes, so that nobody finds the old work any more;
    then what came to refer to it in the meantime is read, and its files stay; only then files go. A file that was
    written again is no longer ours.
    """
    mark = places.going_path(planned.problem, uuid4().hex)
    store.write(mark, json.dumps([each.path for each in planned.files + planned.leftovers]).encode())
    _delete(store, planned.index)
    _delete(store, planned.manifests)
    found = objects(store, f"{planned.problem}/")
    runs = [each.readable() for each in gather(store, (each for each in found if each not in planned.before))]
    spared = _wanted(store, planned.problem, runs, found)
    going = [each for each in planned.files + planned.leftovers if each.path not in spared and each in found]
    _delete(store, going)
    freed = sum(_unlink(path) for path in planned.staging)
    store.delete([mark])
    _put_back(store, runs, {each.path for each in planned.index})
    _sweep_folders(store, planned.manifests + going)
    return sum(each.bytes for each in (*planned.index, *planned.manifests, *going)) + freed


def _entries(store: Store, found: Iterable[Object]) -> dict[str, set[str]]:
    """The index: the places that each key leads to; one that cannot be read leads nowhere."""
    entries: dict[str, set[str]] = {}
    for each in found:
        if fullmatch(r"[^/]+/\.index/[^/]+/(last-input-)?[0-9a-f]{64}\.json", each.path):
            try:
                done = places.read(store, each.path)
            except StoreError:
                done = None
            entries[each.path] = {each.path + "?"} if done is None else _places(done)
    return entries


def _wanted(store: Store, problem: str, runs: Iterable[Run], found: Iterable[Object]) -> set[str]:
    """Every place that these runs refer to, or a registered model, or the last good work, to which the next is held."""
    last = [places.read(store, each.path) for each in found if fullmatch(_LASTING, each.path)]
    done = [*(done for run in runs for done in run.steps.values()), *(done for done in last if done is not None)]
    return set(chain.from_iterable(_places(each) | set(_texts(each.circumstances.read.also)) for each in done))


# The last good work of each step, and what each version in the registry is made of.
_LASTING = r"[^/]+/(\.index/[^/]+/last(-[a-z]+)?|\.registry/bundles/[0-9a-f]{64})\.json"


def _places(done: Manifest) -> set[str]:
    return set(done.circumstances.places.values())


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value: a place that a step looked at beside its inputs is named there."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _is_left(path: str) -> bool:
    """Whether a step or a prune may have left it, a file under its digest or a mark; nothing else is ours."""
    file, mark = r"[^/]+/[^/.][^/]*/[^/]+/[^/]+\.[0-9a-f]{12}(\.[^/]*)?", r"[^/]+/\.index/going/[0-9a-f]{32}\.json"
    return fullmatch(f"{file}|{mark}", path) is not None


def _staging(store: Store, problem: str) -> list[Path]:
    """Halves of objects that a killed step left, which a listing does not show."""
    if store.root is None:
        return []
    walk = os.walk(store.root / problem)  # unlike glob it lets folders vanish meanwhile
    return sorted(Path(folder, name) for folder, _, names in walk for name in names if "#" in name)


def _modified(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return datetime.max.replace(tzinfo=UTC)  # its step has just finished it


def _unlink(path: Path) -> int:
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size


def _delete(store: Store, gone: Iterable[Object]) -> None:
    paths = [each.path for each in gone]
    if not paths:
        return
    try:
        store.delete(paths)
    except StoreError as error:
        if not isinstance(error.__cause__, FileNotFoundError):  # another prune beside us was first
            raise


def _put_back(store: Store, runs: Iterable[Run], removed: set[str]) -> None:
    """What was found by a step before we took it out of the index is found again."""
    for done in (done for run in runs for done in run.steps.values()):
        path = places.key_path(done.problem, done.step, done.circumstances.read.key())
        if path in removed and done.content.verdict != "refused":
            store.claim(path, done.to_json())


def _sweep_folders(store: Store, gone: Iterable[Object]) -> None:
    """Remove the folders that this emptied, and no others: a step beside us may have made one to write into."""
    if store.root is None:
        return
    folders = {store.root / parent for each in gone for parent in list(PurePosixPath(each.path).parents)[:2]}
    for folder in sorted(folders, reverse=True):
        with suppress(OSError):  # one that holds something stays
            folder.rmdir()
