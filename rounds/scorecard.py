"""What a run says of its model: figures with their intervals, gates with their verdicts, where the report lies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rounds.inventory import Run
from rounds.manifest import Manifest
from rounds.origin import badge
from rounds.words import figure

WARNS = "warns"  # of a gate that does not block
COLOURS = {"pass": "green", "refuse": "red", "alarm": "red", WARNS: "yellow"}


def scorecard(found: Run, store: str) -> Iterator[RenderableType]:
    """The parts of it that the run has come to, to be shown below its steps."""
    judged, registered = found.steps.get("evaluate"), found.steps.get("register")
    trained = found.steps.get("train")
    if trained is not None and (words := badge(trained.content.facts.get("origin", ""))):
        yield Text()
        yield Text(f"{words}: this model learned from invented rows", "yellow")
    if judged is not None and "metrics" in judged.content.facts:
        yield Text()
        yield _metrics(judged.content.facts["metrics"])
        yield Text()
        yield _gates(judged.content.facts["gates"])
        yield Text()
        yield Text(f"report: {store}/{judged.circumstances.places['report.html']}")
    if registered is not None and "version" in registered.content.facts:
        yield Text(_registered(registered))


def _table(*headers: str) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in headers:
        made.add_column(header)
    return made


def _metrics(metrics: dict[str, dict[str, Any]]) -> Table:
    made = _table("figure", "value", "95% interval")
    made.columns[1].justify = "right"
    for name, estimate in metrics.items():
        interval = f"{_figure(estimate['low'])} to {_figure(estimate['high'])}" if estimate["low"] is not None else "-"
        made.add_row(name.replace("_", " "), _figure(estimate["value"]), interval)
    return made


def _figure(value: float | None) -> str:
    """A dash where few rows give no figure."""
    return "-" if value is None else figure(value)


def _gates(gates: list[dict[str, Any]]) -> Table:
    made = _table("gate", "value", "bound", "verdict")
    made.columns[1].justify = "right"
    for gate in gates:
        word = gate["verdict"] if gate["verdict"] == "pass" or gate["blocks"] else WARNS
        verdict = Text(word, COLOURS.get(word, ""))
        made.add_row(gate["gate"], _figure(gate["value"]), gate["bound"], verdict)
    return made


def _registered(done: Manifest) -> str:
    facts = done.content.facts
    champion = "it is champion" if facts.get("champion") == facts["version"] else f"champion is {facts.get('champion')}"
    return f"model: {facts['model']} version {facts['version']} ({facts['stage']}); {champion}"
