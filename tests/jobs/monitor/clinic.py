"""A clinic that monitor looks at: its store, its champion and what the world did."""

from __future__ import annotations

import dataclasses
from typing import Any

import polars as pl

from rounds.bundle import Bundle
from tests.checkout import Checkout, Ended
from tests.jobs.watched import World

ODD = 29317  # days between booking and appointment of one patient alone
Found = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Clinic:
    checkout: Checkout
    bundle: Bundle
    world: World

    def collected(self) -> tuple[pl.DataFrame, Found]:
        facts = self.checkout.content("collect", "w")["facts"]
        return pl.read_parquet(self.checkout.file("collect", "predictions.parquet", "w"), glob=False), facts

    def monitor(self, python: str, run: str = "w", *more: str) -> Ended:
        return self.checkout.run("monitor", run, *more, python=(*python.split(),), DO_NOT_TRACK="true")
