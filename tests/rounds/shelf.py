"""A store for tests, filled with runs that no step had to make."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rounds import places
from rounds.manifest import Circumstances, Content, Ingredients, Kept, Manifest, Verdict
from rounds.store import Store, open_store


@dataclass
class Shelf:
    """Puts runs down as steps do, each a minute after the one before."""

    root: Path
    store: Store = field(init=False)
    minute: int = 0

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.store = open_store(self.root.as_uri())

    def put(self, run: str, step: str = "ingest", text: str = "a table", **given: Any) -> Manifest:
        """One finished step with one file; `same_as` names the run whose file it refers to instead."""
        problem, same_as, name = (
            given.get("problem", "noshow"),
            given.get("same_as"),
            given.get("name", "table.parquet"),
        )
        digest = hashlib.sha256(text.encode()).hexdigest()
        place = places.file_path(problem, same_as or run, step, name, digest)
        if same_as is None:
            self.store.write(place, text.encode())
        verdict: Verdict = given.get("verdict", "done")
        content = Content(
            verdict=verdict,
            files={name: Kept(sha256=digest, bytes=len(text))},
            facts=given.get("facts", {"rows": 110_527}),
            message=given.get("message", ""),
        )
        made = Manifest(
            problem=problem,
            run=run,
            step=step,
            content=content,
            circumstances=self._circumstances({name: place}, text, given),
        )
        places.publish(self.store, made)
        return made

    def _circumstances(self, at: dict[str, str], text: str, given: dict[str, Any]) -> Circumstances:
        self.minute += 1
        return Circumstances(
            why=given.get("why", ("the first run",)),
            same_as=given.get("same_as"),
            work=given.get("work"),
            read=Ingredients(
                code=given.get("code", {}),
                knobs=given.get("knobs", {"text": text}),
                packages=given.get("packages", {}),
                inputs=given.get("inputs", {}),
                also=given.get("also", {}),
            ),
            places=at,
            started=given.get("started", f"2026-11-20T{self.minute // 60:02}:{self.minute % 60:02}:00+00:00"),
            seconds=1.25,
            machine="Linux x86_64",
            python="3.13.1",
        )

    def files(self) -> set[str]:
        """Everything that lies there, by path."""
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}

    def age(self, *paths: str, hours: float = 2) -> None:
        """Let files look as old as that."""
        for path in paths:
            then = time.time() - hours * 3600
            os.utime(self.root / path, (then, then))
