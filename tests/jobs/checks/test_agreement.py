from __future__ import annotations

import polars as pl
import pytest

import problems
from jobs.checks.agreement import ask_again, compare, sample
from jobs.checks.expectations import Opinion
from jobs.checks.header import match
from jobs.checks.questions import Questions, questions
from rounds.errors import RoundsError
from tests.corpus.tables import AGE, ID, cells, sound

# Great Expectations imports modules of a Python to come no more.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


def asked(table: pl.DataFrame) -> Questions:
    described = problems.problem("noshow")
    header = match(table.columns, described.columns)
    return questions(described.columns, described.outcome, described.checks, header.names)


def test_great_expectations_finds_the_same_rows() -> None:
    table = cells(AGE, "999", "x", None)(sound())
    agreement = ask_again(table.lazy(), table.height, asked(table))
    broken = {rule: opinion.broken for rule, opinion in agreement.opinions.items() if not opinion.holds}
    assert broken == {"age-between": 1, "age-type": 1, "age-required": 1}
    assert (agreement.rows, agreement.good) == (table.height, table.height - 3)


def test_a_large_table_is_asked_about_in_a_sample_of_its_own() -> None:
    """A pair that repeats in the whole need not repeat in the sample: both are asked about the sample."""
    table = cells(ID, "1", "1")(sound())
    agreement = ask_again(table.lazy(), table.height, asked(table), limit=500)
    assert (agreement.rows, agreement.opinions["appointment_id-unique"].holds) == (500, True)


@pytest.mark.parametrize(("size", "limit"), [(10, 10), (10, 3), (1000, 7), (9, 100)])
def test_a_sample_is_evenly_spaced_and_as_large_as_asked(size: int, limit: int) -> None:
    kept = sample(pl.LazyFrame({"x": range(size)}), size, limit)["x"]
    assert len(kept) == min(size, limit)
    assert set(kept.diff().drop_nulls()) <= {max(size // limit, 1), max(size // limit, 1) + 1}


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(0, Opinion(False, 1)), (1, Opinion(True, 0)), (2, Opinion(False, 1))],
)
def test_a_disagreement_is_an_error(mine: int, theirs: Opinion) -> None:
    with pytest.raises(RoundsError, match="rule age-between was evaluated twice on the same rows"):
        compare("age-between", mine, theirs, counted=True)
