"""The second opinion: Great Expectations asked the same rules about rows that fit into its memory."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import pandas as pd
import polars as pl

from jobs.checks.questions import Questions
from rounds.decoding import FLOATING, NULLS
from rounds.errors import RoundsError
from rounds.rules import Check, text_of

# What Rust calls white space; Python's own class holds a few control characters more.
BLANK = r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"


@dataclass(frozen=True)
class Opinion:
    """What Great Expectations said of one rule; `broken` is how many rows it found, where it counts rows."""

    holds: bool
    broken: int | None


def of_rows(raw: pl.DataFrame, decoded: pl.DataFrame, asked: Questions) -> dict[str, Opinion]:
    """Its verdict on every rule of each row, from the raw cells and from what was read from them."""
    found: dict[str, Opinion] = {}
    asset = _asset()
    for name in asked.columns:
        checks = [check for check in asked.rows if check.column == name]
        table = _cells(raw, decoded, asked, name)
        for other in {check.other for check in checks} - {""}:
            table |= _cells(raw, decoded, asked, other)
        expected = {check.id: EXPECTATIONS[check.kind](check, asked) for check in checks}
        found |= _ask(asset, pd.DataFrame(table), expected)
    return found


def of_whole(good: pl.DataFrame, asked: Questions) -> dict[str, Opinion]:
    """Its verdict on the rules of the table as a whole, as far as they need no earlier table."""
    asset, table = _asset(), pd.DataFrame({asked.outcome.column: _series(good[asked.outcome.column])})
    expected = {}
    for check in asked.whole:
        if check.kind == "rows":
            expected[check.id] = _expect("TableRowCountToBeBetween", **_bounds(check))
        elif check.kind == "outcome_rate":
            expected[check.id] = _expect("ColumnMeanToBeBetween", column=asked.outcome.column, **_bounds(check))
    found = _ask(asset, table, expected)
    constant = [check.id for check in asked.whole if check.kind == "constant"]
    if constant:
        varied = Opinion(all(_varies(asset, good[name]) for name in good.columns), None)
        found |= dict.fromkeys(constant, varied)
    return found


def _varies(asset: Any, column: pl.Series) -> bool:
    if 0 < column.null_count() < len(column):  # it counts values alone, and a missing one differs from the others
        return True
    wanted = _expect("ColumnUniqueValueCountToBeBetween", column="value", min_value=2)
    return _ask(asset, pd.DataFrame({"value": _series(column)}), {column.name: wanted})[column.name].holds


def _asset() -> Any:
    """What takes tables, in a context that lives in memory, writes no pages and draws no bars."""
    package: Any = gx.data_context
    types = package.types.base
    stores = types.InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    bars: Any = {"globally": False}
    config = types.DataContextConfig(store_backend_defaults=stores, progress_bars=bars)
    context: Any = gx.get_context(mode="ephemeral", project_config=config)
    return (
        context.data_sources.add_pandas("memory")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
    )


def _ask(asset: Any, table: pd.DataFrame, expected: Mapping[str, Any]) -> dict[str, Opinion]:
    """Few columns at a time: it copies the whole table for each thing that it counts."""
    for rule, expectation in expected.items():
        expectation.meta = {"rule": rule}
    suite = gx.ExpectationSuite(name="rules", expectations=list(expected.values()))
    # Its answers quote values of patients unless they are told to hold none.
    quiet = {"result_format": "BASIC", "partial_unexpected_count": 0, "include_unexpected_rows": False}
    results = asset.get_batch({"dataframe": table}).validate(suite, result_format=quiet).results
    found = {}
    for result in results:
        rule = result.expectation_config.meta["rule"]
        if not result.result:
            raise RoundsError(f"Great Expectations could not evaluate rule {rule}; its message is withheld.")
        found[rule] = Opinion(bool(result.success), result.result.get("unexpected_count"))
    return found


def _cells(raw: pl.DataFrame, decoded: pl.DataFrame, asked: Questions, name: str) -> dict[str, Any]:
    """A column as it was found, as tidy text and as a value, and what rules ask of it besides."""
    text, kind = decoded[text_of(name)], asked.columns[name].type
    found = asked.names[name]
    cells = {name: decoded[name], found: raw[found].fill_null(""), text_of(name): text}
    if kind in {"date", "timestamp"}:
        cells[f"{name}:day"] = decoded[name].cast(pl.Date)
    table = {key: _series(column) for key, column in cells.items()}
    if kind == "identifier":
        table[f"{name}:floating"] = [re.match(FLOATING, cell or "") is not None for cell in text]
    return table


def _series(column: pl.Series) -> Any:
    if column.dtype == pl.String:
        return pd.Series(column.to_list(), dtype=object)
    if column.dtype.is_temporal():
        return pd.Series(column.cast(pl.Datetime("us")).to_numpy())
    if column.null_count() == 0 or column.dtype == pl.Float64:
        return pd.Series(column.to_numpy())
    missing = column.is_null().to_numpy()
    return pd.Series(pd.arrays.IntegerArray(column.fill_null(0).to_numpy().copy(), missing.copy()))


def _expect(words: str, **wanted: Any) -> Any:
    return getattr(gx.expectations, f"Expect{words}")(**wanted)


def _bounds(check: Check) -> dict[str, Any]:
    """A day's end is the next day's begin, left out."""
    low, high = check.low, check.high
    if isinstance(high, datetime.date):
        end = datetime.datetime.combine(high + datetime.timedelta(days=1), datetime.time())
        bounds: dict[str, Any] = {"max_value": end, "strict_max": True}
    else:
        bounds = {} if high is None else {"max_value": high}
    if isinstance(low, datetime.date):
        low = datetime.datetime.combine(low, datetime.time())
    return bounds if low is None else {"min_value": low, **bounds}


def _required(check: Check, asked: Questions) -> Any:
    words = "|".join(re.escape(word) for word in sorted(NULLS - asked.words(check.column)))
    pattern = rf"^{BLANK}(?:{words}){BLANK}\Z"
    return _expect("ColumnValuesToNotMatchRegex", column=asked.names[check.column], regex=pattern)


def _readable(check: Check, _: Questions) -> Any:
    column: Any = gx.expectations.row_conditions.Column
    scope = column(text_of(check.column)).is_not_null()
    if check.kind in {"exact", "printable"}:
        scope = scope & (column(f"{check.column}:floating") == (check.kind == "exact"))
    return _expect("ColumnValuesToNotBeNull", column=check.column, row_condition=scope)


def _between(check: Check, _: Questions) -> Any:
    return _expect("ColumnValuesToBeBetween", column=check.column, **_bounds(check))


def _in(check: Check, _: Questions) -> Any:
    return _expect("ColumnValuesToBeInSet", column=check.column, value_set=list(check.values))


def _unique(check: Check, _: Questions) -> Any:
    return _expect("ColumnValuesToBeUnique", column=check.column)


def _order(check: Check, _: Questions) -> Any:
    sides = [f"{name}:day" if check.days else name for name in (check.column, check.other)]
    later, earlier = sides if check.kind == "at_least" else reversed(sides)
    return _expect(
        "ColumnPairValuesAToBeGreaterThanB",
        column_A=later,
        column_B=earlier,
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    )


EXPECTATIONS: Mapping[str, Callable[[Check, Questions], Any]] = {
    "required": _required,
    "exact": _readable,
    "printable": _readable,
    "type": _readable,
    "between": _between,
    "in": _in,
    "unique": _unique,
    "at_least": _order,
    "at_most": _order,
}
