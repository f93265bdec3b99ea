"""What counts as evidence: a patient who was called is none against the score, for the call may have changed the end.

Where the policy that calls is on record and left some to chance, those whom it might have called and did not stand
for those whom it did (inverse probability); otherwise only those who were not called are looked at.  A chance belongs
to what was done: where messages were left to chance too, that of no message is not that of no call, and none is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

Method = Literal["inverse probability", "not called only", "all"]
KNOWN = 0.95  # the share of calls whose chance must be on record, and below 1, to speak of a policy that is known
STANDING = 0.5  # those who stand for the called must make up at least this share of them


@dataclass(frozen=True)
class Evidence:
    """Which rows are evidence, for how many each stands, and in words why.

    `represented` is the share of the called who have counterparts: patients who were left uncalled by chance.
    """

    method: Method
    used: Flags
    weight: Floats
    called: int
    says: str
    represented: float = 0.0


def weigh(known: Flags, acted: Flags, otherwise: Flags, propensity: Floats) -> Evidence:
    """`known`: the outcome is; `acted`: something was done that may have changed it; `otherwise`: something that is
    not taken to; `propensity`: the chance with which the policy would have done what it did, not a number where nobody
    said.
    """
    called, used = int((known & acted).sum()), known & ~acted
    ones = np.ones(len(known))
    if not acted.any():
        return Evidence("all", used, ones, called, "Nobody was called, so every outcome counts.", 1.0)
    if why := _unknown(known & acted, used, otherwise, propensity):
        return Evidence("not called only", used, ones, called, f"Those who were called are left out: {why}.")
    stands = used & (propensity > 0)
    weight = np.where(stands, 1 / np.where(stands, propensity, 1.0), 1.0)
    represented = min(1.0, _standing(propensity[used]) / called)
    says = f"Those who were left uncalled by chance stand for {represented:.0%} of those who were called."
    if represented < KNOWN:
        says += " Nobody stands for the others, so the figures do not speak of them."
    return Evidence("inverse probability", used, weight, called, says, represented)


def _standing(chances: Floats) -> float:
    """How many of the called are represented by patients who were left uncalled with these chances."""
    chances = chances[(chances > 0) & (chances < 1)]
    return float((1 / chances - 1).sum())


def _unknown(called: Flags, used: Flags, otherwise: Flags, propensity: Floats) -> str:
    """Why the policy cannot be reckoned with; empty where it can."""
    total = int(called.sum())
    if not total:
        return "no outcome of theirs is known"
    if np.isfinite(propensity[called]).sum() < KNOWN * total:
        return "with which chance they were called is not on record"
    if (propensity[called] < 1).sum() < KNOWN * total:
        return "they were called for certain, and nobody like them was not"
    if (propensity[otherwise] < 1).any():
        return "the chances on record are of other actions too, such as messages"
    if _standing(propensity[used]) < STANDING * total:
        return "too few like them were not called"
    return ""
