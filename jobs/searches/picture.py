"""The trials as one picture: a line each, the best on top, a dot for each fold and a bar for the mean."""

from __future__ import annotations

from html import escape

from rounds.manifest import Facts

SHOWN = 40
LINE, WIDE, TOP = 22, 460, 56
LETTER = 7  # about as wide as one is

STYLE = """
 text{font:12px system-ui,sans-serif;fill:#222} .faint{fill:#666} .grid{stroke:#ddd} .fold{fill:#8aa4c0}
 .mean{stroke:#0b5394;stroke-width:3} .best{font-weight:600} .paper{fill:#fff}
 @media (prefers-color-scheme:dark){text{fill:#eee} .faint{fill:#aaa} .grid{stroke:#444} .mean{stroke:#7db8f0}
 .fold{fill:#5f7896} .paper{fill:#1b1b1b}}
"""


def draw(table: list[Facts], score: str) -> str:
    """An SVG of the trials in `table`, the best first."""
    rows = table[:SHOWN]
    scores = [value for row in rows for value in row["scores"]]
    low, high = min(scores), max(scores)
    span = (high - low) or 1e-6
    left = 50 + LETTER * max(len(_words(row["knobs"])) for row in rows)

    def x(value: float) -> float:
        return left + WIDE * float(value - low) / span

    height = TOP + LINE * len(rows) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + WIDE + 90} {height}" role="img">',
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
        f'<text x="12" y="22" class="best">{_headline(rows, table, score)}</text>',
        f'<text x="12" y="40" class="faint">dots: {escape(score)} on each fold of time; bar: their mean</text>',
    ]
    for part in range(5):
        value = low + span * part / 4
        at = f"{x(value):.1f}"
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP - 6}" y2="{height - 24}"/>')
        parts.append(f'<text x="{at}" y="{height - 8}" text-anchor="middle" class="faint">{value:.4f}</text>')
    for i, row in enumerate(rows):
        y = TOP + LINE * i + LINE / 2
        mean = f"{x(row['mean']):.1f}"
        weight = ' class="best"' if row["rank"] == 1 else ""
        parts.append(f'<text x="12" y="{y + 4:.1f}"{weight}>{row["rank"]}. {escape(_words(row["knobs"]))}</text>')
        parts += [f'<circle class="fold" cx="{x(value):.1f}" cy="{y:.1f}" r="3"/>' for value in row["scores"]]
        parts.append(f'<line class="mean" x1="{mean}" x2="{mean}" y1="{y - 8:.1f}" y2="{y + 8:.1f}"/>')
        parts.append(f'<text x="{left + WIDE + 24}" y="{y + 4:.1f}"{weight}>{row["mean"]:.4f}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _headline(rows: list[Facts], table: list[Facts], score: str) -> str:
    shown = f"{len(table)} trials" if len(rows) == len(table) else f"the best {len(rows)} of {len(table)} trials"
    return f"{shown}; best mean {escape(score)} {table[0]['mean']:.4f}"


def _words(knobs: Facts) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in knobs.items()
    )
