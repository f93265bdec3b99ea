"""The watch's page: what is to be done first in words, then what was seen, drift, performance and calls."""

from __future__ import annotations

from html import escape
from typing import Any

from jobs.report.markup import document
from jobs.report.markup import section as _section
from jobs.report.markup import table as _table
from jobs.report.style import badge
from jobs.watching import pictures
from rounds.clusters import FEWEST_DAYS, account

Found = dict[str, Any]
SEEN = {"enough": "enough to judge", "little": "too few to judge", "nothing": "no prediction"}
METHODS = {
    "all": "nobody was called, so every outcome counts",
    "inverse probability": "weighted: those left uncalled by chance stand for the called",
    "not called only": "only those who were not called",
}
MORE = """
.whisker.soft{stroke:var(--soft)} .soft{fill:var(--soft)} .whisker.naive{stroke:var(--other)} .naive{fill:var(--other)}
circle{stroke:var(--card);stroke-width:1.5} .whisker.point{stroke:var(--main)} .edge{stroke:var(--ink);stroke-width:2}
rect.bad{fill:var(--bad)} rect.warn{fill:var(--warn)}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 8px;padding:0;list-style:none;color:var(--soft);
font-size:13.5px}
.key i{display:inline-block;width:10px;height:10px;margin-right:6px;border-radius:5px}
ul.says{margin:16px 0 0;padding-left:20px;max-width:90ch;color:var(--ink)}
"""


def page(found: Found, shown: Found) -> str:
    """One self-contained page, equal bytes for equal figures."""
    body = [
        _head(found, shown),
        _section("What was seen", _windows(found), _of_whom(found)),
        _section("Drift", _drift(found["drift"]), _drift_lead(found["drift"])),
        _section("Performance", _performance(found["performance"]), _performance_lead(found["performance"])),
        _section("Called and not called", _calls(shown["calls"]), _CALLS),
        _section("Parts of the people", _slices(found["performance"]["slices"]), _SLICES),
    ]
    return document(f"Watch: {shown['title']}", body, MORE)


def verdict(found: Found) -> tuple[str, str]:
    """The colour and the words of the head: the worst that was seen, and never well where nothing was."""
    drift, performance = found["drift"], found["performance"]["verdict"]
    moved = [*drift["features"], drift["prediction"]]
    if performance == "worse":
        return "refuse", "The model does worse than it should"
    if found["history"]["verdict"] == "lost":
        return "alarm", f"{found['history']['down']:.1%} of the predictions were made without histories"
    if found["history"]["constant"]:
        return "alarm", "Some features have one value in all predictions"
    if drift["verdict"] == "drift" and any(each["matters"] for each in moved):
        return "alarm", "The world has drifted; the model's performance " + _UNHARMED[performance]
    if drift["verdict"] == "unseen" and performance == "unseen":
        return "alarm", "Too little was seen to say anything"
    if drift["verdict"] == "unseen" or performance == "unseen":
        blind = "performance" if performance == "unseen" else "drift"
        return "alarm", f"Nothing alarming, but {blind} could not be judged yet"
    return "pass", "No drift that matters, and the model does what it should"


_UNHARMED = {"as_expected": "is as expected", "better": "is better than expected", "unseen": "cannot be judged yet"}


def _head(found: Found, shown: Found) -> str:
    kind, words = verdict(found)
    sign = {"pass": "✓", "refuse": "✕", "alarm": "!"}[kind]
    auc, features = found["performance"]["auc"], found["drift"]["features"]
    matter = sum(bool(each["matters"]) for each in features)
    tiles = [
        (_number(auc["realised"]), "ROC-AUC, realised", _range(auc["realised"])),
        (_number(auc["estimated"]), "ROC-AUC, estimated from all scores", _range(auc["estimated"])),
        (_number(auc["tested"]), "ROC-AUC in the champion's test", _range(auc["tested"])),
        (_of(matter, features, found["drift"]), "features drift and matter", f"verdict: {found['drift']['verdict']}"),
    ]
    boxes = "".join(
        f'<div class="tile"><b>{a}</b><span>{escape(b)}</span><small>{c}</small></div>' for a, b, c in tiles
    )
    says = "".join(f"<li>{escape(each)}</li>" for each in found["says"])
    return (
        f"<header><p>{escape(found['model'])} version {found['version']}, watched until {_day(found['to'])}"
        f"{badge(found['origin'])}</p>"
        f"<h1>{escape(shown['title'])}</h1>"
        f'<p class="verdict {kind}"><span>{sign}</span>{escape(words)}</p></header>\n'
        f'<ul class="says">{says}</ul>\n<div class="tiles">{boxes}</div>'
    )


def _of(matter: int, features: list[Found], drift: Found) -> str:
    return "–" if drift["verdict"] == "unseen" else f"{matter} of {len(features)}"


def _of_whom(found: Found) -> str:
    return (
        f"The champion is {found['age_days']:.0f} days old. Windows are counted back from {_day(found['to'])}; of each "
        "appointment the newest prediction counts."
    )


def _windows(found: Found) -> str:
    own = {each["window"]: each for each in found["performance"]["windows"]}
    down = {each["window"]: each["down"] for each in found["history"]["windows"]}
    rows = [
        f"<tr><td class=n>{_day(each['first'])} to {_day(each['last'])}</td><td class=n>{each['rows']:,}</td>"
        f"<td>{SEEN[each['seen']]}</td><td class=n>{_percent(down[each['window']])}</td>"
        f"<td class=n>{own[each['window']]['labels']:,}</td></tr>"
        for each in found["windows"]
    ]
    outcomes = ", ".join(f"{name} {value:,}" for name, value in found["outcomes"].items() if isinstance(value, int))
    said = f"<p>Outcomes on record: {escape(outcomes)}.</p>" if outcomes else ""
    return _table(("window", "predictions", "for drift", "without histories", "outcomes that count"), rows) + said


def _drift_lead(drift: Found) -> str:
    return (
        f"A feature drifts when it moves further than chance would in {drift['false_alarms']:.1%} of windows, in "
        f"{drift['agree']} of {drift['of']} windows and in the newest one; it matters when its PSI is large enough too."
    )


def _drift(drift: Found) -> str:
    moved = sorted([drift["prediction"], *drift["features"]], key=lambda each: -(each["psi"] or 0))
    target = drift["target"]
    said = ""
    if target is not None:
        was = f"; it was {target['reference']:.1%} when the model was made" if target["reference"] is not None else ""
        ends = f"{target['low']:.1%} to {target['high']:.1%}"
        said = f"<p>The outcome happens in {target['rate']:.1%} of cases ({ends}){was}.</p>"
    rows = [
        f"<tr><td>{escape(each['feature'].replace('_', ' '))}</td><td class=n>{_plain(each['psi'])}</td>"
        f"<td class=n>{_plain(each['threshold'])}</td><td class=n>{_plain(each['p'])}</td>"
        f"<td class=n>{each['agreed']}</td>"
        f"<td class=n>{_percent(each['missing'])}</td><td>{_word(each)}</td></tr>"
        for each in moved
    ]
    bars = _figure("Which features moved?", pictures.drift_bars(moved), _BARS)
    spread = _figure("How are scores spread?", pictures.score_shares(drift["prediction"]["shares"]), _SCORES)
    heads = ("feature", "PSI", "chance ends at", "p", "windows that agree", "missing", "")
    return f'<div class="plots">{bars}{spread}</div>{said}' + _table(heads, rows)


def _word(each: Found) -> str:
    words = "Drifts and matters: " if each["matters"] else "Drifts: " if each["lasting"] else ""
    return f'{f"<b>{words}</b>" if words else ""}<span class="faint">{escape(each["says"])}</span>'


def _performance_lead(performance: Found) -> str:
    return (
        f"{performance['labels']:,} outcomes count, older ones than the windows too: {METHODS[performance['method']]}. "
        f"{account(performance['days'])} Those of a window below {FEWEST_DAYS} days account for patients alone. "
        "The estimate needs no outcome; it holds as long as the calibration does. "
        "The verdict goes by what the scores of the very rows that count promise, and by the champion's test."
    )


def _performance(performance: Found) -> str:
    names = (("auc", "ROC-AUC"), ("brier", "Brier score"), ("ece", "Calibration error (ECE)"))
    kinds = ("realised", "promised", "naive", "estimated", "tested")
    rows = []
    for name, title in names:
        cells = "".join(
            f"<td class=n><b>{_number(each)}</b><br><span class=faint>{_range(each)}</span></td>"
            for each in (performance[name][kind] for kind in kinds)
        )
        rows.append(f"<tr><td>{title}</td>{cells}</tr>")
    table = _table(
        ("", "realised", "promised by these rows", "naive (calls and all)", "estimated from all", "champion's test"),
        rows,
    )
    plots = _figure(
        "Does it tell cases apart?",
        pictures.auc_by_window(performance["windows"], performance["auc"]["tested"]),
        _AUC,
        _KEY,
    )
    plots += _figure("Can the risk be believed?", pictures.calibration_by_window(performance["windows"]), _CALIBRATION)
    calibration = performance["calibration"]
    said = ""
    if calibration is not None:
        said = (
            f"<p>It happened in {calibration['observed']:.1%} of cases where {calibration['expected']:.1%} was said: "
            f"{calibration['ratio']:.2f} times as often ({calibration['low']:.2f} to {calibration['high']:.2f}).</p>"
        )
    return f'{table}{said}<div class="plots">{plots}</div>'


def _calls(groups: list[Found]) -> str:
    rows = [
        f"<tr><td>{each['group']}</td><td class=n>{each['rows']:,}</td><td class=n>{each['outcomes']:,}</td>"
        f"<td class=n>{_percent(each['score'])}</td><td class=n>{_percent(each['rate'])}</td></tr>"
        for each in groups
    ]
    return _table(("", "predictions", "outcomes", "risk that was said", "share with the outcome"), rows)


def _slices(slices: list[Found]) -> str:
    rows = []
    for each in slices:
        ratio = each["calibration"] and f"{each['calibration']['ratio']:.2f} ({_range(each['calibration'], '.2f')})"
        shown = (_number(each["auc"]), _range(each["auc"]), ratio or "–")
        figures = "".join(f"<td class=n>{one}</td>" for one in shown)
        if each["auc"] is None:
            figures = '<td colspan="3" class="faint">too few outcomes to say</td>'
        name = f"<td>{escape(each['slice'].replace('_', ' '))}</td><td>{escape(each['part'])}</td>"
        rows.append(f"<tr>{name}<td class=n>{each['rows']:,}</td><td class=n>{each['labels']:,}</td>{figures}</tr>")
    heads = ("", "", "predictions", "outcomes", "ROC-AUC", "95% interval", "observed over expected")
    return _table(heads, rows) if rows else '<p class="faint">No slice could be told.</p>'


def _figure(title: str, svg: str, says: str, key: str = "") -> str:
    drawn = svg or '<p class="faint">Nothing to draw: too little was seen.</p>'
    return f"<figure><h3>{escape(title)}</h3>{key}{drawn}<figcaption>{escape(says)}</figcaption></figure>"


def _number(figure: Found | None) -> str:
    return "–" if figure is None else _plain(figure["value"])


def _range(figure: Found | None, form: str = ".3f") -> str:
    return "–" if figure is None or figure["low"] is None else f"{figure['low']:{form}} to {figure['high']:{form}}"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _day(text: str) -> str:
    return escape(text[:16].replace("T", " ").removesuffix(" 00:00"))


def _dot(colour: str, words: str) -> str:
    return f'<li><i style="background:var(--{colour})"></i>{words}</li>'


_KEY = f'<ul class="key">{_dot("main", "realised")}{_dot("other", "naive")}{_dot("soft", "estimated")}</ul>'
_BARS = "Red drifts and matters, yellow drifts, grey does not. The upright line is as far as chance alone goes."
_SCORES = "Each step held about a tenth of the scores, or one value, when the model was made. No bar: too few."
_AUC = "Dashed: the champion's own test. Upright lines are 95% intervals. A window without dots has too few outcomes."
_CALIBRATION = "1 means that as many cases had the outcome as the scores said. Upright lines are 95% intervals."
_CALLS = (
    "A call that works makes the outcome not happen, and the score look wrong where it was right. So those who were "
    "called are no evidence against it."
)
_SLICES = "The champion's own predictions, by the parts on which it was tested."
