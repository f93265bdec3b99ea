"""What a step reads and writes: files by name, checked on the way in, on record on the way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import problems
from rounds.errors import Refused
from rounds.manifest import Facts, Kept, Manifest
from rounds.places import file_path
from rounds.store import Store, sha256

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Reader:
    """What lies left of a step: the files and facts of the steps that it reads."""

    problem: str
    run: str
    store: Store
    scratch: Path
    inputs: Mapping[str, Manifest]
    options: Mapping[str, str]
    also: Any = None

    def path(self, step: str, name: str) -> Path:
        """A local file with exactly the bytes that the step's manifest promises."""
        done = self.inputs[step]
        if name not in done.content.files:
            found = ", ".join(sorted(done.content.files)) or "nothing"
            raise Refused(f"'{step}' of run {self.run} wrote no {name} (found: {found}). Run '{step}' again.")
        return fetch(self.store, done, name, self.scratch)

    def table(self, step: str, name: str = "table.parquet") -> pl.LazyFrame:
        """A table of an earlier step, not yet in memory."""
        import polars as pl

        return pl.scan_parquet(self.path(step, name), glob=False)

    def facts(self, step: str) -> Facts:
        return self.inputs[step].content.facts

    def module(self, name: str) -> Any:
        """The problem's own module of that name."""
        return problems.definition(self.problem, name)


@dataclass(frozen=True)
class Writer:
    """What lies right of a step: every file that it asked a path for goes to the store when it ends."""

    scratch: Path
    names: list[str] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """A local path to write a file to."""
        if name not in self.names:
            self.names.append(name)
        folder = self.scratch / "out"
        folder.mkdir(exist_ok=True)
        return folder / name

    def text(self, name: str, text: str) -> None:
        self.path(name).write_text(text, encoding="utf-8")

    def json(self, name: str, value: Any) -> None:
        """JSON of one layout only, so that equal values are equal bytes."""
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        self.text(name, text + "\n")

    def table(self, frame: pl.DataFrame, name: str = "table.parquet") -> None:
        frame.write_parquet(self.path(name))

    def keep(
        self, store: Store, problem: str, run: str, step: str, *, refused: bool
    ) -> tuple[dict[str, Kept], dict[str, str]]:
        """Put every file in the store; answers what they are and where they lie. Refused work may lack some."""
        kept, places = {}, {}
        for name in sorted(self.names):
            local = self.path(name)
            if refused and not local.exists():
                continue
            kept[name] = Kept(sha256=sha256(local), bytes=local.stat().st_size)
            places[name] = file_path(problem, run, step, name, kept[name].sha256)
            store.upload(local, places[name])
        return kept, places


def fetch(store: Store, done: Manifest, name: str, folder: Path) -> Path:
    """A manifest's file on this machine, digest checked: in place where the store is a folder, else a copy."""
    place, wanted = done.circumstances.places[name], done.content.files[name].sha256
    if store.root is not None:
        local = store.root / place
        found = store.digest(place)
    else:
        local = folder / f"{done.step}-{name}"
        if not local.exists():
            store.download(place, local)
        found = sha256(local)
    if found != wanted:
        state = "is gone" if found is None else f"was altered (its sha256 is {found[:12]}, want {wanted[:12]})"
        raise Refused(f"{place} {state}. Run '{done.step}' of run {done.run} again.")
    return local


def acceptable(done: Manifest | None, step: str, run: str) -> Manifest:
    """The manifest, if a later step may build on it."""
    if done is None:
        raise Refused(f"'{step}' was not done in run {run}. Run '{step}' first.")
    if done.content.verdict == "refused":
        raise Refused(f"'{step}' of run {run} was refused: {done.content.message} Mend that and run '{step}' again.")
    return done
