"""Where the rows of a model come from: a table that somebody gave, or a simulator that invented them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from rounds.sourced import Journal, Simulate, Source

Origin = Literal["given", "simulated"]
GIVEN: Origin = "given"
SIMULATED: Origin = "simulated"
FILE = "origin.json"  # of ingest: small, so that train runs anew only where the origin changed
BADGE = "simulated data"


def of_source(source: Source) -> Origin:
    """The origin of a table; a journal has that of the table that it goes on from."""
    base = source.base if isinstance(source, Journal) else source
    return SIMULATED if isinstance(base, Simulate) else GIVEN


def read(path: Path) -> Origin:
    """The origin that ingest wrote down."""
    return SIMULATED if json.loads(path.read_bytes())["origin"] == SIMULATED else GIVEN


def badge(origin: str) -> str:
    """What pages and tables show beside a model: nothing where its rows were given."""
    return BADGE if origin == SIMULATED else ""
