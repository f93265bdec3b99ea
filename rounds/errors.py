"""What can go wrong, and the exit code that says so to whoever launched the step."""

from __future__ import annotations

from typing import Any

DONE = 0
CRASHED = 1
REFUSED = 2
NOT_ASKED = 99


class RoundsError(Exception):
    """A failure that was foreseen: its text names what, with which value, what was wanted and what to do."""

    exit_code = CRASHED

    def __init__(self, text: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.facts = dict(facts or {})


class StoreError(RoundsError):
    """The store, or a disk, is full, read-only, gone or altered: a retry may help."""


class StoreClosed(StoreError):
    """The store does not let us in, or cannot do what a store must: a retry does not help."""

    exit_code = REFUSED


class SourceError(RoundsError):
    """Where the raw table lies cannot be reached just now: a retry may help."""


class RegistryError(RoundsError):
    """MLflow cannot be reached, is full or may not be written: a retry may help."""


class HistoryError(RoundsError):
    """The published histories cannot be reached just now: a retry may help, and the service answers without them."""


class Refused(RoundsError):
    """The input, a knob or a gate says no: a retry does not help."""

    exit_code = REFUSED


class NotAsked(RoundsError):
    """Nobody asked for this step in this run."""

    exit_code = NOT_ASKED
