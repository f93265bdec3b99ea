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
DAYS = range(0, 1461, 5)  # four years, in which each weekday, month and season comes up
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
    """The features that have one value in the whole window, which chance does not explain.

    Features that move with the calendar are left out: the month is the same for a week.
    """
    patients = len(np.unique(window.who))
    reference = bundle.reference["features"]
    dated = _dated(definition)
    names = []
    for at, name in enumerate(bundle.features):
        values = window.matrix[:, at]
        if name in dated or name not in reference or not (values == values[0]).all():
            continue
        rows = np.array(counts(reference[name]), float)
        share = rows[places(values[:1], reference[name])[0]] / rows.sum()
        if share**patients < CHANCE:
            names.append(name)
    return names


def _dated(definition: Definition) -> set[str]:
    """The features that another day alone makes different."""
    rows = [definition.probe(_on_day(day, definition), Numbers) for day in DAYS]
    return {name for name in rows[0] if len({row[name] for row in rows}) > 1}


def _on_day(day: int, definition: Definition) -> dict[str, Any]:
    """An empty row, all of whose days are this one."""
    units = {"date": 1, "timestamp": SECONDS}
    values: dict[str, Any] = {name: day * units.get(column.type, 0) for name, column in definition.readable.items()}
    for word in definition.history:
        values.update(zip(parts(word), NOTHING, strict=True))
    return values
