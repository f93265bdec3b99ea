"""Format numbers: what this release writes, and the refusal of what another release wrote."""

from __future__ import annotations

from typing import Any

from rounds.errors import Refused, RoundsError


def check(found: Any, known: int, name: str, error: type[RoundsError] = Refused) -> None:
    """Refuse an object without the format number that this release reads, before anything else in it is read."""
    number = found.get("format") if isinstance(found, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise error(f"{name} has no format number; this release reads format {known}. Make it again with this release.")
    if number > known:
        raise error(
            f"{name} is of format {number}; this release reads format {known}. "
            "A newer release wrote it: leave it as it is, and upgrade to that release."
        )
    if number < known:
        raise error(
            f"{name} is of format {number}; this release reads format {known}. Make it again with this release."
        )


def unknown(found: dict[str, Any], known: set[str], name: str, error: type[RoundsError] = Refused) -> None:
    """Refuse a field that this release does not know: to ignore it could change what the rest means."""
    if more := sorted(set(found) - known):
        raise error(
            f"{name} has {', '.join(more)}, which this release does not know. "
            "Leave it as it is, and upgrade to the release that wrote it."
        )
