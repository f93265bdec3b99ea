"""The report of register: the champion test, and where the challenger's gain comes from."""

from __future__ import annotations

from jobs.champions.wording import strength
from jobs.report.markup import document, number, section, table, text
from rounds.clusters import account
from rounds.manifest import Facts


def page(model: str, version: int, test: Facts, says: str) -> str:
    """One page, equal bytes for equal figures; `says` is the outcome in a sentence."""
    gain = test.get("gain") or {"features": [], "slices": []}
    title = f"{model}, version {version}"
    verdict = f'<header><p>Champion test</p><h1>{text(title)}</h1><p class="lead">{text(says)}</p></header>'
    body = [
        verdict,
        section("Against earlier models", _against(test), _about(test)),
        section("Features that the gain comes from", _features(gain["features"]), _FEATURES),
        section("Slices that the gain comes from", _slices(gain["slices"]), _SLICES),
    ]
    return document(title, body)


def _about(test: Facts) -> str:
    """Which rows were compared, how often before, and whether they can show enough."""
    rows = f"Neither model was fitted on these {test['rows']:,} of {test['of_rows']:,} test rows."
    uses = f"Champion tests on these rows so far: {test['uses_of_slice']}, within a year: {test['tests_of_year']}."
    weak = [
        f"Against the {name}, {say}."
        for name, facts in test["against"].items()
        for say in strength(facts, test["rows"])
    ]
    return " ".join([_AGAINST, rows, uses, account(test["days"]), *weak])


def _against(test: Facts) -> str:
    rows = []
    for rival, facts in test["against"].items():
        cells = [f"{rival} (version {facts['version']})", facts["metric"].replace("_", " ")]
        figures = [_signed(facts["gain"]), f"{_signed(facts['low'])} to {_signed(facts['high'])}"]
        verdict = "passed" if facts["passed"] else "not passed"
        rows.append(
            f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in cells)}"
            f"{''.join(f'<td class=n>{text(figure)}</td>' for figure in figures)}<td>{verdict}</td></tr>"
        )
    return table(("model", "metric", "gain", "95% interval", ""), rows)


def _features(features: list[Facts]) -> str:
    rows = [
        f"<tr><td>{text(each['feature'].replace('_', ' '))}{' (new)' if each['new'] else ''}</td>"
        f"<td class=n>{_signed(each['gain'])}</td><td class=n>{_signed(each['loses'])}</td></tr>"
        for each in features
    ]
    return table(("feature", "more than in the champion", "AUC lost without it"), rows)


def _slices(slices: list[Facts]) -> str:
    rows = [
        f"<tr><td>{text(each['slice'].replace('_', ' '))}: {text(each['part'])}</td>"
        f"<td class=n>{each['rows']:,}</td><td class=n>{number(each['auc'])}</td>"
        f"<td class=n>{number(each['champion'])}</td><td class=n>{_signed(each['gain'])}</td></tr>"
        for each in slices
    ]
    return table(("slice", "cases", "AUC", "of the champion", "gain"), rows)


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}"


_AGAINST = "All models score the same rows. A gain is above 0 where this model is better."
_FEATURES = (
    "How much AUC is lost when the values of a feature are shuffled, and how much more that is than for the champion. "
    "If one feature brings most of the gain, find out when its values are known."
)
_SLICES = "The AUC of both models in each slice, the largest gain first. A gain in one slice alone may be a leak there."
