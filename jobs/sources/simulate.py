"""A table made by the problem's own `simulate.py`, block by block, any size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from rounds.code import digests
from rounds.files import Reader
from rounds.manifest import Facts
from rounds.parquet import sink
from rounds.settings import ROOT
from rounds.sourced import Simulate


def fingerprint(source: Simulate, read: Reader) -> Facts:
    return {"simulator": digests([f"problems.{read.problem}.simulate"], ROOT)}


def land(source: Simulate, read: Reader, target: Path) -> None:
    knobs = source.model_dump(exclude={"kind"})

    from polars.io.plugins import register_io_source

    def blocks(*_: Any) -> Iterator[pl.DataFrame]:
        yield from read.module("simulate").simulate(**knobs)

    sink(register_io_source(blocks, schema=next(blocks()).schema, is_pure=True), target)
