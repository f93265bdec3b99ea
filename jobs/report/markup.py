"""Pieces of a page of HTML: documents, sections, tables, figures and their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from jobs.report.style import STYLE


def document(title: str, body: Iterable[str], style: str = "") -> str:
    """One self-contained page; `style` is what it needs beside the look of all reports."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{text(title)}</title>'
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}{style}</style></head>\n<body><main>\n' + (
        "\n".join(body) + "\n</main></body></html>\n"
    )


def section(title: str, content: str, says: str = "") -> str:
    lead = f'<p class="lead">{text(says)}</p>' if says else ""
    return f"<section><h2>{text(title)}</h2>{lead}{content}</section>"


def table(heads: Iterable[str], rows: Iterable[str]) -> str:
    top = "".join(f"<th>{text(head)}</th>" for head in heads)
    return (
        f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>\n' + "\n".join(rows) + "</tbody></table></div>"
    )


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def interval(figure: Mapping[str, Any], percent: int = 0) -> str:
    """Both ends; a dash where there is none."""
    if figure["low"] is None:
        return "–"
    form = ".1%" if percent else ".3f"
    return f"{figure['low']:{form}} to {figure['high']:{form}}"


def text(value: object) -> str:
    return escape(str(value))
