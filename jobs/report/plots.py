"""The plots of the report, each drawn from the figures alone."""

from __future__ import annotations

from typing import Any

from jobs.report.drawing import Plot, steps

Found = dict[str, Any]
TENTHS = [part / 10 for part in range(0, 11, 2)]


def reliability(found: Found) -> str:
    """Said against happened, with the spread of scores underneath."""
    groups = found["curves"]["reliability"]
    top = _upper(max(max(group["high"], group["score"]) for group in groups))
    plot = Plot("Said risk against what happened", (0, top), (0, top))
    plot.axes("risk that the model said", "share with the outcome", steps(0, top), steps(0, top))
    tallest = max(found["curves"]["scores"]) or 1
    bars = len(found["curves"]["scores"])
    for at, count in enumerate(found["curves"]["scores"]):
        if count and (at + 1) / bars <= top:
            says = f"{count:,} cases were given a risk of {at / bars:.1%} to {(at + 1) / bars:.1%}"
            plot.bar(at / bars, (at + 1) / bars, 0.22 * top * count / tallest, "spread", says)
    plot.line([(0, 0), (top, top)], "reference")
    plot.line([(group["score"], group["outcome"]) for group in groups], "main thin")
    for group in groups:
        plot.whisker(group["score"], group["low"], group["high"], "whisker")
        interval = f"95% interval {group['low']:.1%} to {group['high']:.1%}"
        says = f"said {group['score']:.1%}, happened {group['outcome']:.1%} ({interval}, {group['rows']:,.0f} cases)"
        plot.dot(group["score"], group["outcome"], "point", says)
    return plot.svg()


def roc(found: Found) -> str:
    plot = Plot("ROC curve", (0, 1), (0, 1))
    plot.axes("false alarms, of all without the outcome", "found, of all with the outcome", TENTHS, TENTHS)
    plot.line([(0, 0), (1, 1)], "reference")
    plot.line(found["curves"]["roc_lead_time"], "other")
    plot.line(found["curves"]["roc"], "main")
    plot.note(0.98, 0.16, f"model: area {interval(found['metrics']['auc'])}", "note end main-word")
    other = found["baselines"]["lead_time"]["auc"]
    plot.note(0.98, 0.09, f"lead time alone: area {interval(other)}", "note end other-word")
    plot.note(0.98, 0.02, "dashed: guessing", "note end")
    return plot.svg()


def precision_recall(found: Found) -> str:
    top = _upper(max(right for _, right in found["curves"]["precision_recall"]))
    plot = Plot("Precision and recall", (0, 1), (0, top))
    plot.axes("found, of all with the outcome", "right, of those called", TENTHS, steps(0, top))
    rate = found["test"]["base_rate"]
    plot.line([(0, rate), (1, rate)], "reference")
    plot.line(found["curves"]["precision_recall"], "main")
    plot.note(0.98, 0.94 * top, f"model: area {interval(found['metrics']['pr_auc'])}", "note end main-word")
    plot.note(0.98, rate - 0.06 * top, f"dashed: calling at random, {rate:.1%} right", "note end")
    return plot.svg()


def gain(found: Found) -> str:
    """What calling so many finds."""
    points, capacity = found["curves"]["gain"], found["use"]["capacity"]
    plot = Plot("What calls find", (0, 1), (0, 1))
    plot.axes("called, of all cases, highest risk first", "found, of all with the outcome", TENTHS, TENTHS)
    plot.line([(0, 0), (1, 1)], "reference")
    across = [0.0, *(point["share"] for point in points)]
    low, high = ([0.0, *(point[end] for point in points)] for end in ("low", "high"))
    plot.band(across, low, high, "band")
    plot.line(zip(across, [0.0, *(point["value"] for point in points)], strict=True), "main")
    recall = found["metrics"]["recall_at_capacity"]
    plot.mark(capacity, f"capacity {capacity:.0%}")
    says = f"calling {capacity:.0%} finds {recall['value']:.1%} ({recall['low']:.1%} to {recall['high']:.1%})"
    plot.dot(capacity, recall["value"], "point", says)
    plot.note(0.98, 0.09, says, "note end main-word")
    plot.note(0.98, 0.02, "dashed: calling at random", "note end")
    return plot.svg()


def decision(found: Found) -> str:
    """Net benefit by the risk from which a call is worth its cost."""
    points = found["curves"]["decision"]
    top = _upper(max(point["high"] for point in points))
    floor = -0.25 * top
    plot = Plot("Decision curve", (0, points[-1]["threshold"]), (floor, top))
    plot.axes("risk from which a call is worth it", "net benefit a case", steps(0, points[-1]["threshold"]), [], ".0%")
    ticks = [tick for tick in steps(floor, top) if tick >= floor]
    plot.axes("", "", [], ticks, ".2f")
    plot.line([(0, 0), (points[-1]["threshold"], 0)], "reference")
    worth = [(point["threshold"], point["call_all"]) for point in points if point["call_all"] >= floor]
    plot.line(worth, "other")
    across = [point["threshold"] for point in points]
    low, high = ([max(point[end], floor) for point in points] for end in ("low", "high"))
    plot.band(across, low, high, "band")
    plot.line([(point["threshold"], max(point["value"], floor)) for point in points], "main")
    plot.text(plot.width - 18, 24, "model", "note end main-word")
    plot.text(plot.width - 18, 41, "call everybody", "note end other-word")
    plot.text(plot.width - 18, 58, "dashed: call nobody", "note end")
    return plot.svg()


def importance(found: Found, most: int = 15) -> str:
    """What the ranking loses without a feature, the most first."""
    items = sorted(found["importance"].items(), key=lambda item: (-item[1], item[0]))[:most]
    low, high = min(0.0, items[-1][1]), max(items[0][1], 1e-4) * 1.12
    plot = Plot("What each feature adds", (low, high), (0, len(items)), width=480, height=46 + 24 * len(items))
    zero, wide = 210, plot.width - 210 - 62
    for at, (name, lost) in enumerate(items):
        y = 16 + 24 * at
        plot.text(zero - 10, y + 13, name.replace("_", " "), "tick end")
        size = max(lost, 0.0) / high * wide
        plot.parts.append(f'<rect class="spread-main" x="{zero}" y="{y}" width="{size:.1f}" height="16" rx="2"/>')
        plot.text(zero + size + 8, y + 13, f"{lost:.4f}", "tick")
    plot.text(zero, plot.height - 8, "ROC-AUC lost when its values are shuffled", "label")
    return plot.svg()


def interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _upper(value: float) -> float:
    """A round end of an axis that holds the value."""
    ticks = steps(0, max(value, 1e-6) * 1.02)
    return min(1.0, ticks[-1] + ticks[1])
