"""Where a drill stands and what it knows so far.  All of it lies in the store, so that one that was killed goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from bench.drill.plan import Plan
from rounds.errors import Refused
from rounds.store import Store


@dataclass(frozen=True)
class Memory:
    """`day`: everything up to it has been played. Each note is written whole, before the position moves on."""

    store: Store
    problem: str

    def begin(self, plan: Plan) -> Plan:
        """The plan of the drill that lies here, else this one, which is kept."""
        known = self._read("plan")
        if known is None:
            self.keep("plan", plan.model_dump(mode="json"))
            return plan
        found = Plan.model_validate(known)
        if found != plan:
            raise Refused(
                f"another drill lies in {self.store.url}. Say what it was begun with (SOURCE, WEEKS), or begin anew: "
                "AGAIN=1."
            )
        return found

    @property
    def day(self) -> date | None:
        known = self._read("position")
        return None if known is None else date.fromisoformat(known["day"])

    def advance(self, day: date) -> None:
        self.keep("position", {"day": day.isoformat()})

    def keep(self, name: str, content: Any) -> None:
        self.store.write(self._path(name), json.dumps(content, sort_keys=True).encode())

    def notes(self, kind: str) -> dict[str, Any]:
        """All notes of a kind, by name: `days`, `weeks`, `done`."""
        paths = self.store.paths(f"{self.problem}/.drill/{kind}")
        return {
            path.rsplit("/", 1)[-1].removesuffix(".json"): json.loads(self.store.read(path) or b"") for path in paths
        }

    def noted(self, name: str) -> Any:
        """What is noted of a thing that was done; none where it was not, or not to its end."""
        return self._read(f"done/{name}")

    def _read(self, name: str) -> Any:
        raw = self.store.read(self._path(name))
        return None if raw is None else json.loads(raw)

    def _path(self, name: str) -> str:
        return f"{self.problem}/.drill/{name}.json"
