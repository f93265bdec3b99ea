"""Rows that lie ahead have no outcome yet: they are left out, not accused; a lost outcome of an earlier day is."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from rounds.errors import Refused
from tests.corpus.tables import AGE, DAY, ID, MISSED, ROWS, cells, sound
from tests.jobs.test_validate import validated, written

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


def unknown(table: pl.DataFrame, since: str) -> pl.DataFrame:
    """The outcomes from that day on are taken away."""
    return table.with_columns(pl.when(pl.col(DAY) >= since).then(None).otherwise(MISSED).alias(MISSED))


def test_future_rows_without_an_outcome_are_left_out(tmp_path: Path) -> None:
    table = unknown(sound(), "2026-03-09")
    ahead = table[MISSED].null_count()
    assert ahead > 50
    facts = validated(table, tmp_path)
    assert facts == {
        "rows": ROWS - ahead,
        "good": ROWS - ahead,
        "quarantined": 0,
        "ahead": ahead,
        "broken": {},
        "warnings": [],
    }
    kept = written(tmp_path, "table.parquet")
    assert set(kept["appointment_id"]) == set(table.drop_nulls(MISSED)[ID])
    assert f"{ahead:,} rows on 2026-03-" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.data_safety
def test_rows_in_quarantine_keep_their_number_and_their_cells(tmp_path: Path) -> None:
    early = cells(AGE, "999")(sound().sort(DAY))
    table = unknown(early.reverse(), "2026-03-09")
    validated(table, tmp_path)
    quarantine = written(tmp_path, "quarantine.parquet")
    assert quarantine.select("row", ID).rows() == [(ROWS, early[ID][0])]
    assert quarantine.columns == ["row", *table.columns, "rules"]


def test_an_outcome_that_is_lost_on_an_earlier_day_is_an_error(tmp_path: Path) -> None:
    table = sound().with_columns(pl.when(pl.col(DAY) < "2026-01-20").then(None).otherwise(MISSED).alias(MISSED))
    with pytest.raises(Refused, match="no_show-required by"):
        validated(table, tmp_path)


def test_one_outcome_with_a_mistyped_year_moves_nothing(tmp_path: Path) -> None:
    table = unknown(sound(), "2026-03-09")
    at = table.with_row_index("at").drop_nulls(MISSED)["at"][0]
    day = pl.when(pl.int_range(pl.len()) == at).then(pl.lit("2031-01-01T00:00:00Z")).otherwise(DAY).alias(DAY)
    facts = validated(table.with_columns(day), tmp_path)
    assert facts["ahead"] == table[MISSED].null_count()


def test_a_table_without_any_outcome_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no_show-required by 1,000"):
        validated(sound().with_columns(pl.lit(None, pl.String).alias(MISSED)), tmp_path)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["ahead"] == ""
