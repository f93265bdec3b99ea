"""The forest plot: ROC-AUC of each part of the people, with its interval, beside that of all."""

from __future__ import annotations

from typing import Any

from jobs.report.drawing import Plot, steps
from jobs.report.plots import interval

Found = dict[str, Any]
LEFT, WIDE, TOP, ROW = 290, 440, 14, 24


def forest(found: Found) -> str:
    rows = [("all", "", {"metrics": found["metrics"], **found["test"]})]
    rows += [("without same-day", "", found["without_same_day"])]
    rows += [(part["slice"], part["part"], part) for part in found["slices"]]
    shown = [part["metrics"]["auc"] for _, _, part in rows if not part.get("too_small")]
    low = max(0.0, min(auc["low"] for auc in shown) - 0.01)
    high = min(1.0, max(auc["high"] for auc in shown) + 0.01)
    plot = _Forest("ROC-AUC by part", (low, high), (0, 1), width=1000, height=52 + ROW * len(rows))
    foot = TOP + ROW * len(rows)
    for tick in steps(low, high):
        plot.upright(tick, foot, "grid")
        plot.text(plot.at_x(tick), foot + 17, f"{tick:.2f}", "tick middle")
    plot.upright(found["metrics"]["auc"]["value"], foot, "reference")
    for at, (name, label, part) in enumerate(rows):
        words = name.replace("_", " ") + (f": {label}" if label else "")
        plot.row(TOP + ROW * at, words, part, "tick end" if at else "tick end strong")
    plot.text(LEFT + WIDE / 2, plot.height - 4, "ROC-AUC; dashed: all cases", "label middle")
    return plot.svg()


class _Forest(Plot):
    """A plot with words on its left and figures on its right."""

    def at_x(self, value: float) -> float:
        low, high = self.x
        return LEFT + (value - low) / (high - low) * WIDE

    def upright(self, value: float, foot: float, style: str) -> None:
        at = f"{self.at_x(value):.1f}"
        self.parts.append(f'<line class="{style}" x1="{at}" x2="{at}" y1="8" y2="{foot}"/>')

    def row(self, y: float, words: str, part: Found, style: str) -> None:
        """One part: its name, its interval, and both in figures."""
        self.text(LEFT - 14, y + 13, words, style)
        if part.get("too_small"):
            self.text(LEFT, y + 13, "too few cases to say", "note")
            return
        auc = part["metrics"]["auc"]
        low, value, high = (f"{self.at_x(auc[end]):.1f}" for end in ("low", "value", "high"))
        self.parts.append(f'<line class="whisker" x1="{low}" x2="{high}" y1="{y + 9}" y2="{y + 9}"/>')
        self.parts.append(f'<circle class="point" cx="{value}" cy="{y + 9}" r="4.5"/>')
        self.text(LEFT + WIDE + 20, y + 13, interval(auc), "tick")
        self.text(self.width - 8, y + 13, f"{part['rows']:,} cases", "tick end")
