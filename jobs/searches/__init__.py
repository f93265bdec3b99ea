"""Searches for better knobs: one module an engine, each with the same two functions.

`trials(tune)` says how many there will be, and refuses more than the budget `tune.fits` has fits for.
`search(tune, trial)` tries knobs of the space, each by a call of `trial(knobs)`, and answers them in the order tried.
"""

from __future__ import annotations

from types import ModuleType

from jobs.searches import grid

SEARCHES: dict[str, ModuleType] = {"grid": grid}
