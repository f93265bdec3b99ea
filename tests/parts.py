"""The lines of a ledger in a store, as they lie there: whoever has no key reads them without verifying."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rounds.store import Store


def lines(packed: bytes) -> list[dict[str, Any]]:
    """What a part says after its header."""
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()[1:]]


def below(folder: Path) -> list[dict[str, Any]]:
    """Every line of the parts in a folder."""
    return [line for path in sorted(folder.rglob("*.jsonl.gz")) for line in lines(path.read_bytes())]


def records(store: Store, days: Iterable[str], problem: str = "noshow") -> Iterator[dict[str, Any]]:
    """Every prediction of these days."""
    wanted = set(days)
    for path in store.paths(f"{problem}/.journal"):
        if path.endswith(".jsonl.gz"):
            yield from (line for line in lines(store.read(path) or b"") if line["at"][:10] in wanted)
