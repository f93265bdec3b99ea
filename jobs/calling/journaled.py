"""The scored rows in the journal, as the service journals its answers: each once, however often the step is tried."""

from __future__ import annotations

from typing import Any

import polars as pl

from rounds.definition import Sections
from rounds.evidence import FORMAT, key_id
from rounds.journal import FIELDS, Answering, hidden, keyed
from rounds.knobs import Column

PART = 50_000  # records to a part: whoever reads one holds all of it


def table(
    rows: pl.DataFrame,
    answers: pl.DataFrame,
    sections: Sections,
    answering: Answering,
    key: bytes,
    said: dict[str, Any],
) -> pl.DataFrame:
    """A record each, by the words of `FIELDS`; row by row `answers` has id, features, score, band and history."""
    who, hide = sections.who, hidden(sections.columns, sections.who)
    names = [name for name in sections.columns if name in rows.columns and name != who]
    hashed = rows.with_columns(_hashed(rows.get_column(name), key) for name in [who, *hide] if name in rows.columns)
    spelt = [_spelt(name, sections.columns[name]) for name in names]
    fixed = {**answering._asdict(), "format": FORMAT, "key": key_id(key), **said}
    asked = hashed.select(pl.struct(spelt).alias("input"), pl.col(who).alias("who"))
    constant = [pl.lit(value).alias(name) for name, value in fixed.items()]
    return pl.concat([asked, answers], how="horizontal").with_columns(constant).select(FIELDS)


def _hashed(values: pl.Series, key: bytes) -> pl.Series:
    return pl.Series(values.name, [keyed(value, key) for value in values.to_list()], dtype=pl.String)


def _spelt(name: str, column: Column) -> pl.Expr:
    """Days and moments as ISO text, as the service is asked; what a clock on the wall shows has no offset."""
    if column.type == "timestamp":
        offset = "" if column.zone else "Z"
        return pl.col(name).dt.strftime(f"%Y-%m-%dT%H:%M:%S{offset}").alias(name)
    return pl.col(name).cast(pl.String) if column.type == "date" else pl.col(name)
