"""What a promotion by hand needs a reason for, and the record of who gave it."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime

from rounds.errors import Refused
from rounds.origin import GIVEN, SIMULATED
from rounds.registry import CHAMPION, Registry, Shelf, Version

PROMOTED = "rounds.promoted"  # the tag of a version that a person promoted with a reason
SHORTEST = 10


def origin_objection(shelf: Shelf, version: Version) -> str:
    """Why a version may not replace the champion without a person's reason; nothing where it may."""
    champion = shelf.by_alias(CHAMPION)
    if champion is None or version.origin != SIMULATED or champion.origin != GIVEN:
        return ""
    return (
        f"version {version.number} learned from simulated data, and champion version {champion.number} from a table, "
        "so it does not replace it"
    )


def confirm(registry: Registry, version: Version, objection: str, reason: str) -> None:
    """Refuse a promotion that needs a reason and has none; a reason stays with the version."""
    if objection and not reason:
        raise Refused(f"{objection}. If it must, say why with --reason.")
    if reason:
        given = {"reason": require_reason(reason), "by": getpass.getuser(), "at": _now()}
        registry.tag(version, PROMOTED, json.dumps(given, sort_keys=True))


def require_reason(text: str) -> str:
    if len(text.strip()) < SHORTEST:
        raise Refused(f"--reason is '{text}'; want a sentence that says why, for whoever reads it later.")
    return text.strip()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
