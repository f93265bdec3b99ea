"""Booster, calibrator and test share no row, and the test's outcomes reach nothing that is shipped."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from jobs.train import Knobs, fit, later, threshold
from rounds.bundle import Bundle, load
from rounds.errors import Refused
from rounds.manifest import Facts
from rounds.matrix import matrix
from rounds.metrics import ece, roc_auc, tally
from tests.checkout import Checkout
from tests.clinic import DEFINITION, appointments, knobs, train
from tests.warm import Warm

TABLE = appointments()


def trained(table: pl.DataFrame = TABLE, **changes: Any) -> tuple[Bundle, Facts]:
    return fit(table, knobs(Knobs, **changes), DEFINITION, "clinic")


def rows_of(table: pl.DataFrame, facts: Facts, name: str) -> pl.Series:
    days = table["day"].cast(pl.String)
    return (days >= facts["slices"][name]["first"]) & (days <= facts["slices"][name]["last"])


def test_slices_are_disjoint_and_in_order_of_time() -> None:
    _, facts = trained()
    parts = [rows_of(TABLE, facts, name) for name in ("fit", "calibrate", "test")]
    assert [part.sum() for part in parts] == [facts["slices"][name]["rows"] for name in facts["slices"]]
    assert all(sum(row) == 1 for row in zip(*parts, strict=True))
    bounds = [facts["slices"][name][end] for name in ("fit", "calibrate", "test") for end in ("first", "last")]
    assert bounds == sorted(bounds)


@pytest.mark.data_safety
def test_permuted_test_outcomes_leave_the_bundle_as_it_was() -> None:
    bundle, facts = trained()
    test = rows_of(TABLE, facts, "test").to_numpy()
    missed = TABLE["missed"].to_numpy().copy()
    missed[test] = np.random.default_rng(5).permutation(missed[test])
    permuted = TABLE.with_columns(pl.Series("missed", missed))
    assert not permuted.equals(TABLE)
    again, said = trained(permuted)
    assert again.digest == bundle.digest and said == facts


@pytest.mark.parametrize("name", ["fit", "calibrate"])
def test_the_outcomes_of_the_other_slices_do_not(name: str) -> None:
    bundle, facts = trained()
    mine = rows_of(TABLE, facts, name).to_numpy()
    missed = TABLE["missed"].to_numpy().copy()
    missed[mine] = np.random.default_rng(5).permutation(missed[mine])
    assert trained(TABLE.with_columns(pl.Series("missed", missed)))[0].digest != bundle.digest


def test_the_calibrate_slice_does_not_reach_the_booster() -> None:
    bundle, facts = trained()
    mine = rows_of(TABLE, facts, "calibrate")
    flipped = TABLE.with_columns(pl.when(mine).then(1 - pl.col("missed")).otherwise(pl.col("missed")).alias("missed"))
    again, _ = trained(flipped)
    assert again.model == bundle.model and again.calibrator != bundle.calibrator


@pytest.mark.data_safety
def test_threads_leave_the_bundle_as_it_was() -> None:
    assert trained(train=train(threads=1)) == trained(train=train(threads=3))


def test_scores_are_calibrated_although_the_classes_are_weighted() -> None:
    bundle, facts = trained(appointments(20_000))
    test = appointments(20_000).filter(rows_of(appointments(20_000), facts, "test"))
    counted = tally(bundle.score(matrix(test, bundle.features)), test["missed"].to_numpy())
    assert ece(counted) < 0.03 and roc_auc(counted) > 0.65
    raw = 1 / (1 + np.exp(-bundle.raw(matrix(test, bundle.features))))
    assert ece(tally(raw, test["missed"].to_numpy())) > 0.1


def test_the_threshold_calls_as_many_as_can_be_called() -> None:
    scores = np.array([0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    assert threshold(scores, 0.2) == 0.8
    assert threshold(scores, 0.29) == 0.8
    assert threshold(scores, 0.85) == 0.3  # the two of 0.2 would be one too many
    assert threshold(np.full(9, 0.3), 0.1) == 0.3


def test_the_calibrate_slice_is_halved_by_whole_days() -> None:
    days = pl.Series([0, 0, 0, 1, 2, 2, 3]).cast(pl.Int32).cast(pl.Date)
    assert later(days).tolist() == [False] * 3 + [True] * 4
    with pytest.raises(Refused, match="the calibrate slice has 1 day; want at least 2"):
        later(days.head(3))


def test_a_slice_with_one_outcome_is_refused() -> None:
    with pytest.raises(Refused, match="rows of the fit slice have the same missed; want both outcomes"):
        trained(TABLE.with_columns(pl.lit(0).alias("missed")))


def test_the_reference_counts_the_whole_weeks_of_the_calibrate_slice() -> None:
    bundle, facts = trained()
    last = pl.lit(facts["slices"]["calibrate"]["last"]).str.to_date()
    rows = TABLE.filter(pl.col("day") <= last, pl.col("day") > last - pl.duration(days=7))
    assert rows.height < facts["slices"]["calibrate"]["rows"]
    for histogram in (*bundle.reference["features"].values(), bundle.reference["scores"]):
        assert sum(histogram["counts"]) == rows.height >= histogram["effective"]
    had = bundle.reference["outcomes"]
    assert (had["rows"], had["true"]) == (rows.height, rows["missed"].sum()) and 0 < had["effective"] <= rows.height


@pytest.fixture(scope="module")
def upstream(unchanged: Checkout, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Everything left of train, done once."""
    checkout = unchanged.at(tmp_path_factory.mktemp("upstream"))
    for step in ("ingest", "validate", "features"):
        assert warm.run(checkout, step).code == 0
    return checkout


def test_the_step_writes_a_bundle_that_answers(upstream: Checkout, warm: Warm) -> None:
    assert warm.run(upstream, "tune").code == 99
    ended = warm.run(upstream, "train")
    assert ended.code == 0, ended.text
    bundle = load(lambda name: upstream.file("train", name))
    facts = upstream.content("train")["facts"]
    assert facts["bundle"] == bundle.digest and facts["searched"] is False
    assert bundle.definition == (upstream.root / "problems/noshow/features.py").read_text(encoding="utf-8")
    table = pl.read_parquet(upstream.file("features", "table.parquet"))
    assert len(bundle.score(matrix(table, bundle.features))) == table.height
    assert bundle.rebuild().names == bundle.features


def test_knobs_come_from_the_search_that_was_asked_for(upstream: Checkout, warm: Warm) -> None:
    asked = warm.run(upstream, "tune", "a", "--search", "yes")
    assert asked.code == 0, asked.text
    tuned = upstream.content("tune")
    assert tuned["verdict"] == "done" and set(tuned["files"]) == {"trials.json", "trials.svg"}
    ended = warm.run(upstream, "train")
    assert ended.code == 0, ended.text
    facts, best = upstream.content("train")["facts"], tuned["facts"]["best"]
    assert facts["searched"] is True
    assert {name: facts["knobs"][name] for name in best} == best


def test_on_the_real_table_scores_can_be_believed(warm: Warm, unchanged: Checkout, tmp_path: Path) -> None:
    if "ROUNDS_DATA" not in os.environ:
        pytest.skip("ROUNDS_DATA is not set: no real table here")
    source = Path(os.environ["ROUNDS_DATA"]) / "noshow.csv.gz"
    (tmp_path / "noshow.csv").write_bytes(gzip.decompress(source.read_bytes()))
    checkout = unchanged.at(tmp_path)
    assert warm.run(checkout, "ingest", "a", "--source", str(tmp_path / "noshow.csv")).code == 0
    assert [warm.run(checkout, step).code for step in ("validate", "features", "tune", "train")] == [0, 0, 99, 0]
    facts = checkout.content("train")["facts"]
    assert facts["slices"]["test"]["first"] == "2016-05-30" and facts["knobs"]["scale_pos_weight"] is True
    bundle = load(lambda name: checkout.file("train", name))
    table = pl.read_parquet(checkout.file("features", "table.parquet"))
    test = table.filter(pl.col("appointment_day") >= pl.date(2016, 5, 30))
    counted = tally(bundle.score(matrix(test, bundle.features)), test["no_show"].to_numpy())
    assert ece(counted) <= 0.03
    assert 0.722 <= roc_auc(counted) <= 0.745
    assert json.dumps(facts)  # plain values only
