"""A journal for tests, and how they look into it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from rounds.journal import LEDGER
from rounds.recorded import Ledger
from rounds.store import Store
from serving.journal import Journal
from tests.serving.writing import DAY, KEY


def started(folder: Path, store: Store | None, **given: Any) -> Journal:
    journal = Journal(folder, "noshow", store, **{"turn": 0.01, "key": KEY, **given})
    journal.start()
    return journal


def ids(store: Store, first: str = DAY, last: str = DAY) -> list[str]:
    days = (date.fromisoformat(first), date.fromisoformat(last))
    return [each["id"] for each in ledger(store).records(*days)]


def ledger(store: Store, name: str = LEDGER) -> Ledger:
    return Ledger(store, "noshow", KEY, name)


def written(folder: Path) -> list[Path]:
    return sorted((folder / "noshow").glob("*.jsonl"))
