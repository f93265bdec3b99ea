"""What a step says while it works: readable lines, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path

from rounds.code import ROOMS
from rounds.manifest import Facts
from rounds.settings import ROOT, settings

_log = logging.getLogger("rounds")


def start(step: str, run: str, style: str) -> None:
    """Send this project's lines to standard output, and nobody else's: a library may quote a patient's value."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Json(step, run) if style == "json" else logging.Formatter(f"{step}: %(message)s"))
    _log.handlers = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False
    logging.getLogger().addHandler(logging.NullHandler())
    if not settings().debug:
        warnings.simplefilter("ignore")


def say(text: str) -> None:
    _log.info(text)


def fail(text: str) -> None:
    _log.error(text)


def in_words(facts: Facts) -> str:
    """The plain facts in one line; nested ones are for `rounds show`."""
    plain = {name: value for name, value in facts.items() if isinstance(value, int | float | str)}
    return ", ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in plain.items())


def _figure(value: float | str) -> str:
    if isinstance(value, str | bool):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def withheld(error: BaseException) -> str:
    """A crash without its message, which may quote a patient's value."""
    if settings().debug:
        return "".join(traceback.format_exception(error))
    ours = tuple(f"{ROOT / room}{os.sep}" for room in ROOMS)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(ours)]
    at = f"{Path(frames[-1].filename).relative_to(ROOT)}:{frames[-1].lineno} in {frames[-1].name}" if frames else "?"
    return f"crashed: {type(error).__name__} at {at}: {_reason(error)}. Run again; ROUNDS_DEBUG=1 shows everything."


def _reason(error: BaseException) -> str:
    """What the operating system said, also where polars passes it on; nothing else of the message."""
    told = re.search(r"\(os error (\d+)\)", str(error))
    number = error.errno if isinstance(error, OSError) else None
    number = int(told[1]) if told else number
    return os.strerror(number) if number else "its message is withheld, it may quote a patient's value"


class _Json(logging.Formatter):
    def __init__(self, step: str, run: str) -> None:
        super().__init__()
        self.fixed = {"step": step, "run": run}

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": time,
            "level": record.levelname.lower(),
            **self.fixed,
            "text": record.getMessage(),
        }
        return json.dumps(line, ensure_ascii=False)
