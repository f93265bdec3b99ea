"""Whether quarantine takes rows of one outcome: its outcome rate beside that of the good rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rounds.shares import wilson

SURE = 3.2905  # standard errors: beyond them lies one table of a thousand in which nothing is wrong
SHOWN = 10  # with fewer rows no rate is shown or judged


@dataclass(frozen=True)
class Outcomes:
    """Rows whose outcome can be read, and how many of them have it: the good ones, and those in quarantine."""

    good: int
    good_true: int
    bad: int
    bad_true: int

    @property
    def rates(self) -> tuple[float, float]:
        """Of the good rows, and of those in quarantine."""
        return self.good_true / self.good, self.bad_true / self.bad

    @property
    def apart(self) -> float:
        """By how much the two rates differ at least, beyond chance (Newcombe's interval of a difference)."""
        if not self.good or self.bad < SHOWN:
            return 0.0
        rate, other = self.rates
        low, high = wilson(rate, self.good, SURE)
        other_low, other_high = wilson(other, self.bad, SURE)
        above = other - rate - math.hypot(other - other_low, high - rate)
        below = rate - other - math.hypot(other_high - other, rate - low)
        return max(0.0, above, below)

    @property
    def sentence(self) -> str:
        rate, other = self.rates
        return (
            f"{self.bad_true:,} of {self.bad:,} quarantined rows have the outcome ({other:.1%}), and {rate:.1%} of the "
            f"good rows; the two differ by at least {self.apart:.1%} beyond chance"
        )

    @property
    def report(self) -> dict[str, Any]:
        """For the report; if few rows are in quarantine, only their number."""
        if not self.good or self.bad < SHOWN:
            return {"good": None, "quarantined": None, "readable": self.bad, "apart": 0.0}
        rate, other = self.rates
        return {
            "good": round(rate, 6),
            "quarantined": round(other, 6),
            "readable": self.bad,
            "apart": round(self.apart, 6),
        }
