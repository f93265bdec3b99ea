"""What drifts is said, what does not is not, and what cannot be seen is never called fine."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from jobs.watching.drift import Window, compare
from rounds import reference
from rounds.manifest import Facts
from rounds.watched import Monitor

NAMES = ("age", "lead", "flag", "constant")
ASKED = Monitor(resamples=1000)


def window(rows: int = 1000, seed: int = 1, age: float = 0.0, flag: float = 0.3) -> Window:
    draw = np.random.default_rng(seed)
    columns = (draw.normal(40 + age, 20, rows), draw.gamma(2, 8, rows).round(), draw.random(rows) < flag, np.ones(rows))
    return Window(np.column_stack(columns).astype(np.float32), draw.beta(1, 4, rows), np.arange(rows))


def made(of: Window | None = None) -> Facts:
    part = of or window(4000, seed=0)
    return reference.statistics(
        NAMES, part.matrix, part.scores, np.arange(len(part.scores)) % 2, part.who, np.zeros(len(part.scores))
    )


def compared(*windows: Window, asked: Monitor = ASKED, **changes: Any) -> Facts:
    given = {"reference": made(), "names": NAMES, "windows": windows, "asked": asked, "importance": {"age": 0.25}}
    return compare(**{**given, **changes})


def feature(found: Facts, name: str) -> Facts:
    return next(each for each in found["features"] if each["feature"] == name)


def altered(of: Window, column: int, value: float) -> Window:
    matrix = of.matrix.copy()
    matrix[:, column] = value
    return dataclasses.replace(of, matrix=matrix)


CALM = tuple(window(seed=seed) for seed in range(2, 6))
OLDER = tuple(window(seed=seed, age=15) for seed in range(12, 16))


def test_without_drift_nothing_is_said_to_drift() -> None:
    found = compared(*CALM)
    assert found["verdict"] == "none" and found["of"] == 4
    assert not any(each["drifted"] for each in (*found["features"], found["prediction"]))
    assert feature(found, "age")["importance"] == 0.25
    assert all(0 < each["psi"] < each["threshold"] for each in found["features"][:3])


def test_a_drift_of_every_window_is_told_by_name() -> None:
    found = compared(*OLDER)
    age = feature(found, "age")
    assert found["verdict"] == "drift" and age["drifted"] and age["matters"] and age["agreed"] == 4
    assert age["p"] <= 0.01 and age["psi"] > max(age["threshold"], ASKED.psi)
    assert age["says"].startswith("PSI ") and age["says"].endswith("in 4 of 4 windows")
    assert not feature(found, "lead")["drifted"] and len(age["trail"]) == 4


@pytest.mark.parametrize(
    ("windows", "verdict"),
    [
        ((*OLDER[:2], *CALM[:2]), "none"),  # not yet in three
        ((CALM[0], *OLDER[:3]), "none"),  # no longer in the newest
        (OLDER[:2], "unseen"),  # drifted, and too few windows to bear it out
        ((*OLDER[:3], CALM[0]), "drift"),
    ],
)
def test_the_newest_and_enough_others_must_agree(windows: tuple[Window, ...], verdict: str) -> None:
    assert compared(*windows)["verdict"] == verdict


def test_a_sure_but_small_drift_does_not_matter() -> None:
    found = feature(compared(*[window(20_000, seed, age=3) for seed in range(4)]), "age")
    assert found["lasting"] and not found["matters"] and "too small to matter" in found["says"]


def test_the_score_is_watched_likewise() -> None:
    riskier = [dataclasses.replace(each, scores=np.sqrt(each.scores)) for each in CALM]
    found = compared(*riskier)
    assert found["verdict"] == "drift" and found["prediction"]["feature"] == "score" and found["prediction"]["matters"]


@pytest.mark.parametrize("rows", [1, 10, 199])
def test_few_rows_say_nothing(rows: int) -> None:
    found = compared(window(rows, age=60), *CALM)
    assert found["verdict"] == "unseen" and not any(each["drifted"] for each in found["features"])
    assert feature(found, "age")["p"] is None and feature(found, "age")["says"].startswith(f"{rows} rows")


def test_no_rows_and_no_windows_say_nothing() -> None:
    for windows in ((), (window(0),), (window(0), *OLDER)):
        found = compared(*windows)
        assert found["verdict"] == "unseen"
        assert all(each["psi"] is None and each["says"] == "no rows" for each in found["features"])


def test_a_feature_all_missing_is_drift_and_its_share_is_said() -> None:
    found = feature(compared(*[altered(each, 1, np.nan) for each in CALM]), "lead")
    assert found["missing"] == 1 and found["matters"] and found["says"].startswith("all values are missing")


@pytest.mark.parametrize(("column", "value"), [(3, 2.0), (2, -1.0), (2, 0.0), (0, 480.0)])
def test_a_new_constant_an_unknown_category_a_lost_one_and_a_changed_unit(column: int, value: float) -> None:
    found = feature(compared(*[altered(each, column, value) for each in CALM]), NAMES[column])
    assert found["drifted"] and found["matters"]


def test_a_column_that_the_champion_never_saw_and_one_that_is_gone() -> None:
    found = compared(*CALM, names=("age", "lead", "new", "constant"))
    assert found["verdict"] == "unseen"
    for name, says in (("new", "never saw it"), ("flag", "no row has it")):
        assert feature(found, name)["psi"] is None and says in feature(found, name)["says"]


def test_what_is_ignored_is_shown_and_not_judged() -> None:
    found = compared(*OLDER, asked=ASKED.model_copy(update={"ignore": ("age",)}))
    age = feature(found, "age")
    assert found["verdict"] == "none" and age["psi"] > 0.1 and age["p"] is None and "not judged" in age["says"]
    everything = ASKED.model_copy(update={"ignore": (*NAMES, "score")})
    assert compared(*OLDER, asked=everything)["verdict"] == "unseen"


def test_rows_of_one_patient_do_not_make_it_surer() -> None:
    few = window(60, age=6)
    copies = Window(np.repeat(few.matrix, 20, 0), np.repeat(few.scores, 20), np.repeat(few.who, 20))
    apart = dataclasses.replace(copies, who=np.arange(1200))
    assert feature(compared(copies), "age")["p"] > 0.05 > feature(compared(apart), "age")["p"]


def test_equal_windows_give_equal_facts_whatever_the_order_of_rows() -> None:
    rows = np.random.default_rng(0).permutation(1000)
    one = OLDER[0]
    turned = Window(one.matrix[rows], one.scores[rows], one.who[rows])
    assert compared(one) == compared(turned)


def test_false_alarms_are_as_often_as_asked() -> None:
    asked = Monitor(rows=100, false_alarms=0.1, resamples=500)
    alarms = 0
    for seed in range(150):
        base = made(window(1000, seed=1000 + seed))
        found = compared(window(300, seed=seed), asked=asked, reference=base)
        alarms += any(each["drifted"] for each in (*found["features"], found["prediction"]))
    assert 5 <= alarms <= 26  # 15 are asked; chance alone leaves this range in one of 200 tries


def test_shares_tell_of_nobody() -> None:
    assert all(each["shares"] is None for each in compared(window(199))["features"])
    odd = window(500, seed=3)
    odd.matrix[:4, 1] = 500.0
    odd.matrix[:3, 2] = np.nan
    found = compared(odd)
    shares = feature(found, "flag")["shares"]
    assert shares["window"].count(None) == 2 and shares["window"][-1] is None, "one alone is one less the others"
    counted = [500 * share for share in feature(found, "lead")["shares"]["window"] if share]
    assert min(counted) >= 10
    assert feature(found, "constant")["shares"]["window"] == [0.0, 1.0, 0.0, 0.0]


def test_missing_values_of_then_are_no_drift_now() -> None:
    draw = np.random.default_rng(1)
    then = window(5000, seed=0)
    then.matrix[draw.random(5000) < 0.3, 0] = np.nan
    then.matrix[draw.random(5000) < 0.3, 2] = np.nan
    same = Window(then.matrix[:1000], then.scores[:1000], then.who[:1000])
    found = compared(same, same, same, reference=made(then))
    assert found["verdict"] == "none" and feature(found, "age")["missing"] == pytest.approx(0.3, abs=0.05)
    assert feature(found, "age")["psi"] < 0.05
    calm = compared(*CALM, reference=made(then))
    assert feature(calm, "age")["matters"] and feature(calm, "flag")["matters"], "none is missing any more"
