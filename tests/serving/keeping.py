"""A journal for tests, and how they look into it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from rounds.recorded import records
from rounds.store import Store
from serving.journal import Journal
from tests.serving.writing import DAY


def started(folder: Path, store: Store | None, **given: Any) -> Journal:
    journal = Journal(folder, "noshow", store, **{"turn": 0.01, **given})
    journal.start()
    return journal


def ids(store: Store, first: str = DAY, last: str = DAY) -> list[str]:
    return [each["id"] for each in records(store, "noshow", date.fromisoformat(first), date.fromisoformat(last))]


def written(folder: Path) -> list[Path]:
    return sorted((folder / "noshow").glob("*.jsonl"))
