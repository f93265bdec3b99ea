"""`build_features(df)` in a notebook gives the numbers of the pipeline, to the last bit."""

from __future__ import annotations

import datetime
import io
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from problems.noshow import build_features
from problems.noshow.simulate import simulate
from rounds.errors import Refused
from rounds.settings import ROOT
from tests.checkout import Checkout
from tests.warm import Warm


@pytest.fixture(scope="module")
def ran(unchanged: Checkout, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A run over simulated appointments, some of them bad."""
    checkout = unchanged.at(tmp_path_factory.mktemp("ran"))
    table = next(simulate(patients=1_500, seed=5, start=datetime.date(2026, 1, 5), weeks=12))
    spoilt = pl.when(pl.int_range(pl.len()).is_in([3, 500])).then(pl.lit("999")).otherwise("Age").alias("Age")
    table.with_columns(spoilt).write_csv(checkout.place / "raw.csv")
    for step in ("ingest", "validate", "features"):
        ended = warm.run(checkout, step, SOURCE=str(checkout.place / "raw.csv"))
        assert ended.code == 0, ended.text
    assert checkout.content("validate")["facts"]["quarantined"] > 0
    return checkout


def expected(ran: Checkout) -> pl.DataFrame:
    """Features and outcomes of the pipeline, in the order of the raw table."""
    numbers = pl.read_parquet(ran.file("validate", "table.parquet")).select("appointment_id")
    features = pl.read_parquet(ran.file("features", "table.parquet"))
    return numbers.join(features, on="appointment_id", how="left", maintain_order="left")


def raw(ran: Checkout) -> pl.DataFrame:
    return pl.read_parquet(ran.file("ingest", "table.parquet"))


def check(found: tuple[Any, Any], wanted: pl.DataFrame) -> None:
    matrix, outcomes = found
    assert wanted.columns[-len(matrix.columns) :] == list(matrix.columns)
    assert matrix.to_numpy().tobytes() == wanted.select(list(matrix.columns)).to_numpy().tobytes()
    assert np.array_equal(outcomes.to_numpy(), wanted["no_show"].to_numpy())


def test_polars(ran: Checkout) -> None:
    with pytest.warns(UserWarning, match="rows break a rule"):
        found = build_features(raw(ran))
    assert isinstance(found[0], pl.DataFrame)
    check(found, expected(ran))
    with pytest.warns(UserWarning, match="rows break a rule"):
        check(build_features(raw(ran).lazy()), expected(ran))


def test_pandas_as_it_reads_a_csv(ran: Checkout) -> None:
    read = pd.read_csv(io.BytesIO(raw(ran).write_csv().encode()))
    read.index = read.index + 1_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix, outcomes = build_features(read)
    assert matrix.index.equals(outcomes.index)
    assert matrix.index.min() >= 1_000
    ids = read.loc[matrix.index, "AppointmentID"].astype(str).str.removesuffix(".0")
    wanted = pl.DataFrame({"appointment_id": ids.to_list()}).join(
        expected(ran), on="appointment_id", how="left", maintain_order="left"
    )
    check((matrix, outcomes), wanted)


def test_parsed_days_are_the_same_days(ran: Checkout) -> None:
    good = raw(ran).filter(pl.col("Age").cast(pl.Int64, strict=False).is_between(0, 120)).head(500)
    parsed = pd.read_csv(io.BytesIO(good.write_csv().encode()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, _ = build_features(parsed)
        for name in ("ScheduledDay", "AppointmentDay"):
            parsed[name] = pd.to_datetime(parsed[name], errors="coerce", utc=True)
        days, _ = build_features(parsed)
    assert plain.loc[days.index].equals(days)


def test_a_table_that_is_none(ran: Checkout) -> None:
    with pytest.raises(Refused, match="no column Age, No-show"):
        build_features(raw(ran).drop("Age", "No-show"))
    with pytest.raises(TypeError, match="this is a dict"):
        build_features({})
    with pytest.raises(Refused, match="each of the 9 rows breaks a rule"):
        build_features(raw(ran).head(9).with_columns(Age=pl.lit("none")))


def test_the_real_table(tmp_path: Path) -> None:
    data = os.environ.get("ROUNDS_DATA")
    if not data:
        pytest.skip("ROUNDS_DATA is not set: no real table here")
    with pytest.warns(UserWarning, match="6 of 110,527 rows"):
        matrix, outcomes = build_features(pd.read_csv(Path(data) / "noshow.csv.gz"))
    assert (len(matrix), len(outcomes)) == (110_521, 110_521)


def test_a_definition_alone_loads_no_library() -> None:
    script = "import sys, problems.noshow.features; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0
