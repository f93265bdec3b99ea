"""What the service was asked, with what then happened, spelt as the raw table is, after the rows of a base table.

Identifiers of both are keyed hashes, so that a patient of the table is the same patient in the journal.
"""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import ModuleType

import polars as pl

import problems
from rounds import log, manifest, outcomes, recorded
from rounds.audit import audit
from rounds.decoding import tidy, value
from rounds.errors import Refused
from rounds.files import Reader
from rounds.journal import LEDGER, key, keyed
from rounds.knobs import Problem
from rounds.manifest import Facts
from rounds.parquet import sink
from rounds.recorded import Ledger
from rounds.sourced import Journal

INPUT = "input_"  # before a column that was asked with: one may be called id, at or who
MARK = "h"  # before a hash: digits with an e among them would be taken for a number that lost its digits


def fingerprint(source: Journal, read: Reader) -> Facts:
    """By the names of the parts, which hold their digests; the day, and how rows are chosen, spelt and hashed."""
    of, base = problems.problem(read.problem), _base(source)
    how = of.model_dump(mode="json", include={"columns", "who", "when", "outcome"}, by_alias=True)
    return {
        "base": {"kind": source.base.kind, **base.fingerprint(source.base, read)} if source.base and base else None,
        "until": source.until.isoformat() if source.until else None,
        "how": manifest.digest([how, list(of.monitor.actions), keyed("", key(read.store, read.problem))]),
        "parts": manifest.digest(_listed(source, read)),
    }


def land(source: Journal, read: Reader, target: Path) -> Facts:
    """Answers how many rows came from where, and how many were left out and why."""
    of, base, before = problems.problem(read.problem), _base(source), read.scratch / "base.parquet"
    columns = [column.raw for column in of.columns.values()]
    rows, left = _answered(source, read, of)
    table = pl.LazyFrame(schema=dict.fromkeys(columns, pl.String))
    if base:
        base.land(source.base, read, before)
        secret = key(read.store, read.problem)
        table = _spelt(pl.scan_parquet(before, glob=False), of, columns, secret)
    unique = [column.raw for column in of.columns.values() if column.unique]
    known = table.select(unique).collect()
    new = rows.join(known, on=unique, how="anti", maintain_order="left")
    left = {**left, "known": rows.height - new.height}
    log.say(f"{known.height:,} rows of the base, {new.height:,} of the journal; left out: {log.in_words(left)}")
    sink(pl.concat([table, new.lazy()]), target)
    return {"base": known.height, "journaled": new.height, "left_out": left}


def _base(source: Journal) -> ModuleType | None:
    from jobs.sources import SOURCES  # not above: it holds this module

    return SOURCES[source.base.kind] if source.base else None


def _listed(source: Journal, read: Reader) -> list[list[str]]:
    """The parts of both ledgers, listed once: the service may ship more of them while we read."""
    kept = read.scratch / "parts.json"
    if not kept.exists():
        last = source.until.isoformat() if source.until else "9999"
        ledgers = (Ledger(read.store, read.problem, b"", name) for name in (LEDGER, outcomes.LEDGER))
        found = [[path for day in ledger.days() if day <= last for path in ledger.parts(day)] for ledger in ledgers]
        kept.write_text(json.dumps(found), encoding="utf-8")
    listed: list[list[str]] = json.loads(kept.read_text(encoding="utf-8"))
    return listed


def _read(source: Journal, ledger: Ledger, paths: list[str], schema: pl.Schema) -> pl.DataFrame:
    """Every line up to the day; what cannot be read, or is not what was written, is no ground for a model."""
    last = source.until.isoformat() if source.until else "9999"
    found = [pl.DataFrame(schema=schema)]
    for path in paths:
        part = ledger.table(path, schema)
        if part.trouble:
            raise Refused(f"{part.trouble}. Put back a copy, or remove it and say until when the journal is whole.")
        if lost := part.table.get_column("at").null_count():
            raise Refused(f"{path}: {lost} lines do not say when they were written. Put back a copy, or remove it.")
        found.append(part.table.filter(pl.col("at").str.slice(0, 10) <= last))
    for sentence in audit(ledger).missing if paths else ():
        log.say(sentence)
    return pl.concat(found).with_columns(recorded.moment(pl.col("at")))


def _answered(source: Journal, read: Reader, of: Problem) -> tuple[pl.DataFrame, Facts]:
    """The newest prediction of each appointment with an outcome that nobody changed, as the raw table spells it."""
    text, own = pl.String(), outcomes.which(of.columns)
    asked = [name for name in of.columns if name not in {of.who, of.outcome.column}]
    inputs = pl.Struct(dict.fromkeys(asked, text))
    predictions, said = _listed(source, read)
    secret = key(read.store, read.problem) if predictions or said else b""
    asked_ledger = Ledger(read.store, read.problem, secret)
    told_ledger = Ledger(read.store, read.problem, secret, outcomes.LEDGER)
    lines = _read(source, asked_ledger, predictions, pl.Schema({"id": text, "at": text, "who": text, "input": inputs}))
    told = _read(source, told_ledger, said, outcomes.schema())
    told = told.with_columns(recorded.moment(pl.col("observed")).fill_null(pl.col("at")))
    day = of.columns[of.when.happens]
    rows = lines.with_columns(pl.col("input").name.prefix_fields(INPUT)).unnest("input")
    rows = rows.sort("at", "id").filter(pl.col("id").is_first_distinct())
    rows = rows.with_columns(
        appointment=_appointment(own, of.who),
        happens=value(tidy(pl.col(INPUT + of.when.happens), day), day).cast(pl.Date),
    )
    settled = outcomes.settle(told, rows, timedelta(days=of.collect.late), of.monitor.actions).table
    rows = rows.hstack(settled.select(outcome_known="outcome", action_taken="action"))
    last = rows.filter(pl.col("appointment").is_null() | pl.col("appointment").is_last_distinct())
    known = last.filter(pl.col("outcome_known").is_not_null())
    untouched = known.filter(~pl.col("action_taken").is_in(of.monitor.actions).fill_null(False))
    spelt = untouched.select(_cell(name, of).alias(column.raw) for name, column in of.columns.items())
    whole = spelt.drop_nulls()
    left = {
        "repeated": rows.height - last.height,
        "without_outcome": last.height - known.height,
        "acted_on": known.height - untouched.height,
        "incomplete": untouched.height - whole.height,
    }
    return whole, left


def _appointment(own: str | None, who: str) -> pl.Expr:
    """The hash of the identifier of a row. Where that is whose row it is, a line has it in a place of its own."""
    if own is None:
        return pl.lit(None, pl.String)
    return pl.col("who") if own == who else pl.col(INPUT + own)


def _cell(name: str, of: Problem) -> pl.Expr:
    if name == of.outcome.column:
        return pl.when("outcome_known").then(pl.lit(of.outcome.true)).otherwise(pl.lit(of.outcome.false))
    if name == of.who:
        return MARK + pl.col("who")
    return MARK + pl.col(INPUT + name) if of.columns[name].type == "identifier" else pl.col(INPUT + name)


def _spelt(base: pl.LazyFrame, of: Problem, columns: list[str], secret: bytes) -> pl.LazyFrame:
    """The base table with hashes for its identifiers; one that cannot be read is none, and validate says so."""
    there = base.collect_schema().names()
    hashes = [
        value(tidy(pl.col(column.raw), column), column)
        .map_batches(partial(_hashed, secret=secret), pl.String, is_elementwise=True)
        .alias(column.raw)
        for column in of.columns.values()
        if column.type == "identifier" and column.raw in there
    ]
    lacking = [pl.lit(None, pl.String).alias(name) for name in columns if name not in there]
    return base.with_columns(*hashes, *lacking).select(columns)


def _hashed(values: pl.Series, secret: bytes) -> pl.Series:
    found = [None if one is None else MARK + keyed(one, secret) for one in values.to_list()]
    return pl.Series(values.name, found, pl.String)
