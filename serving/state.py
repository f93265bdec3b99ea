"""What a running service holds: the model that answers, the histories, the journal, and who keeps them fresh."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import problems
from problems import problem
from rounds import log
from rounds.errors import RoundsError, StoreError
from rounds.journal import key_place, same_key, secret
from rounds.knobs import Problem
from rounds.outcomes import LEDGER as OUTCOMES
from rounds.pasts import open_pasts
from rounds.pasts.waiting import Waiting
from rounds.store import Store, open_store
from serving.clerk import Clerk
from serving.findings import Findings
from serving.journal import Journal
from serving.keys import guard
from serving.metrics import Metrics
from serving.models import Live, Models
from serving.newest import Newest
from serving.patience import Patience, TooLong, silence
from serving.predict import Predictor
from serving.reasons import Explainer
from serving.settings import Settings
from serving.watching import Watching

RARELY = 6  # looks at the registry to one at what the watch found
FIRST = 1.0  # seconds that a start waits for the histories


@dataclass
class Health:
    """What was found at the last look; empty is well."""

    registry: str = "not asked yet"
    histories: str = "not looked for yet"
    looked: str = ""
    asking: dict[str, float] = field(default_factory=dict)  # whoever was asked and has not answered yet, since when

    def waits(self, whom: str) -> str:
        """That somebody does not answer."""
        return silence(self.asking.get(whom, math.inf))


class State:
    """One service; the event loop reads it, one thread of its own looks after it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problem: Problem = problem(settings.problem)
        self.keys = guard(settings.keys, settings.host)
        self.store: Store = open_store(settings.store)
        self.metrics, self.health = Metrics(), Health()
        self.models = Models(settings.problem, settings.model, settings.tracking, settings.cache, settings.verify_keys)
        self.patience = Patience(settings.registry_seconds)
        folder, durable = settings.journal_folder, settings.journal == "durable"
        self.key, days, far = secret(settings.journal_key, folder), settings.journal_days, settings.journal_store_days
        kept: dict[str, Any] = {"key": self.key, "days": days, "store_days": far}
        self.journal = Journal(folder, settings.problem, self.store, durable=durable, **kept)
        self.outcomes = Journal(folder / OUTCOMES, settings.problem, self.store, ledger=OUTCOMES, **kept)
        serve = self.problem.serve
        self.newest = Newest(self.journal)
        self.predictor = Predictor(serve.bands, self.newest, self.key, self.metrics)
        self.predictor.remote = bool(settings.history)
        self.explainer, self.clerk = Explainer(serve, self.metrics), Clerk()
        self.live: Live | None = None
        self.card = read_card(problems.HERE / settings.problem / "README.md", self.problem.title)
        self.draining = False
        self.refusal: RoundsError | None = None  # why it did not start
        self.started = time.monotonic()
        self.begun, self.scraped = time.time(), 0.0  # when it was made, and last asked for its metrics
        self.airflow = settings.airflow
        asked = {"journal": self.journal.evidence, "outcomes": self.outcomes.evidence}
        asked |= {"airflow": self.airflow.health} if self.airflow else {}
        self.watching = Watching(self.store, settings.problem, self.key, RARELY * settings.watch, asked)
        self.metrics.registry.register(Findings(self.watching, self._made))
        self._stop, self._seen = threading.Event(), threading.Event()
        # Each has a thread to itself: a registry that hangs does not keep the histories from being renewed.
        self._watchers = [
            threading.Thread(target=self._watch, args=work, name=work[0], daemon=True)
            for work in (("registry", self._models), ("histories", self._histories))
        ]
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Answer with what answered last, if it is whole, and look for something newer from now on."""
        self._loop = asyncio.get_running_loop()
        self._same_key()
        self.journal.start()
        self.outcomes.start()
        self.models.sweep()
        if (live := self.models.remembered()) is not None:
            self._take(live)
        for watcher in self._watchers:
            watcher.start()
        self.watching.start()
        self._seen.wait(FIRST)  # so that the first callers are answered with histories, and a store that hangs is left

    def _same_key(self) -> None:
        """Refuse another key than the store's journal has; a store that is slow is asked again before it is written."""
        path = key_place(self.settings.problem)
        try:
            noted = Waiting(FIRST).ask(lambda: self.store.read(path))
        except (StoreError, TimeoutError):
            return
        same_key(noted, self.store.url, self.key)

    def stop(self) -> None:
        self._stop.set()
        self.watching.stop()
        self.explainer.close()
        self.clerk.close()
        other = threading.Thread(target=self.outcomes.close)  # both at once: a store that hangs is waited for once
        other.start()
        self.journal.close()
        other.join()

    @property
    def ready(self) -> bool:
        return self.live is not None and not self.draining and not self.journal.state().full

    def troubles(self) -> dict[str, str]:
        """What is wrong with the histories and with the keys, if anything is: it ends no answering."""
        pasts = self.predictor.pasts
        found = {
            "histories": self.health.waits("histories") or self.health.histories or (pasts.trouble if pasts else ""),
            "keys": self.keys.trouble if self.keys else "",
        }
        return {name: trouble for name, trouble in found.items() if trouble}

    def described(self) -> dict[str, Any]:
        """For /readyz: what is well and what is not, in sentences."""
        journal, live, pasts, trouble = self.journal.state(), self.live, self.predictor.pasts, self.troubles()
        told = {
            "model": "no model answers yet" if live is None else f"version {live.card.version} answers",
            "registry": self.health.waits("registry") or self.health.registry or "well",
            "histories": trouble.get("histories") or (f"as of {pasts.as_of}" if pasts else "none"),
            "journal": "full: nothing is answered"
            if journal.full
            else journal.trouble or self.outcomes.state().trouble or "well",
            "keys": trouble.get("keys") or ("well" if self.keys else "none are asked for: loopback only"),
            "looked": self.health.looked,
        }
        return {"ready": self.ready, **({"draining": True} if self.draining else {}), **told}

    def _made(self) -> float | None:
        """When the model that answers was made, in seconds since 1970."""
        return None if self.live is None else self.live.card.made / 1000

    def _watch(self, whom: str, look: Callable[[], None]) -> None:
        """Until the end; whatever goes wrong here is said and must not end it."""
        while not self._stop.is_set():
            self.health.asking[whom] = time.monotonic()
            look()
            del self.health.asking[whom]
            if self.health.waits("registry"):
                self.metrics.registry_up.set(0)
            self.health.looked = datetime.now(UTC).isoformat(timespec="seconds")
            self._stop.wait(self.settings.watch)

    def _models(self) -> None:
        try:
            live = self.patience.ask(lambda: self.models.newest(self.live))
            if live is not self.live:
                self.models.remember(live.card)
            fault = ""
        except TooLong:
            fault = (
                f"no whole answer within {self.settings.registry_seconds:g} s, so it was given up, and is asked again "
                "later. See that the registry and the way to it are well, or give it longer with REGISTRY_SECONDS."
            )
        except Exception as error:  # noqa: BLE001 - a bundle is code too, and what it raises is not foreseen
            fault = str(error) if isinstance(error, RoundsError) else log.withheld(error)
        else:
            if live is not self.live and self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._take, live)
        self.metrics.registry_up.set(not fault)
        if fault != self.health.registry:
            log.say(f"the registry: {fault or 'well'}")
        self.health.registry = fault

    def _histories(self) -> None:
        settings, before = self.settings, self.predictor.pasts
        try:
            cache, patience = settings.cache / "histories", settings.history_seconds
            found = open_pasts(settings.history, self.store, settings.problem, cache, before, patience)
            self.predictor.pasts, fault = found, ""
        except Exception as error:  # noqa: BLE001 - whatever lies in the store, it must not end the looking
            fault = str(error) if isinstance(error, RoundsError | OSError) else log.withheld(error)
        if fault != self.health.histories:
            log.say(f"the histories: {fault or 'well'}")
        self.health.histories = fault
        self._seen.set()

    def _take(self, live: Live) -> None:
        """In the event loop, between two batches: what was asked before is answered by the model of before."""
        if self.live is not None:
            self.metrics.swaps.inc()
        self.live = live
        self.metrics.model.clear()
        self.metrics.model.labels(live.card.model, str(live.card.version), live.card.bundle[:12]).set(1)
        # What is loaded now stays: a full collection would walk over all of it, 100 ms long.
        gc.collect()
        gc.freeze()
        log.say(f"version {live.card.version} of {live.card.model} answers, bundle {live.card.bundle[:12]}")


def read_card(path: Path, title: str) -> str:
    """The problem's README, which says what the model is for; a new problem may have none yet."""
    if path.is_file():
        return path.read_text(encoding="utf-8")
    return f"# {title}\n\nThe problem has no README.md yet: it should say what this model is for, and what not."
