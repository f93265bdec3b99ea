"""Versions that no rule may make champion by itself: a person does it, and says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from rounds import releasing, surprise
from rounds.errors import Refused
from rounds.origin import GIVEN, SIMULATED, Origin
from rounds.registry import CHAMPION, Registry, Shelf, Version


def objection(registry: Registry, shelf: Shelf, version: Version, allowed: float | None) -> str:
    """Why a version waits for a person; empty where it does not."""
    champion = shelf.by_alias(CHAMPION)
    try:
        origin = releasing.read_origin(registry, version)
    except Refused as refusal:
        reason = str(refusal).rstrip(".")
        return f"nobody can tell whether version {version.number} learned from simulated data: {reason}"
    of_champion = registry.origin(champion)
    if text := origin_objection(version, origin, champion, of_champion):
        return text
    jump = surprise.held(shelf, version, allowed, comparable=origin == of_champion)
    return f"version {version.number} waits for a person: {jump}" if jump else ""


def origin_objection(version: Version, origin: Origin, champion: Version | None, of_champion: Origin | None) -> str:
    """Why a version may not replace the champion, by the rows that the two learned from."""
    if champion is None or origin == GIVEN or of_champion == SIMULATED:
        return ""
    if of_champion is None:
        return (
            f"version {version.number} learned from simulated data, and no signature says what champion version "
            f"{champion.number} learned from"
        )
    return (
        f"version {version.number} learned from simulated data, and champion version {champion.number} from a table, "
        "so it does not replace it"
    )


def confirm(registry: Registry, version: Version, objection: str, reason: str, by: str) -> None:
    """Refuse a promotion that needs a reason and has none. The first reason stays with the version."""
    if objection and not reason:
        raise Refused(
            f"{objection}. If it is right all the same, say why: rounds promote {version.number} --reason 'a sentence'."
        )
    if reason and surprise.CONFIRMED not in version.tags:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        confirmation = {"reason": reason, "by": by, "at": at}
        registry.tag(version, surprise.CONFIRMED, json.dumps(confirmation, sort_keys=True))
