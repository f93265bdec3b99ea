"""Whether the histories were there when predictions were made, and which features had one value for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from jobs.watching.drift import Window
from rounds.arithmetic import Numbers
from rounds.bundle import Bundle
from rounds.definition import SECONDS, Definition, parts
from rounds.history import NOTHING
from rounds.manifest import Facts
from rounds.reference import counts, places
from rounds.watched import Monitor

LOST, THERE, UNSEEN, UNUSED = "lost", "there", "unseen", "unused"
DAY = 1000
HISTORIES = ((1, 0, DAY - 3, 0), (8, 5, DAY - 40, 1), (90, 2, DAY - 400, 0))  # visits, misses, last day, last missed
CHANCE = 1e-6  # that all patients of a window happen to have one value of a feature


def judge(table: pl.DataFrame, windows: Sequence[Window], bundle: Bundle, asked: Monitor) -> Facts:
    """The share of each window that was predicted without histories, and what that looks like in the features."""
    definition = bundle.rebuild()
    shares = [_shares(table.filter(pl.col("window") == at), at) for at in range(len(windows))]
    newest = shares[0] if shares else {"down": None}
    return {
        "verdict": _verdict(newest["down"], bool(definition.history), windows, asked),
        "down": newest["down"],
        "at_most": asked.history_down,
        "windows": shares,
        "constant": constant(windows[0], bundle, definition) if _is_enough(windows, asked) else [],
    }


def _shares(rows: pl.DataFrame, at: int) -> Facts:
    """`down` are predictions for which no history could be looked up, `unknown` those of somebody who has none."""
    history = rows.get_column("history")
    shares: Facts = dict.fromkeys(("down", "unknown"))
    if rows.height:
        shares = {word: float((history == word).sum()) / rows.height for word in shares}
    return {"window": at, "rows": rows.height, **shares}


def _verdict(down: float | None, used: bool, windows: Sequence[Window], asked: Monitor) -> str:
    if not used:
        return UNUSED
    if down is None or not _is_enough(windows, asked):
        return UNSEEN
    return LOST if down > asked.history_down else THERE


def _is_enough(windows: Sequence[Window], asked: Monitor) -> bool:
    return bool(windows) and windows[0].seen(asked.rows) == "enough"


def constant(window: Window, bundle: Bundle, definition: Definition) -> list[str]:
    """The features of histories that have one value in the whole window, which chance does not explain.

    Other features are left to drift: a nightly list, for one, holds no booking of the same day.
    """
    patients = len(np.unique(window.who))
    reference = bundle.reference["features"]
    of_histories = _of_histories(definition)
    names = []
    for at, name in enumerate(bundle.features):
        values = window.matrix[:, at]
        if name not in of_histories or name not in reference or not (values == values[0]).all():
            continue
        rows = np.array(counts(reference[name]), float)
        share = rows[places(values[:1], reference[name])[0]] / rows.sum()
        if share**patients < CHANCE:
            names.append(name)
    return names


def _of_histories(definition: Definition) -> set[str]:
    """The features that another history alone makes different."""
    rows = [definition.probe(_with_history(history, definition), Numbers) for history in (NOTHING, *HISTORIES)]
    return {name for name in rows[0] if len({row[name] for row in rows}) > 1}


def _with_history(history: tuple[int, ...], definition: Definition) -> dict[str, Any]:
    """An empty row of one day, whose patient and areas have this history."""
    units = {"date": 1, "timestamp": SECONDS}
    values: dict[str, Any] = {name: DAY * units.get(column.type, 0) for name, column in definition.readable.items()}
    for word in definition.history:
        values.update(zip(parts(word), history, strict=True))
    return values
