"""The operations of a feature definition, twice: over the plain numbers of one row, and over the columns of a table.

Both take finite numbers and give finite numbers; `+ - * // %` and comparisons mean the same on both and need no help,
as long as a condition becomes a number through `flag` and `//` and `%` are by whole constants.
"""

from __future__ import annotations

import math
from typing import Any, Protocol, TypeAlias

import polars as pl

# A number, a condition, or an expression that gives one of them for each row of a table.
Value: TypeAlias = Any


class Operations(Protocol):
    """What a feature definition finds in its `op`."""

    def flag(self, condition: Value) -> Value: ...
    def where(self, condition: Value, then: Value, otherwise: Value) -> Value: ...
    def minimum(self, left: Value, right: Value) -> Value: ...
    def maximum(self, left: Value, right: Value) -> Value: ...
    def divide(self, value: Value, by: Value) -> Value: ...
    def log1p(self, value: Value) -> Value: ...


class Numbers:
    """The operations over plain numbers."""

    @staticmethod
    def flag(condition: Value) -> Value:
        """1 where the condition holds (or the number is not 0), else 0."""
        return 1 if condition else 0

    @staticmethod
    def where(condition: Value, then: Value, otherwise: Value) -> Value:
        """One of two values; both have been computed by now, on either side."""
        return then if condition else otherwise

    @staticmethod
    def minimum(left: Value, right: Value) -> Value:
        return left if left < right else right

    @staticmethod
    def maximum(left: Value, right: Value) -> Value:
        return left if left > right else right

    @staticmethod
    def divide(value: Value, by: Value) -> Value:
        """The quotient; 0 where there is none, or none that is finite."""
        if not by:
            return 0.0
        quotient = float(value) / float(by)
        return quotient if math.isfinite(quotient) else 0.0

    @staticmethod
    def log1p(value: Value) -> Value:
        """The logarithm of 1 + value; what is below 0 counts as 0."""
        return math.log1p(value) if value > 0 else 0.0


class Columns:
    """The same operations over expressions."""

    @staticmethod
    def flag(condition: Value) -> Value:
        return _truth(condition).cast(pl.Int64)

    @staticmethod
    def where(condition: Value, then: Value, otherwise: Value) -> Value:
        return pl.when(_truth(condition)).then(expression(then)).otherwise(expression(otherwise))

    @staticmethod
    def minimum(left: Value, right: Value) -> Value:
        left, right = expression(left), expression(right)
        return pl.when(left < right).then(left).otherwise(right)

    @staticmethod
    def maximum(left: Value, right: Value) -> Value:
        left, right = expression(left), expression(right)
        return pl.when(left > right).then(left).otherwise(right)

    @staticmethod
    def divide(value: Value, by: Value) -> Value:
        value, by = expression(value).cast(pl.Float64), expression(by).cast(pl.Float64)
        # polars divides by a constant through its reciprocal, which differs in the last digit; by a column it does not.
        quotient = value / (by + value * 0.0)
        return pl.when(quotient.is_finite()).then(quotient).otherwise(0.0)

    @staticmethod
    def log1p(value: Value) -> Value:
        value = expression(value).cast(pl.Float64)
        return pl.when(value > 0).then(value).otherwise(0.0).log1p()


def expression(value: Value) -> pl.Expr:
    """An expression as it is, a constant in 64 bits: polars gives a whole one 32."""
    if isinstance(value, pl.Expr):
        return value
    return pl.lit(float(value), pl.Float64) if isinstance(value, float) else pl.lit(int(value), pl.Int64)


def _truth(condition: Value) -> pl.Expr:
    return condition.cast(pl.Boolean) if isinstance(condition, pl.Expr) else pl.lit(bool(condition))
