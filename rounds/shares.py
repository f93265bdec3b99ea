"""Wilson's interval of a share: it holds for few rows, and at none or all of them."""

from __future__ import annotations

import math


def wilson(share: float, count: int, normal: float) -> tuple[float, float]:
    """Both ends; `normal` is how many standard errors they reach, as 1.96 for 95%. Of no row nothing is known."""
    if not count or not math.isfinite(share):
        return 0.0, 1.0
    square = normal**2 / count
    centre = share + square / 2
    reach = normal * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, (centre - reach) / (1 + square)), min(1.0, (centre + reach) / (1 + square))
