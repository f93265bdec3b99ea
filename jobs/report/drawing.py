"""A small drawing board: plots as SVG, their colours left to the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]

LEFT, RIGHT, TOP, BOTTOM = 62, 22, 12, 46


@dataclass
class Plot:
    """Axes of given ranges, on which lines, bands, bars and dots are drawn in the units of the data."""

    title: str
    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 480
    height: int = 330
    parts: list[str] = field(default_factory=list)

    def at_x(self, value: float) -> float:
        low, high = self.x
        return LEFT + (value - low) / (high - low) * (self.width - LEFT - RIGHT)

    def at_y(self, value: float) -> float:
        low, high = self.y
        return self.height - BOTTOM - (value - low) / (high - low) * (self.height - TOP - BOTTOM)

    def axes(self, across: str, up: str, x_ticks: Sequence[float], y_ticks: Sequence[float], form: str = ".0%") -> None:
        """Grid, ticks and what the axes mean; `form` says how a tick is written."""
        foot = self.height - BOTTOM
        for value in y_ticks:
            at = self.at_y(value)
            self.parts.append(_line("grid", LEFT, at, self.width - RIGHT, at))
            self.text(LEFT - 8, at + 4, format(value, form), "tick end")
        for value in x_ticks:
            self.text(self.at_x(value), foot + 17, format(value, form), "tick middle")
        self.parts.append(_line("axis", LEFT, foot, self.width - RIGHT, foot))
        self.text((LEFT + self.width - RIGHT) / 2, self.height - 8, across, "label middle")
        middle = (TOP + foot) / 2
        self.parts.append(
            f'<text class="label middle" transform="translate(13 {_n(middle)}) rotate(-90)">{escape(up)}</text>'
        )

    def line(self, points: Iterable[Point], style: str) -> None:
        self.parts.append(f'<polyline class="{style}" points="{self._path(points)}"/>')

    def band(self, across: Sequence[float], low: Sequence[float], high: Sequence[float], style: str) -> None:
        there, back = zip(across, low, strict=True), zip(reversed(across), reversed(high), strict=True)
        self.parts.append(f'<polygon class="{style}" points="{self._path([*there, *back])}"/>')

    def dot(self, x: float, y: float, style: str, says: str) -> None:
        at = f'cx="{_n(self.at_x(x))}" cy="{_n(self.at_y(y))}"'
        self.parts.append(f'<circle class="{style}" {at} r="4.5"><title>{escape(says)}</title></circle>')

    def whisker(self, x: float, low: float, high: float, style: str) -> None:
        at = self.at_x(x)
        self.parts.append(_line(style, at, self.at_y(low), at, self.at_y(high)))

    def bar(self, left: float, right: float, value: float, style: str, says: str) -> None:
        """A bar that stands on the foot of the plot, a hair narrower than its step."""
        x, y = self.at_x(left) + 0.5, self.at_y(value)
        size = f'width="{_n(self.at_x(right) - x - 0.5)}" height="{_n(max(self.height - BOTTOM - y, 0))}"'
        self.parts.append(f'<rect class="{style}" x="{_n(x)}" y="{_n(y)}" {size}><title>{escape(says)}</title></rect>')

    def mark(self, x: float, says: str, style: str = "mark", end: bool = False) -> None:
        """An upright line at a place that matters, with a word on it."""
        at = self.at_x(x)
        self.parts.append(_line(style, at, TOP, at, self.height - BOTTOM))
        self.text(at - 6 if end else at + 6, TOP + 11, says, "note end" if end else "note")

    def note(self, x: float, y: float, says: str, style: str = "note") -> None:
        self.text(self.at_x(x), self.at_y(y), says, style)

    def text(self, x: float, y: float, says: str, style: str) -> None:
        self.parts.append(f'<text class="{style}" x="{_n(x)}" y="{_n(y)}">{escape(says)}</text>')

    def svg(self) -> str:
        head = f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(self.title)}">'
        return "\n".join([head, *self.parts, "</svg>"])

    def _path(self, points: Iterable[Point]) -> str:
        return " ".join(f"{_n(self.at_x(x))},{_n(self.at_y(y))}" for x, y in points)


def steps(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within a range, about so many."""
    raw = (high - low) / about
    power: float = 10.0 ** math.floor(math.log10(raw))
    size = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= raw * 0.999)
    first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
    return [round(size * count, 12) for count in range(first, last + 1)]


def _line(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{style}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _n(value: float) -> str:
    return f"{value:.1f}"
