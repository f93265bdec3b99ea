"""Performance: calls that work fool the naive figures and not the weighted ones; alarms only beyond chance."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest

from jobs.watching.performance import Asked, Rows, by_window, judge, sliced, target
from rounds.metrics import roc_auc, tally
from rounds.reference import statistics
from tests.jobs.watching.calling import clinic

ASKED = Asked(rows=200, margin=0.005, ece=0.03, false_alarms=0.01, seed=7)
UNKNOWN = float("nan")


@cache
def true_auc() -> float:
    """Of everybody, untouched: what only the simulation knows."""
    found = clinic(999, 100_000)
    return float(roc_auc(tally(found.rows.score, found.truth.astype(np.int64))))


def exam(auc: float) -> dict[str, Any]:
    return {"auc": {"value": auc, "low": auc - 0.01, "high": auc + 0.01}}


def test_with_calls_that_work_the_naive_auc_falls_and_the_weighted_one_does_not() -> None:
    truth = true_auc()
    held, naive, wrong = 0, [], 0
    for seed in range(60):
        found = judge(clinic(seed, 1500).rows, exam(truth), ASKED)
        assert found["method"] == "inverse probability"
        realised = found["auc"]["realised"]
        held += realised["low"] <= truth <= realised["high"]
        naive.append(found["auc"]["naive"])
        wrong += found["verdict"] == "worse"
    assert held >= 53  # of 60 intervals of 95%: fewer would come by chance once in two hundred times
    assert all(each["high"] < truth for each in naive)
    assert truth - np.mean([each["value"] for each in naive]) > 0.08
    assert wrong <= 2


def test_calls_for_certain_leave_those_who_were_not_called() -> None:
    found = judge(clinic(3, chance=1.0).rows, exam(true_auc()), ASKED)
    assert found["method"] == "not called only" and "for certain" in found["says"][-1]
    # the highest scores are gone, so is the ease of telling them apart: that is no fault of the model
    assert found["auc"]["realised"]["high"] < found["auc"]["tested"]["value"]
    assert found["verdict"] == "as_expected" and found["drop_against"] == "promised"
    assert abs(found["drop"]) < 0.05


@pytest.mark.parametrize("chance", [UNKNOWN, 0.0])
def test_a_chance_that_is_not_known_is_not_made_up(chance: float) -> None:
    rows = clinic(3).rows
    unsaid = dataclasses.replace(rows, propensity=np.where(rows.acted, rows.propensity, chance))
    assert judge(unsaid, {}, ASKED)["method"] == "not called only"
    nothing = dataclasses.replace(rows, propensity=np.full(len(rows.score), UNKNOWN))
    found = judge(nothing, {}, ASKED)
    assert found["method"] == "not called only" and "not on record" in found["says"][-1]


def test_nobody_called_is_everybody_counted() -> None:
    rows = clinic(3).rows
    calm = dataclasses.replace(rows, acted=np.zeros(len(rows.score), bool), propensity=rows.propensity * UNKNOWN)
    found = judge(calm, {}, ASKED)
    assert found["method"] == "all" and found["labels"] == len(rows.score) and found["called"] == 0
    assert found["auc"]["realised"] == found["auc"]["naive"]


def test_a_model_that_ranks_worse_is_told_and_against_what() -> None:
    found = judge(clinic(5, noise=3.0).rows, exam(true_auc()), ASKED)
    assert found["verdict"] == "worse" and found["drop"] > 0.05
    assert "what the scores of the same rows promise" in found["says"][0]
    assert "the champion's own test" in found["says"][1]
    assert found["auc"]["estimated"]["value"] > found["auc"]["realised"]["high"], "CBPE believes the calibration"


def sloped(seed: int, slope: float, rows: int = 8000) -> Rows:
    """Scores that were always too sure of themselves: the truth is their log odds, flatter."""
    draw = np.random.Generator(np.random.PCG64(seed))
    margin = draw.normal(0, 0.9, rows)
    score, risk = (1 / (1 + np.exp(1.5 - margin * each)) for each in (1.0, slope))
    happened = (draw.random(rows) < risk).astype(np.float64)
    calm, none = np.zeros(rows, bool), np.zeros(rows, np.int64)
    who = np.arange(rows)
    return Rows(score, happened, calm, np.full(rows, UNKNOWN), who, who % 40, none, calm)


@pytest.mark.parametrize("slope", [0.8, 0.9])
def test_a_model_that_is_as_good_as_its_test_is_not_worse_however_sure_of_itself(slope: float) -> None:
    many = sloped(99, slope, 400_000)
    truth = float(roc_auc(tally(many.score, many.outcome.astype(np.int64))))
    held, alone = ([judge(sloped(seed, slope), on, ASKED) for seed in range(20)] for on in (exam(truth), {}))
    assert sum(each["verdict"] == "worse" for each in held) <= 1  # 1% is asked: more come once in 60 tries
    assert sum(each["verdict"] == "worse" for each in alone) <= 1
    assert any("that alone is no fall" in each["says"][0] for each in held)


def test_a_fall_from_the_promise_alone_counts_beyond_what_the_gate_lets_pass() -> None:
    rows = clinic(5, noise=3.0).rows
    certain = dataclasses.replace(rows, propensity=rows.propensity * UNKNOWN)
    found = judge(certain, exam(true_auc()), ASKED)
    assert found["method"] == "not called only" and found["drop_against"] == "promised"
    assert "below what the scores of the same rows promise" in found["says"][0]
    ungated = judge(certain, {}, dataclasses.replace(ASKED, ece=None))
    assert ungated["verdict"] == "as_expected", "no gate says how much scores may promise"


def test_a_test_without_an_interval_is_not_held() -> None:
    unsure = {"auc": {"value": 0.9, "low": None, "high": None}}
    assert judge(clinic(5).rows, unsure, ASKED)["drop_against"] == "promised"


def test_the_chance_of_a_message_is_not_that_of_no_call() -> None:
    drifted = 0
    for seed in range(20):
        rows = clinic(seed).rows
        draw = np.random.Generator(np.random.PCG64(seed))
        low = rows.score < np.quantile(rows.score, 0.5)
        sent = low & (draw.random(len(low)) < 0.3)
        chance = np.where(low, np.where(sent, 0.3, 0.7), rows.propensity)
        mixed = dataclasses.replace(rows, otherwise=sent, propensity=chance)
        told = target(mixed, {"rows": 10_000, "true": 2380}, ASKED)
        drifted += bool(told and told["drifted"])
    found = judge(mixed, {}, ASKED)
    assert drifted == 0 and found["method"] == "not called only" and "such as messages" in found["says"][-1]
    certain = dataclasses.replace(mixed, propensity=np.where(low, UNKNOWN, rows.propensity))
    assert judge(certain, {}, ASKED)["method"] == "inverse probability", "messages without a chance disturb nothing"


@pytest.mark.parametrize(("patients", "verdict"), [(2, "unseen"), (29, "unseen"), (30, "as_expected")])
def test_outcomes_of_few_patients_say_nothing(patients: int, verdict: str) -> None:
    rows = clinic(5, 500).rows
    few = dataclasses.replace(rows, who=np.arange(len(rows.score)) % patients)
    found = judge(few, {}, ASKED)
    assert found["verdict"] == verdict
    assert verdict != "unseen" or f"are of {patients} patients; want at least 30" in found["says"][0]
    assert (found["auc"]["estimated"] is None) == (verdict == "unseen")


def test_a_sure_but_small_change_of_the_rate_does_not_matter() -> None:
    rows = sloped(1, 1.0, 400_000)
    was = round(60_000 * (rows.outcome.mean() - 0.01))
    told = target(rows, {"rows": 60_000, "true": was}, ASKED)
    assert told is not None and told["low"] > told["reference"] and told["drifted"] is False
    strict = target(rows, {"rows": 60_000, "true": was}, dataclasses.replace(ASKED, ece=0.005))
    assert strict is not None and strict["drifted"] is True


def test_a_drop_that_is_small_or_unsure_is_no_alarm() -> None:
    noisy = clinic(5, 400, noise=0.8).rows
    assert judge(noisy, exam(true_auc()), ASKED)["verdict"] == "as_expected"
    lenient = dataclasses.replace(ASKED, margin=0.4, ece=None)
    assert judge(clinic(5, noise=3.0).rows, exam(true_auc()), lenient)["verdict"] == "as_expected"


def test_risks_that_cannot_be_believed_any_more_are_told() -> None:
    found = judge(clinic(5, off=0.6).rows, exam(true_auc()), ASKED)
    assert found["verdict"] == "worse" and "calibration error" in found["says"][0]
    assert found["calibration"]["low"] > 1.2
    assert judge(clinic(5).rows, {}, ASKED)["calibration"]["low"] < 1


def test_before_outcomes_there_is_an_estimate_and_no_verdict() -> None:
    rows = clinic(5).rows
    early = dataclasses.replace(rows, outcome=rows.outcome * UNKNOWN)
    found = judge(early, exam(true_auc()), ASKED)
    assert found["verdict"] == "unseen" and found["auc"]["realised"] is None and found["drop"] is None
    assert found["auc"]["estimated"]["value"] == pytest.approx(true_auc(), abs=0.02)
    assert "0 outcomes" in found["says"][0]


@pytest.mark.parametrize("rows", [0, 1, 10, 199])
def test_few_rows_say_nothing_and_break_nothing(rows: int) -> None:
    few = clinic(5).rows.of(np.arange(8000) < rows)
    found = judge(few, exam(0.7), ASKED)
    assert found["verdict"] == "unseen"
    assert target(few, {"rows": 1000, "true": 200}, ASKED) is None
    assert [each["auc"] for each in by_window(few, 2, ASKED)] == [None, None]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_outcome_alone_says_nothing(value: float) -> None:
    rows = clinic(5).rows
    found = judge(dataclasses.replace(rows, outcome=np.full(len(rows.score), value)), exam(0.7), ASKED)
    assert found["verdict"] == "unseen" and "of the one kind" in found["says"][0]


def test_few_who_stand_for_many_are_not_enough() -> None:
    found = judge(clinic(5, 600, capacity=0.5, chance=0.98).rows, exam(0.7), ASKED)
    assert found["effective"] < 200 < found["labels"]
    assert found["verdict"] == "unseen" and "weigh as much as" in found["says"][0]


def test_the_rate_of_outcomes_is_held_against_that_of_then() -> None:
    rows: Rows = clinic(5).rows
    same, other = ({"rows": 5000, "true": true} for true in (1190, 700))
    told = target(rows, same, ASKED)
    assert told is not None and told["low"] < 0.238 < told["high"] and told["drifted"] is False
    moved = target(rows, other, ASKED)
    assert moved is not None and moved["drifted"] is True
    alone = target(clinic(5, chance=1.0).rows, other, ASKED)
    assert alone is not None and alone["drifted"] is None, "those who are left have another rate"


def test_patients_who_come_again_raise_no_more_alarms_than_asked() -> None:
    """Of 300 patients each who come eight times, all alike: one row is worth an eighth."""
    draw, asked, alarms = np.random.default_rng(4), dataclasses.replace(ASKED, ece=None, false_alarms=0.1), 0
    who = np.repeat(np.arange(300), 8)
    none = np.zeros(len(who), dtype=np.int64)
    for _ in range(200):
        then, now = ((draw.random(300) < 0.2)[who].astype(np.float64) for _ in range(2))
        made = statistics((), np.zeros((len(who), 0)), then, then, who, np.zeros(len(who)))["outcomes"]
        told = target(Rows(now, now, none > 0, none + 1.0, who, np.arange(len(who)) % 40, none, none > 0), made, asked)
        alarms += told is not None and told["drifted"]
    assert 8 <= alarms <= 34  # 20 are asked; chance alone leaves this range in one of 300 tries


def test_windows_and_parts_are_told_apart() -> None:
    rows = clinic(5).rows
    halves = dataclasses.replace(rows, window=(rows.who < 2000).astype(np.int64))
    told = by_window(halves, 3, ASKED)
    assert [each["labels"] > 0 for each in told] == [True, True, False]
    small = np.arange(len(rows.score)) < 50
    parts = sliced(rows, iter([("sex", "F", ~small), ("sex", "M", small)]), ASKED)
    assert parts[0]["auc"]["low"] < parts[0]["auc"]["value"]
    assert parts[1] == {
        **{"slice": "sex", "part": "M", "rows": 50, "auc": None, "naive": None, "estimated": None},
        **{"labels": parts[1]["labels"], "calibration": None},
    }


def test_figures_account_for_days_that_differ() -> None:
    """On half of the days twice as many stay away: nobody knows how many such days the next weeks have."""
    rows = sloped(3, 1.0)
    more = (rows.day % 2 == 0) & (np.random.default_rng(1).random(8000) < 0.2)
    worse = dataclasses.replace(rows, outcome=np.where(more, 1.0, rows.outcome))
    alone = dataclasses.replace(worse, day=np.zeros(8000, np.int64))
    both, patients = (judge(each, {}, ASKED) for each in (worse, alone))
    widths = [each["calibration"]["high"] - each["calibration"]["low"] for each in (both, patients)]
    assert widths[0] > 1.5 * widths[1]
    assert both["ece"]["realised"]["low"] < patients["ece"]["realised"]["low"]


def test_outcomes_of_few_days_are_said_to_be_so() -> None:
    rows = sloped(3, 1.0)
    week = judge(dataclasses.replace(rows, day=rows.day % 7), {}, ASKED)
    assert week["days"] == 7 and "there are 7 days, and below 8 nobody can see how days differ" in " ".join(
        week["says"]
    )
    assert "nobody can see" not in " ".join(judge(rows, {}, ASKED)["says"])
