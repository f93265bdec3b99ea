"""Versions that no rule may make champion by itself: a person does it, and says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from rounds import surprise
from rounds.errors import Refused
from rounds.origin import GIVEN, SIMULATED
from rounds.registry import CHAMPION, Registry, Shelf, Version


def objection(shelf: Shelf, version: Version, allowed: float | None) -> str:
    """Why a version waits for a person; empty where it does not."""
    if text := origin_objection(shelf, version):
        return text
    jump = surprise.held(shelf, version, allowed)
    return f"version {version.number} waits for a person: {jump}" if jump else ""


def origin_objection(shelf: Shelf, version: Version) -> str:
    """Why a version may not replace the champion, by the rows that the two learned from."""
    champion = shelf.by_alias(CHAMPION)
    if champion is None or version.origin != SIMULATED or champion.origin != GIVEN:
        return ""
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
