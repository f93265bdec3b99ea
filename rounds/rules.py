"""The one list of rules of a table: those that `columns` implies, then those of `validate.rules`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from rounds.decoding import is_floating
from rounds.errors import Refused
from rounds.knobs import Action, Column, Rule, Validate

Limit = float | datetime.date | None

_WANTED = {
    "identifier": "printable ASCII text, at most 200 characters",
    "integer": "a whole number in plain digits",
    "number": "a finite number in plain digits such as 3.14; the key 'csv.decimal' lets a csv write 3,14",
    "flag": "0 or 1, yes or no, true or false",
    "category": "text of at most 200 characters, none of them invisible",
    "date": "a day such as 2016-04-29, from 1900 to 2200",
    "timestamp": "a moment such as 2016-04-29T18:38:08Z, from 1900 to 2200",
}


@dataclass(frozen=True)
class Check:
    """One rule, of each row or of the whole table, with what it wants in words."""

    id: str
    kind: str
    wanted: str
    column: str = ""
    low: Limit = None
    high: Limit = None
    values: tuple[str, ...] = ()
    other: str = ""
    days: bool = False
    action: Action = "refuse"


def text_of(name: str) -> str:
    """Where a frame keeps the tidy text that a column's value was read from."""
    return f"{name}:text"


def broken_by(check: Check) -> str:
    """Where a frame keeps which rows break a rule."""
    return f"broken:{check.id}"


def row_checks(columns: Mapping[str, Column], checks: Validate, outcome: str | None = None) -> tuple[Check, ...]:
    """Every rule of each row, in the order in which reports tell them."""
    implied = [check for name, column in columns.items() for check in _implied(name, column, outcome)]
    declared = [_declared(rule, columns) for rule in checks.rules if rule.column is not None]
    taken = {check.id for check in implied}
    for rule in checks.rules:
        if rule.id in taken:
            raise Refused(f"validate.rules.{rule.id} has the id of a rule that columns implies; want another id.")
    return (*implied, *declared)


def table_checks(checks: Validate) -> tuple[Check, ...]:
    """Every rule of the table as a whole."""
    return tuple(_whole(rule) for rule in checks.rules if rule.table is not None)


def _implied(name: str, column: Column, outcome: str | None) -> Iterator[Check]:
    if column.missing == "refuse":
        yield Check(f"{name}-required", "required", "a value in every row", name)
    if column.type == "identifier":
        yield Check(f"{name}-exact", "exact", "no digit lost to floating-point notation", name)
        yield Check(f"{name}-type", "printable", _WANTED["identifier"], name)
    else:
        yield _typed(name, column, outcome)
    if column.between is not None:
        low, high = column.between
        yield Check(f"{name}-between", "between", _range(low, high), name, low, high)
    if column.within is not None:
        yield Check(f"{name}-in", "in", f"one of {', '.join(column.within)}", name, values=column.within)
    if column.unique:
        yield Check(f"{name}-unique", "unique", "each value once", name)


def _typed(name: str, column: Column, outcome: str | None) -> Check:
    wanted = "one of the outcome's two words, or 0 or 1" if name == outcome else _WANTED[column.type]
    if column.type in {"date", "timestamp"}:
        wanted += (
            f", or {column.format}" if column.format else "; the key 'format' of the column names another spelling"
        )
    return Check(f"{name}-type", "type", wanted, name)


def _declared(rule: Rule, columns: Mapping[str, Column]) -> Check:
    assert rule.column is not None
    low, high = rule.between or (rule.at_least, rule.at_most)
    if not isinstance(low, str) and not isinstance(high, str):
        return Check(rule.id, "between", _range(low, high), rule.column, low, high)
    kind, other = ("at_least", low) if isinstance(low, str) else ("at_most", high)
    days = {columns[rule.column].type, columns[str(other)].type} == {"date", "timestamp"}
    wanted = f"{kind.replace('_', ' ')} {other}{', compared as days' if days else ''}"
    return Check(rule.id, kind, wanted, rule.column, other=str(other), days=days)


def _whole(rule: Rule) -> Check:
    low, high = rule.between or (rule.at_least, rule.at_most)
    assert not isinstance(low, str) and not isinstance(high, str)
    wanted = {
        "constant": "more than one value in every column",
        "vanished": "every category that the last good run had",
        "restated": f"{_range(low, high)} of the rows changed since they were known, no change going with the outcome",
        "drift": f"{_range(low, high)} of population stability index against the last good run",
    }.get(str(rule.table), _range(low, high))
    return Check(rule.id, str(rule.table), wanted, low=low, high=high, action=rule.action)


def _range(low: Limit, high: Limit) -> str:
    if low is None or high is None:
        return f"at least {_plain(low)}" if high is None else f"at most {_plain(high)}"
    return f"{_plain(low)} to {_plain(high)}"


def _plain(bound: Limit) -> str:
    return str(int(bound)) if isinstance(bound, float) and bound.is_integer() else str(bound)


def broken(check: Check) -> pl.Expr:
    """Which rows break a rule, over the values and texts of a decoded frame; never null."""
    return MASKS[check.kind](check).fill_null(False)


def within(value: pl.Expr, low: Limit, high: Limit) -> pl.Expr:
    """Whether a value is inside bounds; a moment is inside the bounds of its day."""
    fits = pl.lit(True)
    if low is not None:
        fits = fits & (value >= low)
    if high is not None:
        fits = fits & (value <= high)
    return fits


def _required(check: Check) -> pl.Expr:
    return pl.col(text_of(check.column)).is_null()


def _exact(check: Check) -> pl.Expr:
    return is_floating(pl.col(text_of(check.column))) & pl.col(check.column).is_null()


def _printable(check: Check) -> pl.Expr:
    return _type(check) & ~is_floating(pl.col(text_of(check.column)))


def _type(check: Check) -> pl.Expr:
    text, value = pl.col(text_of(check.column)), pl.col(check.column)
    return text.is_not_null() & value.is_null()


def _between(check: Check) -> pl.Expr:
    value = pl.col(check.column)
    bounds = (check.low, check.high)
    if any(isinstance(bound, datetime.date) for bound in bounds):
        value = value.cast(pl.Date)
    return ~within(value, *bounds)


def _in(check: Check) -> pl.Expr:
    return ~pl.col(check.column).is_in(check.values)


def _order(check: Check) -> pl.Expr:
    mine, other = pl.col(check.column), pl.col(check.other)
    if check.days:
        mine, other = mine.cast(pl.Date), other.cast(pl.Date)
    return mine < other if check.kind == "at_least" else mine > other


# `unique` is not here: no row can tell it by itself.
MASKS: Mapping[str, Callable[[Check], pl.Expr]] = {
    "required": _required,
    "exact": _exact,
    "printable": _printable,
    "type": _type,
    "between": _between,
    "in": _in,
    "at_least": _order,
    "at_most": _order,
}
