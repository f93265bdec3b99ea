"""A list of outcomes as a hospital writes it: every row is read for certain, or the list is refused by row and rule."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime

import polars as pl

from rounds.decoding import READERS, answers, tidy
from rounds.errors import Refused
from rounds.evidence import FORMAT, key_id
from rounds.journal import keyed
from rounds.knobs import Column, Outcome
from rounds.outcomes import ACTIONS, FIELDS, which

PART = 50_000
TOLD = 5  # faults at most: whoever has thousands has one mistake
# Elsewhere "none" says that there is nothing; here it says that nothing was done.
_TEXT = Column.model_validate({"from": "", "type": "category"})
_ACTION = _TEXT.model_copy(update={"within": ("none", "None", "NONE")})


def read(raw: pl.LazyFrame, columns: Mapping[str, Column], outcome: Outcome, at: datetime) -> pl.DataFrame:
    """id, appointment (as it is written), outcome, action, propensity and observed, row for row."""
    own = which(columns)
    appointment, spoken = columns[own].raw if own else "", columns[outcome.column].raw
    there = {name.strip("\ufeff \t\r\n"): name for name in raw.collect_schema().names()}
    names = {"id": "id", "appointment": appointment, "outcome": "outcome" if "outcome" in there else spoken}
    names |= {name: name for name in ("action", "propensity", "observed")}
    if not {"id", appointment} & set(there) or not {names["outcome"], "action"} & set(there):
        wanted = f"a column 'id' or '{appointment}', and one of 'outcome', '{spoken}' and 'action'"
        raise Refused(
            f"the list of outcomes wants {wanted}; its own names are withheld, since they may be a patient's values. "
            "See that its first line is the header."
        )
    texts = raw.select(
        tidy(
            pl.col(there[known]) if known in there else pl.lit(None, pl.String),
            _ACTION if name == "action" else _TEXT,
            outcome if name == "outcome" else None,
        ).alias(name)
        for name, known in names.items()
    ).collect()
    found = texts.select(
        "id",
        READERS["identifier"](pl.col("appointment")).alias("appointment"),
        _answered(outcome).alias("outcome"),
        pl.col("action").str.to_lowercase(),
        READERS["number"](pl.col("propensity")).alias("propensity"),
        pl.coalesce(
            READERS["timestamp"](pl.col("observed")), READERS["date"](pl.col("observed")).cast(pl.Datetime("us"))
        )
        .dt.replace_time_zone("UTC")
        .alias("observed"),
    )
    _certain(texts, found, names, outcome, at)
    return found


def lines(listed: pl.DataFrame, digest: str, secret: bytes) -> Iterator[pl.DataFrame]:
    """The same as lines of the ledger, whose ids are equal for equal lists."""
    for start in range(0, listed.height, PART):
        part = listed[start : start + PART]
        rows = range(start, start + part.height)
        entries = [hashlib.blake2b(f"{digest} {row}".encode(), digest_size=16).hexdigest() for row in rows]
        hashed = [None if one is None else keyed(one, secret) for one in part.get_column("appointment").to_list()]
        yield part.with_columns(
            pl.Series("entry", entries, pl.String),
            pl.lit("").alias("at"),
            pl.lit(FORMAT).alias("format"),
            pl.lit(key_id(secret)).alias("key"),
            pl.Series("appointment", hashed, pl.String),
            pl.col("observed").dt.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00"),
        ).select(FIELDS)


def _answered(outcome: Outcome) -> pl.Expr:
    """By the outcome's own words, or by true and false where these words say nothing else."""
    own, text = answers(outcome), pl.col("outcome")
    free = not {outcome.true.lower(), outcome.false.lower()} & {"true", "false"}
    plain = text.str.to_lowercase() if free else pl.lit(None, pl.String)
    said, denied = text.is_in(own[1]) | (plain == "true"), text.is_in(own[0]) | (plain == "false")
    return pl.when(said).then(True).when(denied).then(False)


def _certain(
    texts: pl.DataFrame, found: pl.DataFrame, names: Mapping[str, str], outcome: Outcome, at: datetime
) -> None:
    """Refuse what is not right, by row and rule and without a value."""
    said = texts.select(pl.all().is_not_null())
    read = found.with_columns(said.get_column(name).alias(f"{name}:said") for name in said.columns)
    there = {name: pl.col(f"{name}:said") for name in said.columns}
    rules = {
        f"want either id or {names['appointment']}": there["id"] == there["appointment"],
        "want an outcome or an action": ~there["outcome"] & ~there["action"],
        f"{names['appointment']}: want an identifier without lost digits": there["appointment"]
        & pl.col("appointment").is_null(),
        f"outcome: want {outcome.true} or {outcome.false}": there["outcome"] & pl.col("outcome").is_null(),
        f"action: want {', '.join(ACTIONS)}": there["action"] & ~pl.col("action").is_in(ACTIONS),
        "propensity: want a chance from 0 to 1": there["propensity"]
        & ~pl.col("propensity").is_between(0, 1).fill_null(False),
        "propensity: want the action that it is the chance of": there["propensity"] & ~there["action"],
        "observed: want a moment such as 2026-03-30T11:00:00Z": there["observed"] & pl.col("observed").is_null(),
        "observed: want a moment that is not to come": pl.col("observed") > pl.lit(at),
    }
    broken = {rule: read.select(mask.fill_null(False).arg_true()).to_series().to_list() for rule, mask in rules.items()}
    faults = sorted((row + 1, rule) for rule, rows in broken.items() for row in rows[:TOLD])
    if faults:
        more = sum(len(rows) for rows in broken.values()) - len(faults[:TOLD])
        told = "; ".join(f"row {row}: {rule}" for row, rule in faults[:TOLD])
        raise Refused(
            f"the list of outcomes is not taken: {told}{f'; and {more} more' if more else ''}. Mend it and try again.",
            {"broken": {rule: len(rows) for rule, rows in broken.items() if rows}},
        )
