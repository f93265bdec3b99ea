"""The operations mean the same on plain numbers and on columns, to the last bit."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from rounds.arithmetic import Columns, Numbers

whole = st.integers(-(2**40), 2**40)
finite = st.floats(allow_nan=False, allow_infinity=False)
number = st.one_of(whole, finite, st.sampled_from([0, 0.0, -0.0, 1, -1, 1e308, -1e308, 5e-324]))

OPERATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "flag of a number": lambda op, a, b: op.flag(a),
    "flag of a condition": lambda op, a, b: op.flag(a > b),
    "where": lambda op, a, b: op.where(a >= b, a, b),
    "where with constants": lambda op, a, b: op.where(a == b, 1, 2.5),
    "where by a flag": lambda op, a, b: op.where(op.flag(b), a, -1),
    "minimum": lambda op, a, b: op.minimum(a, b),
    "maximum": lambda op, a, b: op.maximum(a, b),
    "divide": lambda op, a, b: op.divide(a, b),
    "divide by a constant": lambda op, a, b: op.divide(a, 7),
    "divide by a small constant": lambda op, a, b: op.divide(a, 1e-9),
    "divide a constant": lambda op, a, b: op.divide(3, b),
    "divide by nothing": lambda op, a, b: op.divide(a, 0),
    "a condition counted": lambda op, a, b: 1 - op.flag(a > b) - op.flag(a < b),
    "large constants": lambda op, a, b: op.flag(a > b) * 3_000_000_000 + op.where(a > b, 2, 1) * 2_147_483_647,
}
WHOLE: dict[str, Callable[[Any], Any]] = {
    "floor": lambda a: a // 86400,
    "remainder": lambda a: a % 7,
    "weekday": lambda a: (a // 86400 + 3) % 7,
    "sum": lambda a: a + a * 3 - 5,
}


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def on_columns(results: dict[str, Any], **values: Sequence[float]) -> dict[str, list[float]]:
    table = pl.DataFrame(values, strict=False)
    return table.select(result.cast(pl.Float64).alias(name) for name, result in results.items()).to_dict(
        as_series=False
    )


@given(rows=st.one_of(*(st.lists(st.tuples(a, b), min_size=1) for a in (whole, finite) for b in (whole, finite))))
@example(rows=[(0.0, -0.0), (-0.0, 0.0), (1e308, 1e-308), (1e308, -1e308), (0.0, 5e-324), (3.0, 7.0), (1.0, 3.0)])
@example(rows=[(0, 0), (1, 0), (-7, 3), (2**40, -1)])
def test_both_agree(rows: list[tuple[float, float]]) -> None:
    results = {name: operation(Columns, pl.col("a"), pl.col("b")) for name, operation in OPERATIONS.items()}
    columns = on_columns(results, a=[a for a, _ in rows], b=[b for _, b in rows])
    for name, operation in OPERATIONS.items():
        numbers = [float(operation(Numbers, a, b)) for a, b in rows]
        assert [bits(value) for value in columns[name]] == [bits(value) for value in numbers], name


@given(values=st.lists(whole, min_size=1))
@example(values=[-1, -7, -86400, -86401, 0, 6, 7])
def test_whole_numbers_need_no_help(values: list[int]) -> None:
    columns = on_columns({name: operation(pl.col("a")) for name, operation in WHOLE.items()}, a=values)
    assert columns == {name: [operation(value) for value in values] for name, operation in WHOLE.items()}


@given(values=st.lists(finite, min_size=1))
@example(values=[float(value) for value in range(2000)])
@example(values=[-1.0, -2.0, -0.5, 0.0, 1e-300, 1e300])
def test_logarithms_agree_in_32_bits(values: list[float]) -> None:
    columns = pl.DataFrame({"a": values}).select(Columns.log1p(pl.col("a")).cast(pl.Float32)).to_series()
    numbers = pl.Series([Numbers.log1p(value) for value in values], dtype=pl.Float64).cast(pl.Float32)
    assert columns.to_list() == numbers.to_list()


@given(a=number, b=number)
def test_a_quotient_is_always_a_finite_number(a: float, b: float) -> None:
    assert abs(Numbers.divide(a, b)) < float("inf")
    assert Numbers.divide(a, 0) == Numbers.divide(0, b) == 0
