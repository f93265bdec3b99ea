"""A search tries every combination once, is judged on later days, and costs no more than was allowed."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import ParameterGrid

from jobs.searches import SEARCHES, grid
from jobs.searches.picture import draw
from jobs.searches.trial import Trial, table
from jobs.tune import Knobs, fitting_slice, prepare, trials
from rounds.errors import Refused
from rounds.families import FAMILIES
from rounds.folds import folds
from rounds.matrix import matrix
from tests.checkout import Checkout
from tests.clinic import FEATURES, appointments, knobs, sections, train, tune
from tests.warm import Warm

TABLE = appointments()


def searched(table: pl.DataFrame = TABLE, **changes: Any) -> tuple[list[Trial], Knobs]:
    wanted = knobs(Knobs, **changes)
    fitting, days = fitting_slice(table, wanted.split)
    made = folds(days, fitting["patient_id"].rank("dense").to_numpy(), wanted.tune.folds, apart=wanted.tune.apart)
    ticks: list[None] = []
    found = trials(prepare(fitting, made, wanted), wanted, lambda: ticks.append(None))
    assert len(ticks) == len(found)
    return found, wanted


@pytest.mark.parametrize("space", [{"trees": [1, 2], "depth": [3, 4, 5], "rate": [0.1, 0.2]}, {"leaf": [3]}])
def test_the_grid_is_the_one_of_scikit_learn(space: dict[str, list[Any]]) -> None:
    asked = tune(space=space, fits=1000)
    tried = [trial.knobs for trial in grid.search(asked, lambda knobs: Trial(knobs, (0.0,)))]
    assert tried == list(ParameterGrid(space))
    assert grid.trials(asked) == len(tried)


@pytest.mark.parametrize("engine", SEARCHES)
def test_a_search_beyond_the_budget_is_refused_with_both_numbers(engine: str) -> None:
    with pytest.raises(Refused, match=r"4 combinations, on 3 folds 12 fits; tune.fits allows 11"):
        SEARCHES[engine].trials(tune(engine=engine, fits=11))


def test_every_fold_is_scored_as_a_plain_loop_would() -> None:
    found, wanted = searched(tune=tune(apart=True))
    fitting, days = fitting_slice(TABLE, wanted.split)
    who = fitting["patient_id"].to_numpy()
    rows, missed, family = matrix(fitting, FEATURES), fitting["missed"].to_numpy(), FAMILIES["xgboost"]
    made = folds(days, np.unique(who, return_inverse=True)[1], 3, apart=True)
    for trial in found:
        for fold, score in zip(made, trial.scores, strict=True):
            model = family.fit(family.data(rows[fold.learn], missed[fold.learn]), train(**trial.knobs), 1)
            assert score == pytest.approx(roc_auc_score(missed[fold.judge], family.scorer(model)(rows[fold.judge])))


def test_log_loss_is_that_of_the_table_without_the_weights() -> None:
    weighted, _ = searched(tune=tune(score="log_loss"))
    plain, _ = searched(tune=tune(score="log_loss"), train=train(scale_pos_weight=False))
    for with_weights, without in zip(weighted, plain, strict=True):
        assert with_weights.mean == pytest.approx(without.mean, abs=0.02)
    best = table(weighted, "log_loss")[0]
    assert best["mean"] == min(trial.mean for trial in weighted)
    fitting, _ = fitting_slice(TABLE, sections()["split"])
    rate = fitting["missed"].mean()
    assert best["mean"] < log_loss(fitting["missed"], np.full(fitting.height, rate))


def test_threads_change_no_score() -> None:
    assert searched(train=train(threads=1))[0] == searched(train=train(threads=4))[0]


def test_neither_calibrate_nor_test_rows_reach_the_search() -> None:
    fitting, _ = fitting_slice(TABLE, sections()["split"])
    rest = TABLE.with_columns(
        pl.when(pl.col("day") > fitting["day"].max())
        .then(1 - pl.col("missed"))
        .otherwise(pl.col("missed"))
        .alias("missed")
    )
    assert searched(rest)[0] == searched()[0]


def test_equal_means_share_a_rank_and_the_first_leads() -> None:
    tried = [Trial({"depth": 1}, (0.5,)), Trial({"depth": 2}, (0.7,)), Trial({"depth": 3}, (0.7,))]
    rows = table(tried, "roc_auc")
    assert [(row["rank"], row["number"]) for row in rows] == [(1, 2), (1, 3), (3, 1)]
    assert [row["number"] for row in table(tried, "log_loss")] == [1, 2, 3]


def test_the_picture_is_well_formed_and_always_the_same() -> None:
    rows = table(searched()[0], "roc_auc")
    drawn = draw(rows, "roc_auc")
    assert drawn == draw(rows, "roc_auc")
    circles = ElementTree.fromstring(drawn).findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 4 * 3
    assert ElementTree.fromstring(draw(table([Trial({"depth": 1}, (0.5,))], "roc_auc"), "roc_auc")) is not None


def test_a_step_that_nobody_asked_for_says_so_once(unchanged: Checkout, warm: Warm, tmp_path: Any) -> None:
    checkout = unchanged.at(tmp_path)
    for step in ("ingest", "validate", "features"):
        assert warm.run(checkout, step).code == 0
    first, again = warm.run(checkout, "tune"), warm.run(checkout, "tune")
    assert (first.code, again.code) == (99, 99)
    assert "nobody asked for a search" in first.text and "nothing changed" in again.text
    content = checkout.content("tune")
    assert content["verdict"] == "skipped" and content["facts"]["best"]["trees"] > 0
