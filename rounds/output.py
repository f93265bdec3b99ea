"""What a command answers: the same facts as JSON for programs and as tables for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType

from rounds import views
from rounds.errors import DONE
from rounds.words import printable

WIDTH = 100  # of what is laid out to be read
UNBROKEN = 10_000  # a file has no edge: a line a row, for grep and cut


@dataclass(frozen=True)
class Output:
    """`failure` is a sentence on what did not work; it goes to the error stream."""

    data: Any
    view: RenderableType
    width: int = UNBROKEN
    failure: str = ""
    exit_code: int = DONE
    after: Callable[[], None] | None = None  # done once it is printed


def show(output: Output, as_json: bool) -> int:
    """Print an output, and return the exit code."""
    if as_json:
        print(json.dumps(output.data, indent=1, ensure_ascii=False))
    else:
        views.show(output.view, console(output.width))
    if output.failure:
        print(printable(f"rounds: {output.failure}"), file=sys.stderr)
    if output.after is not None:
        output.after()
    return output.exit_code


def console(width: int) -> Console:
    """As wide as the terminal; elsewhere as wide as asked for."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return Console(highlight=False, markup=False, emoji=False)
    return Console(highlight=False, markup=False, emoji=False, width=width)
