"""The ledger of retrains: which training was asked for, by whom and why, so that no reason makes two.

An ask is claimed before its training starts, and is spent when the training has begun. One whose training never began
(its asker was killed, Airflow was down) holds nobody up: the next look asks anew.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rounds import manifest, places
from rounds.errors import StoreError
from rounds.store import Store

PATIENCE = timedelta(days=2)  # a training that began and has not ended by then was lost
LAST = "register"  # the step with which a training ends
State = Literal["waiting", "running", "refused", "ended"]
OVER = {"refused", "ended"}


class Ask(BaseModel):
    """One entry, by whom it was claimed: the watch's run, or an operator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    run: str
    training: str
    bundle: str
    rules: tuple[str, ...]
    says: tuple[str, ...] = ()
    at: datetime


@dataclass(frozen=True)
class Answer:
    """The ask that holds, or why there is none just now."""

    ask: Ask | None
    held: str = ""


def key(problem: str, bundle: str, rules: Collection[str]) -> str:
    """A reason in 16 letters: the same champion and the same rules are the same reason."""
    return manifest.digest([problem, bundle, sorted(rules)])[:16]


def asks(store: Store, problem: str) -> list[Ask]:
    """The whole ledger, oldest first."""
    found = [_parsed(path, raw) for path in store.paths(_folder(problem)) if (raw := store.read(path)) is not None]
    return sorted(found, key=lambda ask: (ask.at, ask.key))


def state(store: Store, problem: str, training: str) -> State:
    """How far a training is, as its manifests say."""
    steps = store.folders(f"{problem}/{training}")
    found = [done for step in steps if (done := places.read(store, places.manifest_path(problem, training, step)))]
    if not found:
        return "waiting"
    if any(done.content.verdict == "refused" for done in found):
        return "refused"
    return "ended" if any(done.step == LAST for done in found) else "running"


def claim(store: Store, problem: str, wanted: Ask, cooldown: timedelta) -> Answer:
    """Ask for a training. Whoever asks again gets its own ask, unless that has ended or another's began instead."""
    made = asks(store, problem)
    states = {ask.training: state(store, problem, ask.training) for ask in made}
    own = [ask for ask in made if ask.run == wanted.run and states[ask.training] not in OVER]
    lost = [ask for ask in made if states[ask.training] == "running" and wanted.at - ask.at >= PATIENCE]
    begun = [ask for ask in reversed(made) if states[ask.training] != "waiting" and ask not in [*own, *lost]]
    running = [ask for ask in begun if states[ask.training] == "running"]
    if held := _held(wanted, begun, running, cooldown):
        return Answer(None, held)
    if own:
        return Answer(own[-1])
    number = 1 + sum(ask.key == wanted.key for ask in made)
    path = f"{_folder(problem)}/{wanted.key}.{number:03}.json"
    if not store.claim(path, wanted.model_dump_json(indent=1).encode()):
        return Answer(None, f"asked already by another run, at this very moment ({path})")
    return Answer(wanted)


def _held(wanted: Ask, begun: list[Ask], running: list[Ask], cooldown: timedelta) -> str:
    """Why this ask must wait; `begun` and `running` are newest first. A reason may ask again after the cooldown."""
    for ask in running:
        return f"training {ask.training} is under way, which run {ask.run} asked for"
    if cooldown:
        # By days: two looks at the same hour of the day may be a minute more or less than so many days apart.
        begun = [ask for ask in begun if _day(wanted) - _day(ask) < cooldown]
        until = f"; cooldown until {max(_day(ask) for ask in begun) + cooldown}" if begun else ""
    else:
        begun, until = [ask for ask in begun if ask.bundle == wanted.bundle], ""
    for ask in begun:
        if ask.bundle == wanted.bundle and set(wanted.rules) <= set(ask.rules):
            return f"asked already by run {ask.run}, as training {ask.training}{until}"
    return until.removeprefix("; ")


def _day(ask: Ask) -> date:
    return ask.at.astimezone(UTC).date()


def _folder(problem: str) -> str:
    return f"{problem}/.retrains"


def _parsed(path: str, raw: bytes) -> Ask:
    try:
        return Ask.model_validate_json(raw)
    except ValidationError as error:
        raise StoreError(
            f"{path} is no entry of the ledger of retrains that this release reads. Upgrade if a newer release wrote "
            "it; else restore it from a backup of the store."
        ) from error
