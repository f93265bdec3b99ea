"""What a step says while it works: readable lines, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_log = logging.getLogger("rounds")


def start(step: str, run: str, style: str) -> None:
    """Send this project's lines to standard output, and nobody else's: a library may quote a patient's value."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Json(step, run) if style == "json" else logging.Formatter(f"{step}: %(message)s"))
    _log.handlers = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False
    logging.getLogger().addHandler(logging.NullHandler())


def say(text: str) -> None:
    _log.info(text)


def fail(text: str) -> None:
    _log.error(text)


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
