"""The page: verdict and gates first, then the figures, the plots and the parts of the people."""

from __future__ import annotations

from typing import Any

from jobs.report import plots
from jobs.report.forest import forest
from jobs.report.markup import document
from jobs.report.markup import interval as _range
from jobs.report.markup import number as _number
from jobs.report.markup import section as _section
from jobs.report.markup import table as _table
from jobs.report.markup import text as _t
from jobs.report.style import badge
from jobs.report.words import FIGURES, MOMENTS, VERDICTS, figure
from rounds.clusters import account

Found = dict[str, Any]


def page(found: Found) -> str:
    """One self-contained page, equal bytes for equal figures."""
    body = [
        _head(found),
        _section("Gates", _gates(found["gates"]), "What this model must be before it may be registered."),
        _section("Figures", _figures(found), _of_whom(found)),
        _section("Plots", _plots(found)),
        _section("Parts of the people", forest(found) + _parts(found), _PARTS.format(**found["limits"])),
        _section("Knowing too much", _sentinel(found), _SENTINEL),
        _section("What the words mean", _glossary()),
    ]
    return document(found["title"], body)


def _head(found: Found) -> str:
    stopping = [gate for gate in found["gates"] if gate["verdict"] != "pass" and gate["blocks"]]
    warning = [gate for gate in found["gates"] if gate["verdict"] != "pass" and not gate["blocks"]]
    if stopping:
        names = ", ".join(dict.fromkeys(figure(gate["gate"]) for gate in stopping))
        verdict, kind = f"Refused by {len(stopping)} of {len(found['gates'])} gates: {names}", "refuse"
    else:
        verdict, kind = f"All {len(found['gates'])} gates passed", "pass"
        if warning:
            verdict, kind = f"May be registered, with {len(warning)} of {len(found['gates'])} gates warning", "alarm"
    sign = VERDICTS[kind][0]
    recall, precision = (found["metrics"][f"{name}_at_capacity"] for name in ("recall", "precision"))
    tiles = [
        (f"{found['metrics']['auc']['value']:.3f}", "ROC-AUC", _range(found["metrics"]["auc"])),
        (f"{precision['value']:.1%}", f"of calls right, calling {found['use']['capacity']:.0%}", _range(precision, 1)),
        (f"{recall['value']:.1%}", "of outcomes found by these calls", _range(recall, 1)),
        (f"{found['metrics']['ece']['value']:.3f}", "calibration error", _range(found["metrics"]["ece"])),
    ]
    shown = "".join(
        f'<div class="tile"><b>{value}</b><span>{_t(name)}</span><small>{interval}</small></div>'
        for value, name, interval in tiles
    )
    return (
        f"<header><p>{_t(found['model'])}, judged{badge(found['origin'])}</p><h1>{_t(found['title'])}</h1>"
        f'<p class="verdict {kind}"><span>{sign}</span>{_t(verdict)}</p></header>\n<div class="tiles">{shown}</div>'
    )


def _gates(gates: list[Found]) -> str:
    rows = []
    for gate in gates:
        sign, word = VERDICTS[gate["verdict"]]
        colour = gate["verdict"]
        if colour != "pass":
            colour = "refuse" if gate["blocks"] else "alarm"
            sign, word = (sign, word) if gate["blocks"] else ("!", "warns")
        says = f'<p class="says">{_t(gate["says"])}</p>' if gate["says"] else ""
        rows.append(
            f"<tr><td>{_t(figure(gate['gate']))}</td><td class=n>{_value(gate)}</td><td>{_t(gate['bound'])}{says}</td>"
            f'<td class="word {colour}"><span>{sign}</span>{word}</td></tr>'
        )
    return _table(("gate", "found", "wanted", "verdict"), rows)


def _value(gate: Found) -> str:
    if gate["value"] is None:
        return "none"
    if gate["gate"] == "time travel":
        return f"{gate['value']:.0f}"
    return f"{gate['value']:.2%}" if gate["gate"] == "repeated rows" else f"{gate['value']:.4f}"


def _figures(found: Found) -> str:
    lead, base = found["baselines"]["lead_time"], found["baselines"]["base_rate"]
    nothing = {"value": None, "low": None, "high": None}
    rows = []
    for name, (title, _) in FIGURES.items():
        here, later = found["metrics"][name], found["without_same_day"].get("metrics", {}).get(name, nothing)
        rows.append(
            f"<tr><td>{_t(title)}</td><td class=n><b>{_number(here['value'])}</b></td><td class=n>{_range(here)}</td>"
            f"<td class=n>{_number(lead[name]['value'])}</td><td class=n>{_number(base[name])}</td>"
            f"<td class=n>{_number(later['value'])}</td><td class=n>{_range(later)}</td></tr>"
        )
    heads = ("", "model", "95% interval", "lead time alone", "base rate", "without same-day", "95% interval")
    gain = found["baselines"]["auc_above_lead_time"]
    more = f"ROC-AUC above that of lead time alone: <b>{gain['value']:.3f}</b> ({_range(gain)}), on the same cases."
    return _table(heads, rows) + f"<p>{more}</p>"


def _of_whom(found: Found) -> str:
    test, use = found["test"], found["use"]
    return (
        f"{test['rows']:,} cases of {test['patients']:,} patients from {test['first']} to {test['last']}, later than "
        f"every case that the model or its calibrator saw; {test['base_rate']:.1%} of them with the outcome. The "
        f"prediction is made {MOMENTS[found['moment']]}. The clinic can call {use['capacity']:.0%} of those "
        f"who did not book for the same day; the calling "
        f"threshold is a risk of {use['threshold']:.1%}. {account(test['days'])}"
    )


def _plots(found: Found) -> str:
    shown = (
        ("Can the risk be believed?", plots.reliability(found), _RELIABILITY),
        (
            "What do calls find?",
            plots.gain(found),
            "Cases are called from the highest risk down. The band is the 95% interval.",
        ),
        ("Does it tell cases apart?", plots.roc(found), "The further to the upper left, the better."),
        (
            "How often is a call right?",
            plots.precision_recall(found),
            "From few calls on the left to many on the right.",
        ),
        ("Is calling by the model worth it?", plots.decision(found), _DECISION),
        ("What does it go by?", plots.importance(found), _WORTH),
    )
    return (
        '<div class="plots">'
        + "".join(
            f"<figure><h3>{_t(title)}</h3>{svg}<figcaption>{_t(says)}</figcaption></figure>"
            for title, svg, says in shown
        )
        + "</div>"
    )


def _parts(found: Found) -> str:
    rows = []
    for part in found["slices"]:
        name = f"<td>{_t(part['slice'].replace('_', ' '))}</td><td>{_t(part['part'])}</td>"
        if part["too_small"]:
            rows.append(f'<tr>{name}<td colspan="6" class="faint">too few cases to say</td></tr>')
            continue
        cells = [f"{part['rows']:,}", f"{part['with_outcome'] / part['rows']:.1%}"]
        cells += [_number(part["metrics"][m]["value"]) for m in ("auc", "pr_auc", "brier", "ece", "recall_at_capacity")]
        rows.append(
            f"<tr>{name}{''.join(f'<td class=n>{cell}</td>' for cell in cells[:2])}"
            + ("".join(f"<td class=n>{cell}</td>" for cell in cells[2:]) + "</tr>")
        )
    return _table(("", "", "cases", "with outcome", "ROC-AUC", "PR-AUC", "Brier", "ECE", "recall at capacity"), rows)


def _sentinel(found: Found) -> str:
    singles = sorted(found["sentinel"]["single_features"].items(), key=lambda item: (-item[1]["low"], item[0]))[:5]
    best = ", ".join(
        f"{_t(name.replace('_', ' '))} {one['auc']:.3f}, at least {one['low']:.3f}" for name, one in singles
    )
    travel = found["sentinel"]["travel"]
    repeats = "; ".join(
        f"of {_t(name.replace('_', ' '))} {one['rows']:,}, of which chance explains {one['by_chance']:,.0f}"
        for name, one in found["sentinel"]["repeats"].items()
    )
    lines = (
        f"<b>Time travel.</b> The features of {travel['rows']:,} cases were computed again from the table as it stood "
        f"at {travel['moments']} moments: {len(travel['differing']) or 'none'} of them came out differently.",
        f"<b>Single features.</b> The strongest by themselves (ROC-AUC): {best}.",
        f"<b>Repeats.</b> Cases that repeat an earlier one under another id or day: {repeats}.",
    )
    return "".join(f"<p>{line}</p>" for line in lines)


def _glossary() -> str:
    terms = "".join(f"<dt>{_t(title)}</dt><dd>{_t(says)}</dd>" for title, says in FIGURES.values())
    return f"<dl>{terms}</dl>"


_RELIABILITY = (
    "Each dot is a tenth of the cases, from the lowest risk to the highest; on the dashed line, what was said is what "
    "happened. Upright lines are 95% intervals; the bars below show how often each risk is given."
)
_WORTH = (
    "Permutation importance over all test rows; features that say the same share what they are worth. "
    "Why one prediction is what it is, SHAP values say: see /explain of the service."
)
_DECISION = (
    "If a call is worth making from this risk on: outcomes found a case, less the vain calls at that price. The model "
    "is of use where its line is above the others."
)
_PARTS = (
    "The same model on parts of the same cases. Of a part with fewer than {smallest} cases, or fewer than {few} with "
    "or without the outcome, nothing is told."
)
_SENTINEL = (
    "A model that looks into the future is good on paper only. Three checks: do features change when what was not yet "
    "known is taken away, does one feature nearly give the answer, and do test cases repeat earlier ones? They cannot "
    "see a column that was filled in later and only helps a little: ask from when on each column is known."
)
