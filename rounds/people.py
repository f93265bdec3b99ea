"""Who decided something by hand, and why."""

from __future__ import annotations

import getpass

from rounds.errors import Refused

SHORTEST, LONGEST = 10, 500


def reason(text: str) -> str:
    """The reason that a person gave, if it says anything."""
    if not SHORTEST <= len(text.strip()) <= LONGEST:
        raise Refused(
            f"--reason has {len(text.strip())} characters; want a sentence of {SHORTEST} to {LONGEST} that says why, "
            "for whoever reads it later."
        )
    return text.strip()


def author(name: str) -> str:
    """The name that was given, else that of this account."""
    return name or getpass.getuser()
