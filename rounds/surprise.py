"""A jump in AUC that needs a person: a version that looks too much better than the champion stays challenger."""

from __future__ import annotations

from rounds.registry import ARCHIVED, CHAMPION, Shelf, Version

DIGITS = 4  # of the AUC in the tags
FIRST = 0.95  # above this AUC a person must confirm even a first champion
CONFIRMED = "rounds.confirmed"  # the tag of a version that a person promoted with a reason


def held(shelf: Shelf, version: Version, allowed: float | None, comparable: bool) -> str:
    """Why a version waits for a person; empty where it does not.

    It is compared with the champion's AUC at its registration, so that a retrain after a decay is not held; where the
    two are not comparable, because their rows have two origins, it is judged as a first champion.
    """
    champion = shelf.by_alias(CHAMPION)
    if allowed is None or CONFIRMED in version.tags or version.stage == ARCHIVED or version == champion:
        return ""
    low = _auc(version, "low")
    if champion is None or not comparable:
        return _first(low)
    known = _auc(champion, "value")
    if low is None or known is None or round(low - known, DIGITS) <= allowed:
        return ""
    return (
        f"its AUC is at least {low:.4f} (lower end of the interval), {low - known:.4f} above the {known:.4f} that "
        f"version {champion.number} had at its registration, and register.surprise allows {allowed:g}; "
        f"{_advice(version)}"
    )


def _first(low: float | None) -> str:
    if low is None or low <= FIRST:
        return ""
    return (
        f"its AUC is at least {low:.4f} (lower end of the interval), and above {FIRST:g} a person must "
        "confirm even a first champion; a feature may hold the outcome"
    )


def _advice(version: Version) -> str:
    return f"the report of register shows which features and slices of run {version.run} the gain comes from"


def _auc(version: Version, end: str) -> float | None:
    text = version.tags.get(f"auc.{end}") or version.tags.get("auc.value")
    return float(text) if text else None
