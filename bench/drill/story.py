"""The story on one page: what the watch saw beside the truth, what moved, who answered, and what was decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from bench.drill.plan import Plan
from bench.drill.reading import figure, plain, reasons
from jobs.report.drawing import BOTTOM, LEFT, Plot, steps
from jobs.report.style import STYLE

Week = dict[str, Any]
WIDE, TALL = 920, 330
MORE = """
.truth{fill:none;stroke:var(--good);stroke-width:3;stroke-linejoin:round}
.truth-word{fill:var(--good)!important;font-weight:600}
svg circle.v1,svg circle.v2{r:3.5px}
.estimate{fill:none;stroke:var(--soft);stroke-width:1.8;stroke-dasharray:2 3} .event{stroke:var(--rule)}
.v0{fill:var(--main)} .v1{fill:var(--other)} .v2{fill:var(--good)} .v3{fill:var(--warn)} .v4{fill:var(--soft)}
.in{fill:var(--card)!important;font-weight:600} ul{margin:0;padding-left:18px} td ul li{margin:0 0 3px}
.scroll{overflow-x:auto} .scroll svg{min-width:640px} code{font-size:13px}
.wide td:nth-child(4){min-width:300px}
"""


def page(weeks: Sequence[Week], plan: Plan, lead: str) -> str:
    """One self-contained page."""
    body = [
        _head(weeks, plan, lead),
        _picture("How good is the score? What the watch says, and the truth", _auc(weeks, plan), _AUC),
        _picture("What moved?", _drift(weeks, plan), _DRIFT),
        _picture("Does it happen as often as it was said?", _rates(weeks, plan), _RATES),
        _picture(
            "Who answered?", _versions(weeks, plan), "Each bar is a week's questions, by the version that answered."
        ),
        f"<section><h2>Week by week</h2>{_table(weeks)}</section>",
        f"<section><h2>What is real here, and what is played</h2>{_real(plan)}</section>",
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>The drill</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}{MORE}</style></head>\n<body><main>\n'
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _head(weeks: Sequence[Week], plan: Plan, lead: str) -> str:
    answered = sum(sum(week["counted"].values()) for week in weeks)
    called, held = (sum(week["truth"][name] for week in weeks) for name in ("called", "held"))
    asked = [week for week in weeks if week["decided"]["verdict"] == "retrain"]
    versions = sorted({int(version) for week in weeks for version in week["counted"]})
    tiles = [
        (f"{len(weeks)}", "weeks", f"drift from week {plan.drift_from} on"),
        (f"{answered:,}", "predictions", "asked over HTTP, all of them in the journal"),
        (f"{called:,}", "calls", f"{held:,} above the line left uncalled by lot"),
        (
            f"{len(asked)}",
            "retrain asked" if len(asked) == 1 else "retrains asked",
            f"versions that answered: {', '.join(map(str, versions))}",
        ),
    ]
    shown = "".join(
        f'<div class="tile"><b>{value}</b><span>{escape(name)}</span><small>{escape(says)}</small></div>'
        for value, name, says in tiles
    )
    happened = [f"Week {week['week']}: {event}." for week in weeks for event in week["events"]]
    events = "".join(f"<li>{escape(each)}</li>" for each in happened or [_uneventful(weeks)])
    return (
        f"<header><p>The drill</p><h1>A hospital, played in minutes</h1><p class=lead>{escape(lead)}</p></header>"
        f'<div class="tiles">{shown}</div><section><h2>What happened</h2><ul>{events}</ul></section>'
    )


def _uneventful(weeks: Sequence[Week]) -> str:
    warned = [str(week["week"]) for week in weeks if week["decided"]["verdict"] == "warn"]
    said = f"The watch warned after the weeks {', '.join(warned)}." if warned else "The watch warned of nothing."
    return f"{said} No training was asked for, and no other model was released."


def _picture(title: str, svg: str, says: str) -> str:
    return (
        f"<section><h2>{escape(title)}</h2><figure><div class=scroll>{svg}</div>"
        f"<figcaption>{escape(says)}</figcaption></figure></section>"
    )


def _board(title: str, weeks: Sequence[Week], low: float, high: float) -> Plot:
    return Plot(title, (weeks[0]["week"] - 0.5, weeks[-1]["week"] + 0.5), (low, high), WIDE, TALL)


def _axes(plot: Plot, weeks: Sequence[Week], plan: Plan, up: str, ticks: Sequence[float], form: str) -> None:
    plot.axes("", up, [], ticks, form)
    plot.axes("", "", [week["week"] for week in weeks], [], ".0f")
    plot.text(LEFT - 8, plot.height - BOTTOM + 17, "week", "tick end")
    if weeks[0]["week"] <= plan.drift_from <= weeks[-1]["week"]:
        plot.mark(plan.drift_from - 0.5, "the drift begins", "reference")


def _auc(weeks: Sequence[Week], plan: Plan) -> str:
    def of(kind: str) -> Callable[[Week], Any]:
        return lambda week: week["performance"]["auc"][kind]

    found = [each for kind in ("naive", "realised", "estimated") for week in weeks if (each := of(kind)(week))]
    truths = [week["truth"]["watched"]["auc"] for week in weeks if week["truth"]["watched"]["auc"] is not None]
    values = [each[end] for each in found for end in ("low", "high")] + truths
    low, high = (min(values) - 0.01, max(values) + 0.01) if values else (0.5, 1.0)
    plot = _board("AUC by week", weeks, low, high)
    _axes(plot, weeks, plan, "ROC-AUC", steps(low, high), ".2f")
    for kind, style, word, shift in (
        ("naive", "other", "naive", -0.07),
        ("estimated", "estimate", "estimated", 0.0),
        ("realised", "main", "weighted", 0.07),
    ):
        for run in _runs(weeks, of(kind)):
            plot.line([(week + shift, each["value"]) for week, each in run], style)
        for week in weeks:
            each = of(kind)(week)
            if each and kind != "estimated":
                plot.whisker(
                    week["week"] + shift, each["low"], each["high"], "whisker" if kind == "realised" else "event"
                )
                says = f"week {week['week']}, {word}: {each['value']:.3f} ({each['low']:.3f} to {each['high']:.3f})"
                plot.dot(week["week"] + shift, each["value"], "point" if kind == "realised" else "v1", says)
    for run in _runs(weeks, lambda week: week["truth"]["watched"]["auc"]):
        plot.line(run, "truth")
        for at, value in run:
            plot.dot(at, value, "v2", f"week {at}, truth: {value:.3f}")
    words = (("truth", "truth-word"), ("weighted", "main-word"), ("naive", "other-word"), ("dotted: estimated", ""))
    return _legend(plot, words).svg()


def _runs(weeks: Sequence[Week], of: Callable[[Week], Any]) -> Iterable[list[tuple[float, Any]]]:
    """Weeks in a row of which there is a value, by the version that was watched: a line does not cross a release."""
    run: list[tuple[float, Any]] = []
    version = None
    for week in weeks:
        value = of(week)
        if run and (value is None or week["version"] != version):
            yield run
            run = []
        if value is not None:
            run.append((week["week"], value))
        version = week["version"]
    if run:
        yield run


def _drift(weeks: Sequence[Week], plan: Plan) -> str:
    names = {name for week in weeks for name in week["drift"]["matters"]}
    most = sorted(names, key=lambda name: -max(week["drift"]["psi"].get(name) or 0.0 for week in weeks))[:3]
    values = [week["drift"]["psi"].get(name) or 0.0 for week in weeks for name in most]
    values += [week["drift"]["score"] or 0.0 for week in weeks]
    high = max([*values, 0.2]) * 1.08
    plot = _board("Drift by week", weeks, 0.0, high)
    _axes(plot, weeks, plan, "PSI", steps(0, high), ".2f")
    plot.line([(plot.x[0], 0.1), (plot.x[1], 0.1)], "reference")
    styles = ("main", "other", "estimate")
    for name, style in zip(most, styles, strict=False):
        for run in _runs(weeks, lambda week, name=name: week["drift"]["psi"].get(name)):  # type: ignore[misc]
            plot.line(run, style)
    for run in _runs(weeks, lambda week: week["drift"]["score"]):
        plot.line(run, "truth")
    words = [("the score", "truth-word"), *zip(most, ("main-word", "other-word", ""), strict=False)]
    return _legend(plot, [(word.replace("_", " "), style) for word, style in words]).svg()


def _rates(weeks: Sequence[Week], plan: Plan) -> str:
    def of(name: str) -> Callable[[Week], Any]:
        return lambda week: week["truth"]["watched"][name] if week["truth"]["watched"]["rows"] else None

    high = max([*(of(name)(week) or 0.0 for name in ("rate", "said") for week in weeks), 0.1]) * 1.25
    plot = _board("Said and happened by week", weeks, 0.0, high)
    _axes(plot, weeks, plan, "share missed", steps(0, high), ".0%")
    for name, style in (("rate", "truth"), ("said", "other")):
        for run in _runs(weeks, of(name)):
            plot.line(run, style)
    for week in weeks:
        target = week["drift"]["target"]
        if target["rate"] is not None:
            plot.whisker(week["week"], target["low"], target["high"], "whisker")
            plot.dot(week["week"], target["rate"], "point", f"seen by the watch: {target['rate']:.1%}")
    words = (
        ("truth, if nobody were called", "truth-word"),
        ("said by the model", "other-word"),
        ("seen by the watch", "main-word"),
    )
    return _legend(plot, words).svg()


def _versions(weeks: Sequence[Week], plan: Plan) -> str:
    high = max(sum(week["counted"].values()) for week in weeks) * 1.1 or 1
    plot = Plot("Versions by week", (weeks[0]["week"] - 0.5, weeks[-1]["week"] + 0.5), (0, high), WIDE, 230)
    _axes(plot, weeks, plan, "", steps(0, high, 4), ",.0f")
    for week in weeks:
        foot = 0
        for version, rows in week["counted"].items():
            style, at = f"v{(int(version) - 1) % 5}", week["week"]
            plot.parts.append(
                _block(plot, at - 0.42, at + 0.42, foot, foot + rows, style, f"version {version}: {rows:,}")
            )
            if rows > high / 8:
                plot.note(at, foot + rows / 2, f"v{version}", "in middle")
            foot += rows
    return plot.svg()


def _block(plot: Plot, left: float, right: float, low: float, high: float, style: str, says: str) -> str:
    x, y = plot.at_x(left), plot.at_y(high)
    size = f'width="{plot.at_x(right) - x:.1f}" height="{max(plot.at_y(low) - y, 0):.1f}"'
    return f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" {size}><title>{escape(says)}</title></rect>'


def _legend(plot: Plot, words: Iterable[tuple[str, str]]) -> Plot:
    at = 70.0
    for word, style in words:
        plot.text(at, plot.height - 8, word, f"note {style}")
        at += 7.2 * len(word) + 24
    return plot


def _real(plan: Plan) -> str:
    real = bool(plan.source)
    also = "; the appointments, the patients, and who missed what" if real else ""
    return _REAL.format(also=also, played="what is changed in the table, " if real else "the patients, ")


def _table(weeks: Sequence[Week]) -> str:
    rows = []
    for week in weeks:
        auc, verdict = week["performance"]["auc"], week["decided"]["verdict"]
        colour = {"retrain": "refuse", "warn": "alarm"}.get(verdict, "pass")
        said = "".join(f"<li>{escape(each)}</li>" for each in [*reasons(week), *(f"Then: {e}" for e in week["events"])])
        truth, seen = plain(week["truth"]["watched"]["auc"]), f"{figure(auc['realised'])} / {figure(auc['naive'])}"
        rows.append(
            f"<tr><td class=n>{week['week']}</td><td class=n>{escape(', '.join(week['counted']))}</td>"
            f'<td class="word {colour}">{escape(verdict)}</td><td><ul>{said or "<li>nothing to say</li>"}</ul></td>'
            f"<td class=n>{truth}</td><td class=n>{seen}</td></tr>"
        )
    heads = "".join(
        f"<th>{head}</th>" for head in ("week", "version", "decided", "in words", "true AUC", "weighted / naive")
    )
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


_AUC = (
    "Of the watched champion's own predictions whose outcomes were in by then. Truth: what would have been missed if "
    "nobody had been called, which only the drill knows. Naive: all outcomes as they came, though calls changed some. "
    "Weighted: who was called does not count, who was left uncalled by lot stands for them. Bars are 95% intervals. A "
    "few outcomes are told wrong at first, which pulls the first weeks of a model down."
)
_DRIFT = "The population stability index of the newest week, of what moved most; dashed: from here on it may matter."
_RATES = (
    "Of the same predictions. The watch has outcomes alone, and calls changed some: who was left uncalled by lot "
    "stands for who was called."
)
_REAL = (
    "<p>Real: every step, each as a process of its own; the store, the registry and the ledgers; the service, asked "
    "over HTTP; what was decided, trained, promoted and rolled back{also}. Played: {played}the calls and whether they "
    "work, when an outcome comes to be known, and the calendar. A day passes when the drill says so: the product asks "
    "what time it is, and is told the drill's time. Airflow is not there: the drill starts the steps in the order of "
    "the DAGs, and does what their trigger does.</p>"
)
