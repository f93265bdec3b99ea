"""An earlier model on a table whose columns have other types by now: an answer where that is exact, else a sentence."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from jobs.champions.rescored import matrix
from rounds.bundle import Bundle
from rounds.errors import Refused
from tests.jobs.appointments import Case, case

KEY = ["appointment_id"]


@pytest.fixture(scope="module")
def small() -> Case:
    return case(patients=300)


@pytest.fixture(scope="module")
def earlier(small: Case) -> Bundle:
    return small.fit(small.features())


def test_a_column_of_another_type_is_named(small: Case, earlier: Bundle) -> None:
    changed = small.typed.with_columns(pl.col("age").cast(pl.String), pl.col("sex") == "F")
    with pytest.raises(Refused, match=r"reads age \(integer\), sex \(category\), which the validated table holds as"):
        matrix(earlier, changed.lazy(), small.typed.head(5), KEY)


def test_a_number_that_became_a_fraction_is_named(small: Case, earlier: Bundle) -> None:
    with pytest.raises(Refused, match=r"age \(integer\)"):
        matrix(earlier, small.typed.with_columns(pl.col("age").cast(pl.Float64)).lazy(), small.typed.head(5), KEY)


def test_a_day_that_became_a_moment_is_read_as_its_day(small: Case, earlier: Bundle) -> None:
    moments = small.typed.with_columns(pl.col("appointment_day").cast(pl.Datetime("us")) + pl.duration(hours=9))
    wanted = small.typed.head(50)
    same = matrix(earlier, small.typed.lazy(), wanted, KEY)
    assert np.array_equal(matrix(earlier, moments.lazy(), wanted, KEY), same)
