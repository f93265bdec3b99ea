"""What a running service holds: the model that answers, the histories, the journal, and who keeps them fresh."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import problems
from problems import problem
from rounds import log
from rounds.errors import HistoryError, Refused, RoundsError, StoreError
from rounds.knobs import Problem
from rounds.pasts import open_pasts
from rounds.store import Store, open_store
from serving.journal import Journal
from serving.keys import guard
from serving.metrics import Metrics
from serving.models import Live, Models
from serving.predict import Predictor
from serving.reasons import Explainer
from serving.secret import made_key
from serving.settings import Settings


@dataclass
class Health:
    """What was found at the last look; empty is well."""

    registry: str = "not asked yet"
    histories: str = "not looked for yet"
    looked: str = ""


class State:
    """One service; the event loop reads it, one thread of its own looks after it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problem: Problem = problem(settings.problem)
        self.keys = guard(settings.keys, settings.host)
        self.store: Store = open_store(settings.store)
        self.metrics, self.health = Metrics(), Health()
        self.models = Models(settings.problem, settings.model, settings.tracking, settings.cache)
        folder, key = settings.journal_folder, settings.journal_key.encode()
        durable, days = settings.journal == "durable", settings.journal_days
        self.journal = Journal(folder, settings.problem, self.store, durable=durable, days=days)
        serve = self.problem.serve
        self.predictor = Predictor(serve.bands, self.journal, key or made_key(folder), self.metrics)
        self.predictor.remote = bool(settings.history)
        self.explainer = Explainer(serve, self.metrics)
        self.live: Live | None = None
        self.card = (problems.HERE / settings.problem / "README.md").read_text(encoding="utf-8")
        self.draining = False
        self.started = time.monotonic()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Answer with what answered last, if it is whole, and look for something newer from now on."""
        self._loop = asyncio.get_running_loop()
        self.journal.start()
        if (live := self.models.remembered()) is not None:
            self._take(live)
        self._histories()
        self._watcher.start()

    def stop(self) -> None:
        self._stop.set()
        self.explainer.close()
        self.journal.close()

    @property
    def ready(self) -> bool:
        return self.live is not None and not self.draining and not self.journal.state().full

    def described(self) -> dict[str, Any]:
        """For /readyz: what is well and what is not, in sentences."""
        journal, live, pasts = self.journal.state(), self.live, self.predictor.pasts
        told = {
            "model": "no model answers yet" if live is None else f"version {live.card.version} answers",
            "registry": self.health.registry or "well",
            "histories": self.health.histories or (f"as of {pasts.as_of}" if pasts else "none"),
            "journal": "full: nothing is answered" if journal.full else journal.trouble or "well",
            "keys": (self.keys.trouble or "well") if self.keys else "none are asked for: loopback only",
            "looked": self.health.looked,
        }
        return {"ready": self.ready, **({"draining": True} if self.draining else {}), **told}

    def _watch(self) -> None:
        """Until the end; whatever goes wrong here is said and must not end it."""
        while not self._stop.is_set():
            self._models()
            self._histories()
            self.health.looked = datetime.now(UTC).isoformat(timespec="seconds")
            self._stop.wait(self.settings.watch)

    def _models(self) -> None:
        try:
            live = self.models.newest(self.live)
            fault = ""
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
            found = open_pasts(settings.history, self.store, settings.problem, settings.cache / "histories", before)
            self.predictor.pasts, fault = found, ""
        except (Refused, StoreError, HistoryError, OSError) as error:
            fault = str(error)
        if fault != self.health.histories:
            log.say(f"the histories: {fault or 'well'}")
        self.health.histories = fault

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
