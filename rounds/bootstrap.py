"""How sure a figure is: patients drawn again and again, all rows of a patient together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from rounds.metrics import Scale, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Resamples are worked on in blocks of about this many numbers: they then stay within a core's cache.
BLOCK = 2**17


def draws(who: NDArray[np.intp], resamples: int, seed: int, block: int = BLOCK) -> Iterator[Floats]:
    """How often each row is drawn: blocks of shape (resamples, rows), the rows of one patient always alike.

    `who` numbers the patients from 0. The same seed gives the same draws, whatever the size of the blocks.
    """
    patients = int(who.max()) + 1
    generator = np.random.Generator(np.random.PCG64(seed))
    at_once = max(1, block // len(who))
    for done in range(0, resamples, at_once):
        count = min(at_once, resamples - done)
        picked = generator.integers(0, patients, size=(count, patients))
        picked += np.arange(count)[:, None] * patients
        times = np.bincount(picked.ravel(), minlength=count * patients).astype(np.float64)
        yield np.take(times.reshape(count, patients), who, axis=1)


def tallies(
    scores: Floats, outcome: NDArray[np.integer], who: NDArray[np.intp], resamples: int, seed: int
) -> Iterator[Tally]:
    """The counts by score of each resample, block by block; sorted once, for all of them."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.diff(-ranked, prepend=-np.inf))
    scale = Scale(ranked[starts], np.diff(starts, append=len(ranked)).astype(np.float64))
    positive = outcome[order].astype(np.float64)
    for times in draws(who[order], resamples, seed):
        with_outcome = times * positive
        if len(starts) < len(ranked):
            times, with_outcome = (np.add.reduceat(part, starts, axis=1) for part in (times, with_outcome))
        yield Tally(scale, with_outcome, times - with_outcome)
