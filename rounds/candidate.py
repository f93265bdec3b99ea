"""A model that is not registered yet: its code is run only if it equals the code here."""

from __future__ import annotations

from pathlib import Path

import problems
from rounds import bundle
from rounds.bundle import DEFINITION, Bundle
from rounds.errors import Refused
from rounds.files import Reader


def read_bundle(read: Reader) -> Bundle:
    """The bundle that `train` of this run signed; what was put in its place after its digest was checked is refused."""
    loaded = bundle.load(lambda name: read.path("train", name))
    if loaded.digest != read.facts("train")["bundle"]:
        raise Refused(f"the bundle of run {read.run} is not the one that 'train' signed. Run 'train' again.")
    return loaded


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
