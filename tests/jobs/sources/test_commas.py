"""A csv with a decimal comma: its numbers are read, and what may be a mark of thousands is no number."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from jobs.sources.file import land_table
from rounds.decoding import READERS
from rounds.sourced import Csv
from tests.checkout import KNOBS, Checkout
from tests.warm import Warm


def test_numbers_of_a_column_are_read_and_no_other_column_is_touched(tmp_path: Path) -> None:
    source, target = tmp_path / "table.csv", tmp_path / "landed.parquet"
    cells = {"3,14": 3.14, "-2,": -2.0, ",5": 0.5, "1e-3": 0.001, "7": 7.0, "3.14": None, "1.000,5": None, "x": None}
    source.write_text("code;weight\n" + "".join(f"a,b.{cell};{cell}\n" for cell in cells), encoding="utf-8")
    land_table(source, target, tmp_path, ";", ["weight"])
    landed = pl.read_parquet(target)
    assert landed["code"].to_list() == [f"a,b.{cell}" for cell in cells]
    assert landed.select(READERS["number"](pl.col("weight"))).to_series().to_list() == list(cells.values())


def test_a_table_with_decimal_commas_is_the_table_with_points(checkout: Checkout, warm: Warm) -> None:
    assert warm.run(checkout, "ingest", "usual").well and warm.run(checkout, "validate", "usual").well
    raw = pl.read_parquet(checkout.file("ingest", "table.parquet", "usual"))
    age = pl.col("Age")
    source = checkout.place / "spreadsheet.csv"
    raw.with_columns(pl.when(age.str.contains("^[0-9]+$")).then(age + ",0").otherwise(age).alias("Age")).write_csv(
        source, separator=";"
    )
    checkout.change(KNOBS, "columns:\n", 'csv: {separator: ";"}\ncolumns:\n')
    assert warm.run(checkout, "ingest", "other", SOURCE=str(source)).well
    ended = warm.run(checkout, "validate", "other")
    assert ended.code == 2 and "age-type by " in ended.text
    checkout.change(KNOBS, 'csv: {separator: ";"}', 'csv: {separator: ";", decimal: ","}')
    for step in ("ingest", "validate"):
        ended = warm.run(checkout, step, "other", SOURCE=str(source))
        assert ended.well, ended.text
    tables = [checkout.content("validate", run)["files"]["table.parquet"] for run in ("usual", "other")]
    assert tables[0] == tables[1]


def test_one_mark_for_both_is_refused() -> None:
    with pytest.raises(ValidationError, match="separator and decimal are both ','; want another separator"):
        Csv.model_validate({"decimal": ","})
