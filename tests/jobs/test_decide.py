"""Deciding: each rule in words, silence is not health, and one retrain for a reason, wherever decide is killed."""

from __future__ import annotations

import copy
import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.deciding.rules import judge
from rounds.manifest import Facts
from rounds.watched import Decide
from tests import tracked
from tests.checkout import Checkout
from tests.jobs.test_kills import objects
from tests.rounds.shelf import Shelf
from tests.warm import Warm

TO, LATER = "2026-11-21T05:00:00+00:00", "2026-11-22T05:00:00+00:00"


def auc(value: float) -> Facts:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def feature(name: str, psi: float | None = 0.01, **more: Any) -> Facts:
    return {"feature": name, "psi": psi, "drifted": False, "matters": False, "importance": 0.1, **more}


HEALTHY: Facts = {
    "to": TO,
    "bundle": "b1",
    "version": 1,
    "age_days": 20.0,
    "windows": [{"window": 0, "rows": 812, "seen": "enough"}],
    "drift": {
        "verdict": "none",
        "features": [feature("age"), feature("lead_days"), feature("appointment_month", 0.9)],
        "prediction": feature("score", importance=None),
        "target": {"rate": 0.2, "reference": 0.2, "drifted": False},
    },
    "performance": {
        "verdict": "as_expected",
        "labels": 512,
        "new_labels": 120,
        "drop": 0.02,
        "auc": {"realised": auc(0.72), "estimated": auc(0.73), "tested": auc(0.73)},
        "says": ["The AUC is what the champion's own test lets expect."],
    },
}
BLIND: Facts = {
    **HEALTHY,
    "age_days": None,
    "windows": [{"window": 0, "rows": 0, "seen": "nothing"}],
    "drift": {"verdict": "unseen", "features": [feature("age", None)], "prediction": None, "target": None},
    "performance": {"verdict": "unseen", "labels": 0, "new_labels": 0, "drop": None, "auc": {}, "says": []},
    "trouble": ["2 parts could not be read"],
}


def watched(**changes: Any) -> Facts:
    """What a healthy look says but for these: `performance__verdict="worse"` reaches into it."""
    found = copy.deepcopy(HEALTHY)
    for path, value in changes.items():
        *parts, last = path.split("__")
        place = found
        for part in parts:
            place = place[part]
        place[last] = value
    return found


MATTERS = [feature("age", 0.3, matters=True), feature("lead_days", 0.2, matters=True)]
WORSE = {"performance__verdict": "worse", "performance__says": ["The AUC is 0.080 below the champion's own test."]}
FALLEN = {"performance__verdict": "unseen", "performance__auc": {"estimated": auc(0.6), "tested": auc(0.73)}}


@pytest.mark.parametrize(
    ("asked", "changes", "rule", "asks", "says"),
    [
        (
            {},
            {"drift__features": MATTERS},
            "drift",
            "warn",
            "drifted: age (PSI 0.3), lead_days (PSI 0.2); the score is as good",
        ),
        ({}, {"drift__features": MATTERS[:1]}, "drift", "warn", "drifted: age"),
        ({}, {"drift__features": MATTERS, **FALLEN}, "drift", "retrain", "AUC is estimated at 0.600 (0.580 to 0.620)"),
        ({}, {"drift__features": MATTERS[:1], **FALLEN}, "drift", "warn", "AUC is estimated at 0.600"),
        ({}, {"drift__prediction": feature("score", 0.2, matters=True)}, "drift", "warn", "the score itself (PSI 0.2)"),
        (
            {},
            {"drift__target": {"rate": 0.3, "reference": 0.2, "drifted": True}},
            "drift",
            "warn",
            "the outcome's rate (30.0%, was 20.0%)",
        ),
        (
            {},
            {"history": {"verdict": "lost", "down": 1.0, "constant": ["visits", "missed"]}},
            "history",
            "warn",
            "100.0% of the newest window was predicted without histories; one value in all predictions: visits, missed",
        ),
        ({}, WORSE, "performance", "retrain", "by 512 outcomes: the AUC is 0.080 below the champion's own test"),
        ({"psi": 0.05}, {"drift__features": [feature("age", 0.06)]}, "psi", "retrain", "PSI above 0.05: age 0.06"),
        (
            {"drop": "10%"},
            {"performance__drop": 0.11},
            "drop",
            "retrain",
            "fell by 11.0% of what was tested; 10% is let pass",
        ),
        (
            {"drop": "10%"},
            {"performance__drop": 0.11, "performance__drop_against": "promised"},
            "drop",
            "retrain",
            "fell by 11.0% of what the scores of the same rows promise",
        ),
        ({"labels": 100}, {"performance__new_labels": 101}, "labels", "retrain", "101 outcomes are new"),
        ({}, {"age_days": 181.0}, "age", "retrain", "181 days old; 180 are let pass"),
        ({}, {"age_days": 181.0, "performance__new_labels": 0}, "age", "warn", "no outcome is new"),
    ],
)
def test_each_rule_says_what_it_asks(asked: Facts, changes: Facts, rule: str, asks: str, says: str) -> None:
    found = judge(watched(**changes), Decide.model_validate(asked), ["appointment_month"])
    (reason,) = found.reasons
    assert (reason.rule, reason.asks, found.verdict) == (rule, asks, asks)
    assert says in reason.says
    assert found.asking == ((rule,) if asks == "retrain" else ())


def test_a_rule_that_is_null_or_at_its_bound_asks_nothing() -> None:
    everything = watched(drift__features=MATTERS, age_days=999.0, performance__drop=0.5)
    assert judge(everything, Decide(drift=None, age=None)).verdict == "nothing"
    bounds = Decide.model_validate({"psi": 0.05, "drop": "10%", "labels": 100, "age": 180})
    at = watched(drift__features=[feature("age", 0.05)], age_days=180.0)
    at["performance"] |= {"drop": 0.1, "new_labels": 100}
    found = judge(at, bounds)
    assert (found.verdict, found.unseen) == ("nothing", ())


def test_harm_makes_two_reasons_of_drift() -> None:
    found = judge(watched(drift__features=MATTERS, **WORSE), Decide())
    assert found.asking == ("drift", "performance")
    assert "and outcomes show that the score got worse" in found.reasons[0].says


@pytest.mark.parametrize("end", ["estimated", "tested"])
def test_a_figure_without_an_interval_is_no_harm(end: str) -> None:
    fallen = copy.deepcopy(FALLEN)
    fallen["performance__auc"][end] |= {"low": None, "high": None}
    found = judge(watched(drift__features=MATTERS, **fallen), Decide())
    assert found.verdict == "warn" and "no harm is seen yet" in found.reasons[0].says


def test_what_could_not_be_seen_is_never_called_well() -> None:
    found = judge(BLIND, Decide.model_validate({"psi": 0.05, "drop": "10%", "labels": 100}))
    assert [(reason.rule, reason.asks) for reason in found.reasons] == [("seen", "warn")]
    assert [told.partition(":")[0] for told in found.unseen[:4]] == ["drift", "performance", "drop", "age"]
    assert found.unseen[4] == "2 parts could not be read"
    little = {**BLIND, "windows": [{"window": 0, "rows": 10, "seen": "little"}]}
    assert judge(little, Decide()).verdict == "nothing"
    assert "drift: the newest window (10 rows) does not say enough" in judge(little, Decide()).unseen
    windows = [{"window": 0, "rows": 900, "seen": "enough"}, {"window": 1, "rows": 9, "seen": "little"}]
    early = judge(watched(windows=windows, drift__verdict="unseen", drift__agree=3), Decide())
    assert early.unseen == ("drift: something moved; 3 windows must agree, and so far 1 says enough",)


@dataclass(frozen=True)
class Ward:
    """A store that monitor has looked at, and a registry with a champion."""

    checkout: Checkout
    warm: Warm

    def looks(self, run: str, facts: Facts) -> None:
        Shelf(self.checkout.store).put(run, "monitor", facts=facts, name="watch.json")

    def trains(self, run: str, step: str) -> None:
        Shelf(self.checkout.store).put(run, step)

    def decides(self, run: str, code: int, *more: str, **extra: str) -> Facts:
        ended = self.warm.run(self.checkout, "decide", run, *more, **extra)
        assert ended.code == code, ended.text
        return dict(self.checkout.content("decide", run)["facts"]) if code in {0, 99} else {}

    def asked(self) -> list[Facts]:
        return [json.loads(path.read_bytes()) for path in sorted((self.checkout.store / "noshow/.retrains").glob("*"))]

    def copy(self, place: Path) -> Ward:
        for name in ("store", "mlflow"):
            shutil.copytree(self.checkout.place / name, place / name)
        return Ward(self.checkout.at(place), self.warm)


def crown(checkout: Checkout, bundle: str) -> None:
    client = tracked.door(checkout.place / "mlflow").client
    if not client.search_registered_models():
        client.create_registered_model("NoShowXGBoost")
    made = client.create_model_version("NoShowXGBoost", f"/{bundle}", tags={"rounds.bundle": bundle})
    client.set_registered_model_alias("NoShowXGBoost", "champion", made.version)


@pytest.fixture
def ward(unchanged: Checkout, tmp_path: Path, warm: Warm) -> Ward:
    checkout = unchanged.at(tmp_path / "ward")
    crown(checkout, "b1")
    made = Ward(checkout, warm)
    made.looks("monday", watched(**WORSE))
    made.looks("tuesday", watched(**WORSE, to=LATER))
    return made


def test_a_drop_asks_once(ward: Ward) -> None:
    found = ward.decides("monday", 0)
    assert (found["verdict"], found["training"], found["held"]) == ("retrain", "retrain-monday", "")
    (entry,) = ward.asked()
    assert (entry["key"], entry["run"], entry["rules"]) == (found["key"], "monday", ["performance"])
    assert ward.decides("monday", 0) == found, "a retry goes on"
    ward.trains("retrain-monday", "ingest")
    assert ward.decides("monday", 0) == found
    held = ward.decides("tuesday", 99)
    assert (held["verdict"], held["key"], held["training"]) == ("warn", None, None)
    assert held["held"] == "training retrain-monday is under way, which run monday asked for"
    assert held["reasons"] == found["reasons"]
    ward.trains("retrain-monday", "register")
    assert ward.decides("tuesday", 99)["held"].startswith("asked already by run monday")
    assert ward.asked() == [entry]


def test_a_training_has_the_name_that_it_is_given(ward: Ward) -> None:
    assert ward.decides("monday", 0, "--training", "retrain-a:b")["training"].startswith("retrain-a-b-")


def test_nothing_and_warn_skip_and_say_why(ward: Ward) -> None:
    ward.looks("well", watched())
    ward.looks("blind", BLIND)
    assert ward.decides("well", 99) == {
        **dict.fromkeys(("key", "training")),
        **{"verdict": "nothing", "reasons": [], "unseen": [], "held": ""},
    }
    assert ward.decides("blind", 99)["verdict"] == "warn"
    assert "not seen: 2 parts could not be read" in ward.checkout.content("decide", "blind")["message"]
    assert ward.asked() == []


def test_a_champion_that_was_replaced_meanwhile_is_not_trained_again(ward: Ward) -> None:
    crown(ward.checkout, "b2")
    assert ward.decides("monday", 99)["held"] == "version 2 became champion after monitor had looked at another"
    assert ward.asked() == []


def test_no_look_and_no_champion_are_refused(ward: Ward) -> None:
    assert "'monitor' was not done" in ward.warm.run(ward.checkout, "decide", "never").sentence(2)
    tracked.door(ward.checkout.place / "mlflow").client.delete_registered_model_alias("NoShowXGBoost", "champion")
    ended = ward.warm.run(ward.checkout, "decide", "monday")
    assert ended.code == 2 and "has no champion" in ended.text


@pytest.mark.data_safety
def test_killed_at_any_point_it_asks_once(ward: Ward, tmp_path: Path) -> None:
    """Then its own retry, or only the run of the next day: one training is asked for and begins."""
    ward.copy(tmp_path / "peace").decides("monday", 0, FAULT_LOG=str(tmp_path / "points"))
    points = (tmp_path / "points").read_text(encoding="utf-8").splitlines()
    assert any("after claim noshow/.retrains" in point for point in points)
    states = set()
    for number, point in enumerate(points, start=1):
        killed = ward.copy(tmp_path / f"killed {number}")
        killed.decides("monday", -signal.SIGKILL, FAULT_AT=str(number))
        if (state := objects(killed.checkout.store)) in states:  # many points leave the store as it was
            continue
        states.add(state)
        tomorrow = killed.copy(tmp_path / f"tomorrow {number}")
        assert killed.decides("monday", 0)["training"] == "retrain-monday", point
        assert len(killed.asked()) == 1, point
        assert tomorrow.decides("tuesday", 0)["training"] == "retrain-tuesday", point
        tomorrow.trains("retrain-tuesday", "ingest")
        assert tomorrow.decides("monday", 99)["held"], f"monday's retry comes too late: {point}"
    assert len(states) > 3
