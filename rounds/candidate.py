"""A model that is not registered yet: its code is run only if it equals the code here."""

from __future__ import annotations

from pathlib import Path

import problems
from rounds.bundle import DEFINITION, Bundle
from rounds.errors import Refused


def require_own_definition(candidate: Bundle, problem: str, run: str) -> None:
    """Refuse a candidate whose features.py differs from the one in this image or checkout."""
    own = Path(str(problems.definition(problem, "features").__file__)).read_text(encoding="utf-8")
    if candidate.problem != problem:
        raise Refused(f"the bundle of run {run} predicts {candidate.problem}; want {problem}. Run 'train' again.")
    if candidate.definition != own:
        raise Refused(
            f"the bundle of run {run} has another {DEFINITION} than problems/{problem}/{DEFINITION} here, "
            "so it is not run. Run 'train' again."
        )
