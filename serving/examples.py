"""An appointment as somebody might ask: for the self-test, the documentation and the page's first row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rounds.knobs import Column
    from serving.inputs import Inputs

BOOKED, HAPPENS = "2026-03-12", "2026-03-30"


def appointment(inputs: Inputs) -> dict[str, Any]:
    """A whole one, in JSON's own types."""
    return {name: _value(name, column, inputs) for name, column in inputs.columns.items()}


def _value(name: str, column: Column, inputs: Inputs) -> Any:
    if column.type in {"date", "timestamp"}:
        day = HAPPENS if name == inputs.required[1] else BOOKED
        return day if column.type == "date" else f"{day}T09:30:00Z"
    if column.between is not None:
        middle = (column.between[0] + column.between[1]) / 2
        return int(middle) if column.type == "integer" else middle
    if column.within is not None:
        return column.within[0]
    return {"identifier": "1001", "integer": 1, "number": 1.0, "flag": False, "category": "CENTRO"}[column.type]
