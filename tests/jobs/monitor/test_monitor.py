"""What monitor says of a calm clinic, of a changed one and of next to nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

import problems
from jobs.monitor import Knobs, watch
from jobs.watching.champion import Champion
from jobs.watching.page import page, verdict
from jobs.watching.predictions import Predictions, assemble
from tests.jobs.monitor.clinic import Clinic, Found

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
Change = Callable[[pl.DataFrame], pl.DataFrame]


def knobs() -> Knobs:
    of = problems.problem("noshow")
    return Knobs(**{field.name: getattr(of, field.name) for field in dataclasses.fields(Knobs)})


def look(clinic: Clinic, change: Change = lambda table: table, **collected: Any) -> tuple[Found, Predictions]:
    """The figures without the step around them; `change` alters what collect brought."""
    table, facts = clinic.collected()
    made = (clinic.world.to - timedelta(days=40)).isoformat()
    tested = {"auc": {"value": 0.7, "low": 0.65, "high": 0.75}}
    by = Champion(1, clinic.bundle, made, tested, {})
    seen = assemble(change(table).lazy(), by.bundle, knobs().evaluate.slices, lambda digest: digest == "alike")
    found, shown = watch(seen, by, {**facts, **collected}, knobs())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["says"] and "<h1>" in page(found, shown)
    return found, seen


def test_a_calm_clinic_is_told_with_figures(clinic: Clinic) -> None:
    found, seen = look(clinic)
    assert [each["rows"] for each in found["windows"]] == clinic.collected()[1]["rows_per_window"]
    assert found["seen"] == "enough" and found["age_days"] == 40
    performance = found["performance"]
    assert performance["method"] == "inverse probability" and performance["called"] > 100
    assert performance["new_labels"] == len(seen.score) - performance["called"]
    assert performance["auc"]["naive"]["value"] < performance["auc"]["realised"]["value"]
    assert {each["slice"] for each in performance["slices"]} == {"sex", "age_band", "same_day", "known_patient"}
    assert {each["part"] for each in performance["slices"]} >= {"F", "M", "under 12", "60 and over", "yes", "no"}
    assert len(found["drift"]["features"]) == len(clinic.bundle.features)
    assert found["drift"]["target"]["low"] < 0.25


def test_an_empty_journal_is_not_well(clinic: Clinic) -> None:
    found, _ = look(clinic, lambda table: table.clear())
    assert found["seen"] == "nothing" and verdict(found) == ("alarm", "Too little was seen to say anything")
    assert found["drift"]["verdict"] == found["performance"]["verdict"] == "unseen"
    assert "holds no prediction" in found["says"][0]


def test_ten_rows_are_too_few(clinic: Clinic) -> None:
    found, _ = look(clinic, lambda table: table.tail(10))
    assert found["seen"] == "little" and verdict(found)[0] == "alarm"
    assert "holds 10 predictions, too few" in found["says"][0]
    assert found["performance"]["auc"]["realised"] is None and found["performance"]["verdict"] == "unseen"


def test_outcomes_count_however_old_and_drift_is_of_the_windows(clinic: Clinic) -> None:
    whole, _ = look(clinic)
    found, _ = look(clinic, lambda table: table.with_columns(pl.col("window") + 4))
    assert found["seen"] == "nothing" and found["drift"]["verdict"] == "unseen"
    assert found["performance"]["labels"] == whole["performance"]["labels"] > 0
    assert found["performance"]["auc"] == whole["performance"]["auc"]
    assert {each["labels"] for each in found["performance"]["windows"]} == {0}


def test_one_outcome_alone_is_no_performance(clinic: Clinic) -> None:
    found, _ = look(clinic, lambda table: table.with_columns(outcome=pl.lit(False), action=pl.lit("none")))
    assert found["performance"]["verdict"] == "unseen" and found["drift"]["target"] is None
    assert any("of the one kind" in each for each in found["says"])


def test_a_feature_that_is_gone_is_told_by_name(clinic: Clinic) -> None:
    at = clinic.bundle.features.index("age")
    gone = [None if place == at else 1.0 for place in range(len(clinic.bundle.features))]
    change = pl.concat_list(
        pl.col("features").list.get(place) if keep else pl.lit(None, pl.Float32) for place, keep in enumerate(gone)
    )
    found, seen = look(clinic, lambda table: table.with_columns(features=change))
    assert np.isnan(seen.matrix[:, at]).all()
    assert any(each.startswith("age: all values are missing") for each in found["says"])
    assert found["drift"]["verdict"] == "drift"


def test_a_column_that_the_champion_never_saw_is_told(clinic: Clinic) -> None:
    found, _ = look(clinic, lambda table: table.with_columns(input_weather=pl.lit("rain")))
    assert "Columns were sent that the champion never saw: weather." in found["says"]


def test_rows_of_other_models_count_where_they_are_alike(clinic: Clinic) -> None:
    def other(name: str) -> Change:
        half = pl.int_range(pl.len()) % 2 == 0
        return lambda table: table.with_columns(
            bundle=pl.when(half).then(pl.lit(name)).otherwise("bundle"),
            score=pl.when(half).then(0.5).otherwise("score"),
        )

    whole, everything = look(clinic)
    found, seen = look(clinic, other("alike"))
    assert seen.left["other_features"] == 0 and seen.own.sum() == len(everything.own) // 2
    np.testing.assert_array_equal(seen.score, everything.score)
    assert found["drift"]["prediction"] == whole["drift"]["prediction"]
    assert found["performance"]["labels"] < whole["performance"]["labels"]
    found, seen = look(clinic, other("another"))
    assert seen.left["other_features"] == len(everything.own) - len(everything.own) // 2 and seen.own.all()
    assert f"{seen.left['other_features']:,} predictions of models with other features were left out." in found["says"]


def test_rows_that_name_no_patient_are_told_apart(clinic: Clinic) -> None:
    first = pl.int_range(pl.len()) < 3
    nobody = pl.when(~first).then("who")
    found, seen = look(clinic, lambda table: table.sort("last", descending=True).with_columns(who=nobody))
    assert seen.left == {"other_features": 0, "no_patient": 3}
    assert "3 predictions that name no patient were left out." in found["says"]


def test_a_shifted_world_is_drift_and_no_harm(clinic: Clinic) -> None:
    names = clinic.bundle.features
    older = pl.concat_list(
        pl.col("features").list.get(at) + (25 if name == "age" else 0) for at, name in enumerate(names)
    )

    def shifted(table: pl.DataFrame) -> pl.DataFrame:
        """Everybody is older, and what happens is what the scores say."""
        happens = np.random.default_rng(7).random(table.height) < table["score"].to_numpy()
        return table.with_columns(
            features=older.cast(pl.List(pl.Float32)), outcome=pl.Series(happens), action=pl.lit("none")
        )

    found, _ = look(clinic, shifted)
    age = next(each for each in found["drift"]["features"] if each["feature"] == "age")
    assert age["matters"] and found["drift"]["verdict"] == "drift"
    assert found["performance"]["verdict"] == "as_expected"
    assert verdict(found) == ("alarm", "The world has drifted; the model's performance is as expected")


def test_what_could_not_be_seen_is_said(clinic: Clinic) -> None:
    found, _ = look(clinic, trouble=["2 parts could not be read"])
    assert "Could not be seen: 2 parts could not be read." in found["says"]


HISTORY = ("patient_visits", "patient_missed", "patient_missed_rate", "patient_last_missed", "days_since_visit")


def without_histories(clinic: Clinic, share: float) -> Change:
    """The service could not reach the histories for this share of the predictions: each got an empty one."""
    names = clinic.bundle.features
    definition = clinic.bundle.rebuild()
    empty = dict(
        zip(names, definition.numbers({"scheduled_day": NOON, "appointment_day": NOON.date()}, {}), strict=True)
    )
    lost = pl.int_range(pl.len()) % 100 < 100 * share

    def change(table: pl.DataFrame) -> pl.DataFrame:
        values = [
            pl.lit(empty[name], pl.Float32)
            if name in (*HISTORY, "area_missed_rate")
            else pl.col("features").list.get(at)
            for at, name in enumerate(names)
        ]
        features = pl.concat_list(values)
        return table.with_columns(
            history=pl.when(lost).then(pl.lit("down")).otherwise("history"),
            features=pl.when(lost).then(features).otherwise("features"),
        )

    return change


def test_lost_histories_are_a_finding_and_the_features_are_named(clinic: Clinic) -> None:
    """They move by themselves, so drift does not judge them: nothing else would show it."""
    found, _ = look(clinic, without_histories(clinic, 1.0))
    history = found["history"]
    assert (history["verdict"], history["down"]) == ("lost", 1.0)
    assert {each["down"] for each in history["windows"]} == {1.0}
    assert set(history["constant"]) == {*HISTORY, "area_missed_rate"}
    assert verdict(found)[0] == "alarm" and "without histories" in verdict(found)[1]
    says = " ".join(found["says"])
    assert "100.0% of the newest window was predicted without histories" in says and "patient visits" in says


def test_some_lost_histories_are_a_finding_above_the_bound(clinic: Clinic) -> None:
    found, _ = look(clinic, without_histories(clinic, 0.5))
    history = found["history"]
    assert (history["verdict"], history["constant"]) == ("lost", [])
    assert 0.4 < history["down"] < 0.6
    found, _ = look(clinic, without_histories(clinic, 0.02))
    assert found["history"]["verdict"] == "there" and found["history"]["down"] > 0


def test_a_calm_clinic_has_its_histories_and_no_constant_feature(clinic: Clinic) -> None:
    found, _ = look(clinic)
    history = found["history"]
    assert (history["verdict"], history["down"], history["constant"]) == ("there", 0.0, [])
    assert [each["rows"] for each in history["windows"]] == [each["rows"] for each in found["windows"]]


def test_few_predictions_say_nothing_of_histories(clinic: Clinic) -> None:
    found, _ = look(clinic, lambda table: table.tail(10))
    assert (found["history"]["verdict"], found["history"]["constant"]) == ("unseen", [])
