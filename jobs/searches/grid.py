"""Every combination of the space, in the order of GridSearchCV: names sorted, the last one varies fastest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from jobs.searches.trial import Trial
from rounds.errors import Refused
from rounds.manifest import Facts
from rounds.modelling import Tune


def trials(tune: Tune) -> int:
    """How many combinations there are; more than the budget has fits for are refused before the first."""
    count = math.prod(len(values) for values in tune.space.values())
    if count * tune.folds > tune.fits:
        raise Refused(
            f"tune.space has {count} combinations, on {tune.folds} folds {count * tune.folds} fits; tune.fits allows "
            f"{tune.fits}. Shorten the space, or allow more."
        )
    return count


def search(tune: Tune, trial: Callable[[Facts], Trial]) -> list[Trial]:
    names = sorted(tune.space)
    return [
        trial(dict(zip(names, values, strict=True)))
        for values in itertools.product(*(tune.space[name] for name in names))
    ]
