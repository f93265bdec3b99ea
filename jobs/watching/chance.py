"""What chance alone shows where nothing drifts: tables drawn from the reference, as large as it and as a window."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
AT_ONCE = 1 << 20  # numbers drawn at a time: bounds the memory


class Differences(NamedTuple):
    """How far counts lie from others, feature by feature: each the larger, the further."""

    psi: Array
    ks: Array
    chi2: Array

    @classmethod
    def between(cls, one: Array, other: Array, real: Array) -> Differences:
        """Of counts in bins, the last axis; `real` says which bins a feature has.

        Half a row more in each bin keeps the logarithm finite where a bin is empty.
        """
        sizes = one.sum(axis=-1), other.sum(axis=-1)
        bins = real.sum(axis=-1)
        a, b = (
            np.where(real, (counts + 0.5) / (size + 0.5 * bins)[..., None], 0.0)
            for counts, size in zip((one, other), sizes, strict=True)
        )
        ratio = np.log(np.divide(a, b, where=real, out=np.ones(np.broadcast_shapes(a.shape, b.shape))))
        apart = a - b
        pooled = (one + other + 1.0) / (sizes[0] + sizes[1] + bins)[..., None]
        scale = sizes[0] * sizes[1] / (sizes[0] + sizes[1])
        return cls(
            psi=(apart * ratio).sum(axis=-1),
            ks=np.abs(np.cumsum(apart, axis=-1)).max(axis=-1),
            chi2=scale * (apart**2 / pooled).sum(axis=-1),
        )


class Chance(NamedTuple):
    """How each difference is distributed without drift, and how far the farthest of them all strays."""

    middle: Array  # of the cube roots, by kind of difference and feature: they are nearly normal
    spread: Array
    farthest: Array  # of each draw, in spreads, ascending

    def far(self, found: Differences) -> Array:
        """How many spreads each feature lies from what chance shows in the middle, by its farthest difference."""
        return np.asarray(np.max((np.cbrt(np.array(found)) - self.middle) / self.spread, axis=0))

    def p(self, far: Array) -> Array:
        """The chance that any feature of a window without drift strays so far."""
        beyond = len(self.farthest) - np.searchsorted(self.farthest, far, side="left")
        return (1 + beyond) / (1 + len(self.farthest))

    def bound(self, false_alarms: float) -> Differences:
        """What each difference exceeds by chance in this share of windows, whichever feature and kind it is of."""
        last = int(np.ceil(len(self.farthest) - false_alarms * (len(self.farthest) + 1)))
        reached = self.farthest[min(max(last, 0), len(self.farthest) - 1)]
        return Differences(*np.maximum(self.middle + reached * self.spread, 0) ** 3)


def chance(reference: Array, rows: Array, real: Array, resamples: int, seed: int) -> Chance:
    """Draw pairs of tables from the reference's own shares: one as large as it, one of so many rows."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    sizes = reference.sum(axis=-1)
    shares = reference / sizes[:, None]
    drawn = []
    step = max(1, AT_ONCE // reference.size)
    for begin in range(0, resamples, step):
        shape = (min(step, resamples - begin), len(sizes))
        again = rng.multinomial(np.round(sizes).astype(np.int64), shares, shape)
        window = rng.multinomial(np.maximum(np.round(rows), 1).astype(np.int64), shares, shape)
        drawn.append(np.cbrt(np.array(Differences.between(window, again, real))))
    roots = np.concatenate(drawn, axis=1)
    middle, spread = roots.mean(axis=1), np.maximum(roots.std(axis=1), 1e-9)
    found = Chance(middle, spread, np.zeros(1))
    farthest = np.max((roots - middle[:, None]) / spread[:, None], axis=(0, 2))
    return found._replace(farthest=np.sort(farthest))
