"""Facts and figures as people read them."""

from __future__ import annotations

import re
from typing import Any

# All but a line's end and a colour: what moves the cursor, clears the screen or names the window.
_CONTROLS = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """The text without what would steer the terminal: much of it was read in the store or in MLflow."""
    return _CONTROLS.sub("", text)


def facts(found: dict[str, Any]) -> str:
    """A step's facts in words; empty ones are left out, and so are tables: they have views of their own."""
    told = {name: value for name, value in found.items() if value not in ({}, [], "", None) and not _is_table(value)}
    return ", ".join(f"{name.replace('_', ' ')} {_bracketed(value)}" for name, value in told.items())


def _is_table(value: Any) -> bool:
    rows = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(row, dict | list) for row in rows)


def _bracketed(value: Any) -> str:
    return f"({words(value)})" if isinstance(value, dict | list) else figure(value)


def words(value: Any) -> str:
    """Any JSON value in words; a name within one is an id and stays as it is."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_bracketed(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return "; ".join(map(_bracketed, value))
    return figure(value)


def count(number: int, word: str) -> str:
    """`1 run`, `2,000 runs`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def figure(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return value[:12]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def seconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def size(count: int) -> str:
    """Bytes in the unit that leaves a short number."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
