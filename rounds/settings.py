"""Where things are on this machine: the environment, read once and late."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    store: str
    store_timeout: str
    source: str | None
    log: str
    debug: bool
    allow_http: bool
    tracking: str
    history: str
    journal_key: str
    journal_folder: str
    signing_key: str
    verify_keys: str


@cache
def settings() -> Settings:
    """`STORE`, `SOURCE`, `LOG`, `MLFLOW_TRACKING_URI` and the others as they stood at the first call."""
    return Settings(
        store=os.environ.get("STORE") or (ROOT / ".rounds" / "store").as_uri(),
        store_timeout=os.environ.get("STORE_TIMEOUT") or "60",
        source=os.environ.get("SOURCE") or None,
        log=os.environ.get("LOG") or "text",
        debug=os.environ.get("ROUNDS_DEBUG") == "1",
        allow_http=os.environ.get("ROUNDS_ALLOW_HTTP") == "1",
        tracking=os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / '.rounds' / 'mlflow' / 'mlflow.db'}",
        history=os.environ.get("HISTORY") or "",
        journal_key=(os.environ.get("JOURNAL_KEY") or "").strip(),
        journal_folder=os.environ.get("JOURNAL_FOLDER") or str(ROOT / ".rounds" / "journal"),
        signing_key=os.environ.get("SIGNING_KEY") or "",
        verify_keys=os.environ.get("VERIFY_KEYS") or "",
    )
