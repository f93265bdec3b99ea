"""Features of a raw table in a notebook: the numbers that training uses, without a run of the pipeline."""

from __future__ import annotations

import warnings
from typing import Any

import polars as pl

import problems
from rounds.decoding import tidy, value
from rounds.definition import Definition, Sections
from rounds.errors import Refused
from rounds.knobs import Problem
from rounds.rules import Check, broken, broken_by, row_checks, text_of
from rounds.tables import build_features

ROW = ":row"  # no column in problem.yaml can have this name


def features_of(problem: str, raw: Any) -> tuple[Any, Any]:
    """`X, y` of a raw table, as pandas or polars has it: features and outcomes, in the same library.

    Rows that break a rule of `problem.yaml` are left out of both, as `validate` leaves them out, with a warning.
    """
    described = problems.problem(problem)
    good = _good_rows(_as_texts(raw), described)
    sections = Sections(described.columns, described.who, described.when, described.outcome, described.features)
    definition = Definition(sections, problems.definition(problem, "features").features)
    matrix, outcomes = build_features(good.drop(ROW), definition)
    features = {name: matrix[:, place] for place, name in enumerate(definition.names)}
    if not _is_pandas(raw):
        return pl.DataFrame(features), pl.Series(definition.outcome, outcomes)
    import pandas as pd

    index = raw.index[good.get_column(ROW).to_numpy()]
    return pd.DataFrame(features, index=index), pd.Series(outcomes, index=index, name=definition.outcome)


def _is_pandas(raw: Any) -> bool:
    return type(raw).__module__.partition(".")[0] == "pandas"


def _as_texts(raw: Any) -> pl.DataFrame:
    """Every cell as text, as `ingest` brings a table in."""
    if _is_pandas(raw):
        raw = pl.DataFrame({str(name): _series(raw[name]) for name in raw.columns})
    elif isinstance(raw, pl.LazyFrame):
        raw = raw.collect()
    elif not isinstance(raw, pl.DataFrame):
        raise TypeError(f"a raw table is a DataFrame of pandas or polars; this is a {type(raw).__name__}")
    texts: pl.DataFrame = raw.select(pl.all().cast(pl.String))
    return texts


def _series(column: Any) -> pl.Series:
    """A column of pandas: numbers and plain times as they are, all else as text; times of a zone keep their offset."""
    plain = getattr(column.dtype, "kind", "O") in "iufbM" and hasattr(column.dtype, "itemsize")
    if plain and getattr(column.dtype, "tz", None) is None and not column.isna().any():
        return pl.Series(column.to_numpy())
    missing = column.isna()
    return pl.Series([None if gone else str(cell) for cell, gone in zip(column, missing, strict=True)], dtype=pl.String)


def _good_rows(texts: pl.DataFrame, described: Problem) -> pl.DataFrame:
    """The typed rows that break no rule, with their numbers from 0."""
    columns, outcome = described.columns, described.outcome
    if missing := sorted(column.raw for column in columns.values() if column.raw not in texts.columns):
        raise Refused(f"the raw table has no column {', '.join(missing)}; want the names in problem.yaml.")
    spoken = {name: outcome if name == outcome.column else None for name in columns}
    tidied = [tidy(pl.col(col.raw), col, spoken[name]).alias(text_of(name)) for name, col in columns.items()]
    values = [value(pl.col(text_of(name)), col, spoken[name]).alias(name) for name, col in columns.items()]
    decoded = texts.select(tidied).with_row_index(ROW).with_columns(values)
    checks = row_checks(columns, described.checks, outcome.column)
    marked = decoded.with_columns(_marks(check, list(columns)).alias(broken_by(check)) for check in checks)
    good = marked.filter(~pl.any_horizontal(broken_by(check) for check in checks)).select(ROW, *columns)
    if not good.height:
        raise Refused(f"each of the {texts.height:,} rows breaks a rule of problem.yaml; `make data` says which.")
    if left := texts.height - good.height:
        warnings.warn(f"{left:,} of {texts.height:,} rows break a rule of problem.yaml: left out", stacklevel=4)
    return good


def _marks(check: Check, columns: list[str]) -> pl.Expr:
    """Which rows break a rule; of repeated rows that are equal the first stays, of others none."""
    if check.kind != "unique":
        return broken(check)
    number = pl.col(check.column)
    content = pl.struct(columns).hash()
    agreed = (content == content.first()).all().over(check.column)
    first = pl.col(ROW) == pl.col(ROW).min().over(check.column)
    return number.is_not_null() & (pl.len().over(check.column) > 1) & ~(agreed & first)
