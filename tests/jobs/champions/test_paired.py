"""The champion test on simulated pairs of models whose true AUC is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from jobs.champions import wording
from jobs.champions.paired import Paired, Rows, Rule, Scored, against_anchor, against_champion, compare
from rounds.clusters import Clusters, Error
from rounds.metrics import METRICS, Operation, roc_auc, tally
from rounds.modelling import LESS_IS_BETTER, Register

MARGIN, BEST = 0.005, 0.73
NO_LOSS = Rule("not_worse", "auc", MARGIN, surely=False)
USE = Operation(threshold=0.5, capacity=0.1)
TESTS, DAYS = 200, 30
RISK = Register().risk


@dataclass(frozen=True)
class Table:
    """Rows of patients; what a row's scores have in common they have in every pair of models."""

    seed: int
    rows: Rows
    common: Any

    def scored(self, auc: float, seed: int) -> Scored:
        """The scores of a model of this true AUC: two normal distributions, as far apart as that takes."""
        own = np.random.default_rng([self.seed, seed]).normal(size=len(self.common))
        apart = NormalDist().inv_cdf(auc) * 2**0.5
        return Scored(apart * self.rows.outcome + 0.98**0.5 * self.common + 0.02**0.5 * own, USE)


def table(seed: int, patients: int = 3000) -> Table:
    """Patients of one to four rows, which resemble each other."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(patients), draw.integers(1, 5, patients))
    outcome = (draw.random(len(who)) < 0.2).astype(np.int64)
    common = 0.6 * draw.normal(size=patients)[who] + 0.8 * draw.normal(size=len(who))
    return Table(seed, Rows(outcome, Clusters.of(who, draw.integers(0, DAYS, len(who)))), common)


def passes(auc: float, tests: int = TESTS, patients: int = 3000) -> int:
    """In how many tests a challenger of this AUC passes against a champion of the best."""
    tables = (table(seed, patients) for seed in range(tests))
    found = (compare(each.scored(auc, 1), each.scored(BEST, 2), each.rows, NO_LOSS, RISK) for each in tables)
    return sum(each.passed for each in found)


def test_the_simulated_models_are_what_they_are_said_to_be() -> None:
    big = table(1, patients=100_000)
    for auc in (BEST, BEST - MARGIN):
        assert roc_auc(tally(big.scored(auc, 1).scores, big.rows.outcome)) == pytest.approx(auc, abs=0.003)


def test_a_challenger_worse_by_the_margin_hardly_ever_passes() -> None:
    """In a year of 60 tests, 5% at most; so in 200 tests at most one, but for one set of 200 in a hundred."""
    assert pytest.approx(0.05) == 60 * RISK
    assert passes(BEST - MARGIN) <= 1


def test_an_equal_challenger_passes_where_the_table_is_as_large_as_it_is_said_to_need() -> None:
    small = table(1)
    told = compare(small.scored(BEST, 1), small.scored(BEST, 2), small.rows, NO_LOSS, RISK).power(len(small.common))
    rows = len(small.common)
    assert told["power"] < 0.8 and told["rows_wanted"] > rows
    assert passes(BEST, 50, round(3000 * told["rows_wanted"] / rows)) >= 0.68 * 50


def test_fifty_challengers_worse_by_the_margin_hardly_ever_pass_one_after_the_other() -> None:
    """Where the differences are known exactly: 20,000 years of 50 tests each, at the bound."""
    z = NormalDist().inv_cdf(1 - RISK)
    gains = np.random.default_rng(1).normal(size=(20_000, 50))
    assert (gains > z).any(axis=1).mean() <= 0.05


@pytest.mark.parametrize("fresh", [True, False], ids=["each on a slice of its own", "all on one slice"])
def test_fifty_small_losses_do_not_end_below_the_margin(fresh: bool) -> None:
    champion, promoted, loss = BEST, 0, 0.001
    for number in range(1, 51):
        slice_ = table(1000 + number if fresh else 1000, patients=8_000)
        challenger = champion - loss
        scores = slice_.scored(challenger, number)
        before = compare(scores, slice_.scored(champion, number - 1), slice_.rows, NO_LOSS, RISK)
        anchor = compare(scores, slice_.scored(BEST, 0), slice_.rows, NO_LOSS, RISK)
        if before.passed and anchor.passed:
            champion, promoted = challenger, promoted + 1
    assert promoted > 0, "nothing was promoted, so nothing was shown"
    assert champion >= BEST - MARGIN


def test_the_same_scores_differ_by_nothing() -> None:
    small = table(3)
    scores = small.scored(BEST, 1)
    assert compare(scores, scores, small.rows, NO_LOSS, RISK) == Paired(NO_LOSS, 0.0, Error(0.0, 0.0, DAYS - 1), RISK)


def test_equal_input_gives_equal_numbers() -> None:
    small = table(3)
    scores = small.scored(BEST, 1), small.scored(BEST, 2)
    assert compare(*scores, small.rows, NO_LOSS, RISK) == compare(*scores, small.rows, NO_LOSS, RISK)


def test_more_tests_a_year_ask_for_more() -> None:
    found = [Paired(NO_LOSS, 0.0, Error(0.001), Register(tests_per_year=tests).risk).at_least for tests in (1, 12, 60)]
    assert found == sorted(found, reverse=True) and found[-1] > -MARGIN


def probabilities(small: Table, noise: float) -> Scored:
    """Scores between 0 and 1 that tell less the more noise there is."""
    draw = np.random.default_rng(small.seed)
    logit = 2.0 * small.rows.outcome - 1.5 + noise * draw.normal(size=len(small.common))
    return Scored(1 / (1 + np.exp(-logit)), USE)


METRIC_NAMES = [name for name in METRICS if name != "ece"]


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_better_is_above_zero_in_every_metric(metric: str) -> None:
    small = table(5, patients=800)
    rule = Rule("improve", metric, 0.001, surely=True)
    paired = compare(probabilities(small, 1.0), probabilities(small, 3.0), small.rows, rule, RISK)
    assert paired.gain > 0.001 and paired.passed
    turned = compare(probabilities(small, 3.0), probabilities(small, 1.0), small.rows, rule, RISK)
    assert turned.gain == pytest.approx(-paired.gain) and not turned.passed


def test_every_metric_is_a_choice_but_the_calibration_error() -> None:
    assert Register.model_fields["metric"].annotation.__args__ == tuple(METRIC_NAMES)  # type: ignore[union-attr]
    assert set(LESS_IS_BETTER) <= set(METRICS)


@pytest.mark.parametrize(
    ("gain", "surely", "passed"), [(0.02, False, True), (0.0199, False, False), (0.02, True, False), (0.04, True, True)]
)
def test_an_improvement_is_asked_of_the_gain_or_of_its_lower_bound(gain: float, surely: bool, passed: bool) -> None:
    assert Paired(Rule("improve", "f1", 0.02, surely), gain, Error(0.01), 0.025).passed is passed


def test_a_gain_that_is_not_a_number_never_passes() -> None:
    for rule in (NO_LOSS, Rule("improve", "f1", 0.02, False), Rule("improve", "f1", 0.02, True)):
        assert not Paired(rule, math.nan, Error(0.01), 0.025).passed


def test_the_chance_is_how_often_a_gain_that_is_only_asked_for_shows_as_much() -> None:
    small = table(9)
    better, best = small.scored(BEST + 0.02, 1), small.scored(BEST, 2)
    gain = compare(better, best, small.rows, NO_LOSS, RISK).gain
    at_gain = compare(better, best, small.rows, Rule("improve", "auc", gain, False), RISK)
    assert at_gain.chance == pytest.approx(0.5) and at_gain.passed
    beyond = compare(better, best, small.rows, Rule("improve", "auc", gain + 3 * at_gain.error.whole, False), RISK)
    assert beyond.chance > 0.98 and not beyond.passed


@pytest.mark.parametrize("freedom", [0, 7, 29])
def test_what_passes_is_what_chance_hardly_shows(freedom: int) -> None:
    for gain in (-0.002, 0.001, 0.003, 0.006):
        paired = Paired(NO_LOSS, gain, Error(0.001, 0.0015 if freedom else 0.0, freedom), RISK)
        assert paired.passed == (paired.chance < RISK)


def test_the_anchor_is_asked_for_auc_whatever_the_champion_is_asked_for() -> None:
    asked = Register(must="improve", by=0.02, metric="f1", surely=True, margin=0.01)
    assert against_champion(asked) == Rule("improve", "f1", 0.02, surely=True)
    assert against_anchor(asked) == Rule("not_worse", "auc", 0.01, surely=False)
    assert against_champion(Register(margin=0.01)) == against_anchor(Register(margin=0.01))


def test_facts_and_sentences_say_how_sure_it_is() -> None:
    paired = Paired(Rule("improve", "f1", 0.02, surely=False), 0.0113, Error(0.0079), 0.025)
    assert paired.facts["low"] == pytest.approx(0.0113 - 1.96 * 0.0079, abs=1e-5)
    assert paired.facts["high"] == pytest.approx(0.0113 + 1.96 * 0.0079, abs=1e-5)
    assert (paired.facts["chance"], paired.facts["passed"]) == (pytest.approx(0.865, abs=0.001), False)
    test = {"cannot_tell": "", "rows": 5000, "days": 7, "against": {"champion": {"version": 3, **paired.facts}}}
    for sentence in (wording.refusals(test), wording.success(test)):
        for words in (
            "F1 is 0.0113 better",
            "version 3",
            "-0.0042 to +0.0268",
            "at least 0.02",
            "shows as much in 86.46% of tests",
        ):
            assert words in sentence
    assert wording.success({}) == ""


def test_a_table_that_is_too_small_to_show_it_is_named_with_the_rows_that_would() -> None:
    weak = Paired(NO_LOSS, -0.001, Error(0.004), RISK)
    told = weak.power(1000)
    assert told["power"] < 0.1 and told["rows_wanted"] > 5000
    facts = {"version": 3, **weak.facts, **told}
    sentence = wording.refusals({"cannot_tell": "", "rows": 1000, "days": 20, "against": {"champion": facts}})
    assert f"1,000 rows pass an equal model in {told['power']:.0%} of tests" in sentence
    assert f"{told['rows_wanted']:,} would in 80%" in sentence
    assert wording.strength({**facts, **Paired(NO_LOSS, 0.0, Error(0.0005), RISK).power(1000)}, 1000) == []
    assert Paired(Rule("improve", "auc", 0.01, False), 0.0, Error(0.004), RISK).power(1000) == {}


def test_a_gain_of_some_days_is_less_sure_than_patients_alone_say() -> None:
    """The challenger is better on half of the days and worse on the others: how many of each came is chance."""
    small = table(11, patients=1000)
    day = small.rows.clusters.day % 12
    rows = Rows(small.rows.outcome, Clusters.of(small.rows.clusters.who, day))
    shift = np.where(day % 2 == 0, 0.8, -0.8) * small.rows.outcome
    champion = small.scored(BEST, 2)
    challenger = Scored(champion.scores + shift, USE)
    found = compare(challenger, champion, rows, NO_LOSS, RISK)
    assert found.error.freedom == 11 and found.error.days > 2 * found.error.patients
    week = replace(rows, clusters=Clusters.of(rows.clusters.who, day % 7))
    assert compare(challenger, champion, week, NO_LOSS, RISK).error.freedom == 0
