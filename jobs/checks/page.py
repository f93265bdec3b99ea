"""The report for people: one HTML page that needs nothing else and holds no value of a patient."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #2a7d46; --bad: #c0392b; --mild: #b9770e; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 74rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
.verdict { border-left: .4rem solid var(--good); padding: .4rem 1rem; margin: 1rem 0; }
.verdict.refused { border-color: var(--bad); }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.holds { color: var(--good); } .broken { color: var(--bad); font-weight: 600; } .warned { color: var(--mild); }
code { font-size: .92em; } .quiet { opacity: .7; }
"""


def render(report: dict[str, Any]) -> str:
    """The page of a report; equal reports give equal bytes."""
    title = f"Checks of the {_safe(report['problem'])} table"
    parts = [f"<h1>{title}</h1>", _verdict(report)]
    if report["warnings"]:
        parts += ["<h2>Warnings</h2>", _list(report["warnings"])]
    if report["rules"]:
        parts += ["<h2>Rules of each row</h2>", _rows(report)]
        parts += ["<h2>Rules of the table as a whole</h2>", _whole(report)]
        parts += ["<h2>The second opinion</h2>", _second(report)]
    parts += ["<h2>Columns</h2>", _columns(report)]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _verdict(report: dict[str, Any]) -> str:
    refused = bool(report["refusals"])
    kind, word = ("verdict refused", "The table is refused.") if refused else ("verdict", "The table is good.")
    counts = "Its columns are not those that are wanted, so no row was looked at."
    if "rows" in report:
        counts = (
            f"{report['rows']:,} rows came in, {report['good']:,} are good and {report['quarantined']:,} in quarantine "
            f"({_share(report['quarantined'], report['rows'])}; at most {report['budget']:.4%} may be)."
            f"{_rates(report['outcome_rate'])} {_safe(report['ahead'])}"
        )
    return f'<div class="{kind}"><strong>{word}</strong> {counts}{_list(report["refusals"])}</div>'


def _rates(rate: dict[str, Any]) -> str:
    if rate["quarantined"] is None:
        return ""
    return (
        f" Of the good rows {rate['good']:.1%} have the outcome, of the {rate['readable']:,} in quarantine whose "
        f"outcome can be read {rate['quarantined']:.1%}."
    )


def _rows(report: dict[str, Any]) -> str:
    """What was broken most stands first."""
    lines = [
        [
            f"<code>{_safe(rule['id'])}</code>",
            f"<code>{_safe(rule['column'])}</code>",
            _safe(rule["wanted"]),
            f"{rule['broken']:,}",
            _share(rule["broken"], report["rows"]),
            _word(rule["broken"] == 0),
            _theirs(rule["great_expectations"]),
        ]
        for rule in sorted(report["rules"], key=lambda rule: -rule["broken"])
    ]
    return _table(["Rule", "Column", "Wanted", "#Rows broken", "#Share", "Verdict", "Great Expectations"], lines)


def _whole(report: dict[str, Any]) -> str:
    lines = [
        [
            f"<code>{_safe(rule['id'])}</code>",
            _safe(rule["wanted"]),
            _safe(rule["found"]),
            _word(rule["holds"], warns=rule["action"] == "warn"),
            _theirs(rule["great_expectations"]),
        ]
        for rule in report["table"]
    ]
    return _table(["Rule", "Wanted", "Found", "Verdict", "Great Expectations"], lines)


def _columns(report: dict[str, Any]) -> str:
    keys = ["name", "from", "type", "known"]
    lines = [[_safe(str(column[key])) for key in keys] for column in report["columns"]]
    return _table(["Column", "In the raw table", "Type", "Known from"], lines)


def _second(report: dict[str, Any]) -> str:
    """Both verdicts are shown only if they agree: otherwise the step has stopped before this page."""
    asked, all_rows = report["great_expectations"], report["rows"]
    which = "all rows" if asked["rows"] == all_rows else f"{asked['rows']:,} of {all_rows:,} rows, at equal distances"
    return (
        "<p>Our verdicts, and the counts, are over every row. Great Expectations "
        f"{_safe(asked['version'])} was asked the same rules about {which}, and those of the whole about the "
        f"{asked['good']:,} good rows among them. On these rows we evaluated the rules once more, and both agree. "
        "What needs an earlier run's table was not asked of it.</p>"
    )


def _theirs(opinion: dict[str, Any] | None) -> str:
    if opinion is None:
        return '<span class="quiet">not asked</span>'
    if opinion["broken"] is None or opinion["holds"]:
        return _word(opinion["holds"])
    return f'<span class="broken">broken by {opinion["broken"]:,}</span>'


def _word(holds: bool | None, *, warns: bool = False) -> str:
    if holds is None:
        return '<span class="quiet">not judged</span>'
    if holds:
        return '<span class="holds">holds</span>'
    return '<span class="warned">warning</span>' if warns else '<span class="broken">broken</span>'


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A head that starts with # is over numbers."""
    numeric = [' class="number"' if head.startswith("#") else "" for head in heads]
    top = "".join(f"<th{kind}>{head.lstrip('#')}</th>" for head, kind in zip(heads, numeric, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(line, numeric, strict=True)) + "</tr>"
        for line in lines
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{_safe(line)}</li>" for line in lines) + "</ul>" if lines else ""


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4%}" if part else "0%"


def _safe(text: str) -> str:
    return html.escape(text)
