"""The figures of a run on the screen, also where few rows give none."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from rounds.scorecard import _metrics


def test_a_figure_without_an_interval_is_a_dash() -> None:
    console = Console(width=80, record=True)
    figures: dict[str, dict[str, Any]] = {
        "auc": {"value": 0.7, "low": None, "high": None},
        "f1": {"value": None, "low": None, "high": None},
        "ece": {"value": 0.02, "low": 0.01, "high": 0.03},
    }
    console.print(_metrics(figures))
    rows = [line.split() for line in console.export_text().splitlines()[1:]]
    assert rows == [["auc", "0.7", "-"], ["f1", "-", "-"], ["ece", "0.02", "0.01", "to", "0.03"]]
