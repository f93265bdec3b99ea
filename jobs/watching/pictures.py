"""The figures and the plots of the watch's page: aggregates alone, none of so few people that it would tell of one."""

from __future__ import annotations

from typing import Any

from jobs.judging.parts import FEW
from jobs.report.drawing import Plot, steps
from jobs.watching.performance import Rows
from rounds.manifest import Facts

Found = dict[str, Any]
BARS = 15


def calls(rows: Rows) -> list[Facts]:
    """Those who were called beside those who were not."""
    return [_group("called", rows.of(rows.acted)), _group("not called", rows.of(~rows.acted))]


def _group(name: str, rows: Rows) -> Facts:
    known = rows.outcome[rows.known]
    score, rate = (float(each.mean()) if len(each) >= FEW else None for each in (rows.score[rows.known], known))
    return {"group": name, "rows": len(rows.score), "outcomes": len(known), "score": score, "rate": rate}


def drift_bars(features: list[Found]) -> str:
    """PSI of each feature in the newest window, the largest first, and where chance alone would end."""
    shown = sorted((each for each in features if each["threshold"] is not None), key=lambda each: -each["psi"])[:BARS]
    if not shown:
        return ""
    largest = max(max(each["psi"], each["threshold"]) for each in shown) * 1.1
    zero, wide, row = 168, 480 - 168 - 54, 24
    plot = Plot("Drift by feature", (0, largest), (0, 1), height=30 + row * len(shown))
    for at, each in enumerate(shown):
        y = 8 + row * at
        style = "bad" if each["matters"] else "warn" if each["lasting"] else "spread"
        long = each["psi"] / largest * wide
        plot.text(zero - 8, y + 12, each["feature"].replace("_", " "), "tick end")
        plot.parts.append(f'<rect class="{style}" x="{zero}" y="{y}" width="{long:.1f}" height="15" rx="2"/>')
        chance = zero + each["threshold"] / largest * wide
        plot.parts.append(f'<line class="edge" x1="{chance:.1f}" x2="{chance:.1f}" y1="{y - 3}" y2="{y + 18}"/>')
        plot.text(max(zero + long, chance) + 6, y + 12, f"{each['psi']:.3f}", "tick")
    plot.text(zero, plot.height - 4, "PSI; upright line: as far as chance goes", "label")
    return plot.svg()


def score_shares(shares: Found | None) -> str:
    """How the scores are spread in the newest window, beside how they were."""
    if shares is None:
        return ""
    edges, bins = shares["edges"], len(shares["edges"]) + 1  # one more is for missing values: a score never is
    was, now = shares["reference"][:bins], shares["window"][:bins]
    told = [share for share in (*was, *now) if share is not None]
    if not told:
        return ""
    top = max(told) * 1.15
    plot = Plot("Scores now and then", (0, len(was)), (0, top))
    plot.axes("calibrated score", "share of predictions", [], steps(0, top))
    for at, (before, after) in enumerate(zip(was, now, strict=True)):
        name = _range(edges, at)
        if before is not None:
            plot.bar(at + 0.08, at + 0.5, before, "spread", f"score {name}: {before:.1%} when it was made")
        if after is not None:
            plot.bar(at + 0.5, at + 0.92, after, "spread-main", f"score {name}: {after:.1%} now")
        if at < len(edges):
            plot.text(plot.at_x(at + 1), plot.height - 29, f"{edges[at]:.2f}", "tick middle")
    plot.text(plot.width - 24, 22, "when it was made", "note end")
    plot.text(plot.width - 24, 39, "newest window", "note end main-word")
    return plot.svg()


def _range(edges: list[float], at: int) -> str:
    if at == 0:
        return f"up to {edges[0]:.3f}" if edges else "any"
    return f"above {edges[-1]:.3f}" if at == len(edges) else f"{edges[at - 1]:.3f} to {edges[at]:.3f}"


def auc_by_window(windows: list[Found], tested: Found | None) -> str:
    """Realised, naive and promised AUC from the oldest window to the newest."""
    ordered = windows[::-1]
    told = [each[name] for each in ordered for name in ("auc", "naive", "estimated") if each[name] is not None]
    if not told:
        return ""
    ends = [
        end
        for each in [*told, *([tested] if tested else [])]
        for end in (each["low"], each["high"], each["value"])
        if end is not None
    ]
    low, high = max(0.0, min(ends) - 0.02), min(1.0, max(ends) + 0.02)
    plot = Plot("AUC by window", (0, len(ordered)), (low, high))
    plot.axes("window, oldest to newest", "ROC-AUC", [], steps(low, high), ".2f")
    if tested:
        plot.line([(0, tested["value"]), (len(ordered), tested["value"])], "reference")
    for shift, name, style, word in (
        (0.35, "estimated", "soft", "estimated from the scores"),
        (0.5, "auc", "point", "realised"),
        (0.65, "naive", "naive", "naive, calls and all"),
    ):
        _dots(plot, [(at + shift, each[name]) for at, each in enumerate(ordered)], style, word)
    return plot.svg()


def calibration_by_window(windows: list[Found]) -> str:
    """What happened as a multiple of what was said, from the oldest window to the newest."""
    ordered = windows[::-1]
    told = [each["calibration"] for each in ordered if each["calibration"] is not None]
    if not told:
        return ""
    low, high = min(0.8, *(each["low"] for each in told)) - 0.05, max(1.2, *(each["high"] for each in told)) + 0.05
    plot = Plot("Calibration by window", (0, len(ordered)), (low, high))
    plot.axes("window, oldest to newest", "observed over expected", [], steps(low, high), ".1f")
    plot.line([(0, 1), (len(ordered), 1)], "reference")
    points = [
        (at + 0.5, each["calibration"] and {**each["calibration"], "value": each["calibration"]["ratio"]})
        for at, each in enumerate(ordered)
    ]
    _dots(plot, points, "point", "observed over expected")
    return plot.svg()


def _dots(plot: Plot, points: list[tuple[float, Found | None]], style: str, word: str) -> None:
    for x, each in points:
        if each is None:
            continue
        if each["low"] is not None:
            plot.whisker(x, each["low"], each["high"], f"whisker {style}")
        plot.dot(x, each["value"], style, f"{word}: {each['value']:.3f}")
