"""What the watch found, as the manifests in the store say it: looked at by a thread of its own, never by a request."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from rounds import audit, log, manifest, places, retrains
from rounds.errors import RoundsError, StoreError
from rounds.evidence import Altered
from rounds.manifest import Facts, Manifest
from rounds.store import Store
from serving.patience import silence

TRAINING = ("ingest", "validate", "features", "tune", "train", "evaluate", "register")
DAILY = ("publish", "score", "collect", "monitor", "decide")
SHOWN = 5  # of the retrains that were asked for


@dataclass(frozen=True)
class Seen:
    """What one look at the store found; a look that failed leaves what the one before had found."""

    steps: Mapping[str, Manifest] = field(default_factory=lambda: MappingProxyType({}))
    retrains: tuple[Facts, ...] = ()  # the last that were asked for, newest first
    audit: Facts | None = None  # what collect found when it last verified the ledgers
    forged: str = ""  # why that is not believed
    at: float = 0.0  # when the store last told all of it; 0 is never
    trouble: str = "not looked yet"

    def facts(self, step: str) -> Facts | None:
        found = self.steps.get(step)
        return None if found is None else found.content.facts

    @property
    def looked(self) -> str | None:
        return moment(self.at) if self.at else None


class Watching:
    """Looks every so many seconds; also whether those who are `asked` answer, such as Airflow."""

    def __init__(
        self, store: Store, problem: str, key: bytes, every: float, asked: Mapping[str, Callable[[], str]]
    ) -> None:
        self.store, self.problem, self._key = store, problem, key
        self._seen, self._begun = Seen(), math.inf
        self.trouble: dict[str, str] = dict.fromkeys(asked, "not asked yet")
        self._every, self._others = every, asked
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watching", daemon=True)
        self._report: tuple[str, bytes] = ("", b"")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()

    @property
    def seen(self) -> Seen:
        """What was found last; that a store hangs is said before it is given up."""
        waits = silence(self._begun)
        return replace(self._seen, trouble=waits) if waits else self._seen

    def look(self) -> None:
        """Once; what cannot be seen is said, and what was seen before is kept."""
        self._begun = time.monotonic()
        self._look()
        self._begun = math.inf
        for name, ask in self._others.items():
            try:
                text = ask()
            except Exception as error:  # noqa: BLE001
                text = _told(error)
            self._say(name, self.trouble[name], text)
            self.trouble[name] = text

    def report(self, name: str) -> bytes | None:
        """The newest report of monitor, read when somebody asks for it; None where there is none."""
        found = self.seen.steps.get("monitor")
        if found is None or name not in found.content.files:
            return None
        wanted = found.content.files[name].sha256
        if self._report[0] != wanted:
            content = self.store.read(found.circumstances.places[name])
            if content is None or hashlib.sha256(content).hexdigest() != wanted:
                raise StoreError(f"{name} of run {found.run} is gone from the store, or altered. Run 'monitor' again.")
            self._report = (wanted, content)
        return self._report[1]

    def _look(self) -> None:
        before = self._seen
        try:
            steps, trouble = self._steps()
            asked, unread = self._retrains()
            whole, forged = self._audit(steps.get("collect"))
            trouble = " ".join(filter(None, [trouble, unread]))
            self._seen = Seen(MappingProxyType(steps), asked, whole, forged, time.time(), trouble)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the looking
            self._say("the store", before.trouble, text := _told(error))
            self._seen = replace(before, trouble=text)

    def _steps(self) -> tuple[dict[str, Manifest], str]:
        """The last manifest of each step; one that cannot be read hides no other."""
        found: dict[str, Manifest] = {}
        wrong: list[str] = []
        for step in (*TRAINING, *DAILY):
            path = places.last_path(self.problem, step)
            raw = self.store.read(path)
            try:
                if raw is not None:
                    found[step] = manifest.parse(raw, path)
            except StoreError as error:
                wrong.append(str(error))
                if step in self._seen.steps:
                    found[step] = self._seen.steps[step]
        return found, " ".join(wrong)

    def _retrains(self) -> tuple[tuple[Facts, ...], str]:
        """The newest of the ledger; one that cannot be read leaves what was read before."""
        try:
            made = retrains.asks(self.store, self.problem)[: -SHOWN - 1 : -1]
            states = [retrains.state(self.store, self.problem, ask.training) for ask in made]
        except StoreError as error:
            return self._seen.retrains, str(error)
        told = ({**ask.model_dump(mode="json"), "state": how} for ask, how in zip(made, states, strict=True))
        return tuple(told), ""

    def _audit(self, collect: Manifest | None) -> tuple[Facts | None, str]:
        """The signed report of the last audit; and why it cannot be believed, or that it is gone."""
        try:
            report = audit.read_report(self.store, self.problem, self._key)
        except Altered as error:
            return None, str(error)
        if report is None and collect is not None and collect.content.facts.get("predictions"):
            return None, f"{audit.report_place(self.problem)} is gone: collect writes there what it verified"
        return report, ""

    def _watch(self) -> None:
        while not self._ends.is_set():
            self.look()
            self._ends.wait(self._every)

    def _say(self, what: str, before: str, now: str) -> None:
        if now != before:
            log.say(f"{what}: {now or 'well'}")


def ended(found: Manifest) -> float:
    """When a step had done its work, in seconds since 1970."""
    return datetime.fromisoformat(found.circumstances.started).timestamp() + found.circumstances.seconds


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def age_days(made: Any) -> float:
    return round((time.time() - float(made)) / 86400, 2)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, RoundsError) else log.withheld(error)
