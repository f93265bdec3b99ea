"""What lies in the store: the runs of every problem, newest first, and the objects that they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter

from rounds import places
from rounds.errors import Refused, StoreError
from rounds.manifest import Manifest
from rounds.names import safe
from rounds.store import Store

LATEST = "latest"
READERS = 8
SHOWN = 8


@dataclass(frozen=True)
class Object:
    """One object of the store, as a listing tells it."""

    path: str
    bytes: int
    modified: datetime


@dataclass(frozen=True)
class Run:
    """What one pass of the pipeline left: its manifests in the order of the flow."""

    problem: str
    name: str
    steps: dict[str, Manifest]
    unreadable: dict[str, str]  # the steps whose manifest was altered into nonsense, and the sentence that says so
    modified: datetime

    @property
    def when(self) -> str:
        """When its last step began; of a copied store this stays right where file times do not."""
        starts = [done.circumstances.started for done in self.steps.values()]
        return max(starts, default=self.modified.isoformat(timespec="seconds"))

    def readable(self) -> Run:
        """This run, if every manifest of it could be read."""
        for fault in self.unreadable.values():
            raise StoreError(fault)
        return self

    def step(self, name: str) -> Manifest:
        if name in self.unreadable:
            raise StoreError(self.unreadable[name])
        if name not in self.steps:
            raise Refused(f"run {self.name} of {self.problem} has no step '{name}' (found: {_list(self.steps)}).")
        return self.steps[name]

    def stale(self, name: str) -> list[str]:
        """The steps that this one read, and which have another content now."""
        then = self.steps[name].circumstances.read.inputs
        found = set()
        for entry, digest in then.items():
            step, _, file = entry.partition("/")
            if step not in self.steps or self.steps[step].content.part(file) != digest:
                found.add(step)
        return sorted(found)


def problems(store: Store, only: str | None = None) -> list[str]:
    """The problems that have something in the store, or the one that was asked for."""
    found = [name for name in store.folders("") if not name.startswith(".")]  # such as Airflow's logs
    if only is not None and only not in found:
        raise Refused(f"nothing of a problem '{only}' lies in {store.url} (found: {_list(found)}).")
    return found if only is None else [only]


def runs(store: Store, problem: str) -> list[Run]:
    """Every run of a problem."""
    return gather(store, objects(store, f"{problem}/"))


def run(store: Store, name: str, only: str | None = None) -> Run:
    """The run of that name (or `latest`), in the one problem that has it."""
    found = [each for problem in problems(store, only) for each in _named(store, problem, name)]
    if len(found) > 1:
        having = ", ".join(each.problem for each in found)
        raise Refused(f"run {name} is there for several problems ({having}); choose one with --problem.")
    if not found:
        raise Refused(f"there is no run '{name}' in {store.url} ({_others(store, only)}).")
    return found[0]


def _named(store: Store, problem: str, name: str) -> list[Run]:
    if name == LATEST:
        return runs(store, problem)[:1]
    return gather(store, objects(store, f"{problem}/{safe(name)}/")) if safe(name) else []


def _others(store: Store, only: str | None) -> str:
    """A few of the runs that are there, for whoever mistyped one."""
    names = [each.name for problem in problems(store, only) for each in runs(store, problem)]
    rest = f" and {len(names) - SHOWN} older ones; see 'rounds runs'" if len(names) > SHOWN else ""
    return f"found: {_list(names[:SHOWN])}{rest}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def objects(store: Store, prefix: str) -> list[Object]:
    """Everything under a prefix, in order."""
    found = (Object(meta["path"], meta["size"], meta["last_modified"]) for meta in store.listing(prefix))
    return sorted(found, key=lambda each: each.path)


def gather(store: Store, found: Iterable[Object]) -> list[Run]:
    """The runs whose manifests are among these objects, newest first."""
    own = [each for each in found if is_manifest(each.path)]
    with ThreadPoolExecutor(READERS) as pool:
        read = list(pool.map(lambda each: _read(store, each.path), own))
    grouped: dict[tuple[str, str], list[tuple[Object, Manifest | str]]] = {}
    for each, done in zip(own, read, strict=True):
        problem, name = each.path.split("/")[:2]
        if done is not None:
            grouped.setdefault((problem, name), []).append((each, done))
    made = [_run(problem, name, parts) for (problem, name), parts in grouped.items()]
    return sorted(made, key=lambda each: (each.when, each.modified), reverse=True)


def is_manifest(path: str) -> bool:
    """Whether it is a run's manifest by its place; what a dot opens is the index."""
    parts = path.split("/")
    return len(parts) == 4 and parts[3] == "manifest.json" and not parts[1].startswith(".")


def _read(store: Store, path: str) -> Manifest | str | None:
    try:
        return places.read(store, path)
    except StoreError as error:
        return str(error)


def _run(problem: str, name: str, parts: list[tuple[Object, Manifest | str]]) -> Run:
    named = [(each.path.split("/")[2], done) for each, done in parts]
    steps = {step: done for step, done in named if isinstance(done, Manifest)}
    unreadable = {step: done for step, done in named if isinstance(done, str)}
    return Run(problem, name, _in_order(steps), unreadable, max(each.modified for each, _ in parts))


def _in_order(steps: dict[str, Manifest]) -> dict[str, Manifest]:
    """A step after those that it read."""

    def read(name: str) -> Iterable[str]:
        return steps[name].circumstances.read.inputs

    flow = {name: sorted({entry.partition("/")[0] for entry in read(name)} & set(steps)) for name in sorted(steps)}
    return {name: steps[name] for name in TopologicalSorter(flow).static_order()}
