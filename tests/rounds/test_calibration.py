"""Calibrated probabilities can be believed, rank as the booster does, and are chosen on later rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from rounds.calibration import Isotonic, Platt, choose, from_json, isotonic, platt, probability, to_json
from rounds.errors import Refused
from rounds.metrics import ece, tally


def drawn(rows: int = 4000, shift: float = 1.5, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Margins that overstate the log odds by a shift, and outcomes."""
    draw = np.random.default_rng(seed)
    truth = draw.normal(-1.3, 1.0, rows)
    return truth + shift, (draw.random(rows) < probability(truth)).astype(np.int64)


def test_platt_undoes_a_shift() -> None:
    fitted = platt(*drawn(40_000))
    assert fitted.slope == pytest.approx(1, abs=0.03)
    assert fitted.offset == pytest.approx(-1.5, abs=0.06)


def test_platt_agrees_with_logistic_regression() -> None:
    margins, outcomes = drawn()
    other = LogisticRegression(C=np.inf, tol=1e-10).fit(margins[:, None], outcomes)
    fitted = platt(margins, outcomes)
    assert fitted.slope == pytest.approx(other.coef_[0, 0], abs=2e-3)
    assert fitted.offset == pytest.approx(other.intercept_[0], abs=2e-3)


def test_platt_stays_finite_where_the_margin_tells_all() -> None:
    margins = np.array([-2.0, -1.0, 1.0, 2.0])
    found = platt(margins, np.array([0, 0, 1, 1]))(margins)
    assert np.all((found > 0) & (found < 1))


def test_isotonic_has_the_levels_of_scikit_learn() -> None:
    margins, outcomes = drawn()
    levels = np.unique(IsotonicRegression().fit(margins, outcomes).predict(margins))
    floor = 0.5 / len(margins)
    assert isotonic(margins, outcomes).probabilities == pytest.approx(np.clip(levels, floor, 1 - floor))


rows = st.lists(st.tuples(st.floats(-8, 8, width=32), st.integers(0, 1)), min_size=1, max_size=60)


@given(rows)
def test_isotonic_rises_between_its_first_and_last_block(table: list[tuple[float, int]]) -> None:
    margins, outcomes = (np.array(part) for part in zip(*table, strict=True))
    fitted = isotonic(margins.astype(np.float64), outcomes)
    assert np.all(np.diff(fitted.margins) > 0) and np.all(np.diff(fitted.probabilities) >= 0)
    found = fitted(np.linspace(-9, 9, 200))
    assert np.all(np.diff(found) >= 0) and np.all((found > 0) & (found < 1))


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(table: list[tuple[float, int]], random: object) -> None:
    margins, outcomes = (np.array(part) for part in zip(*table, strict=True))
    order = np.random.default_rng(len(table)).permutation(len(table))
    margins = margins.astype(np.float64)
    assert isotonic(margins[order], outcomes[order]) == isotonic(margins, outcomes)
    assert platt(margins[order], outcomes[order]) == platt(margins, outcomes)


def test_one_row_is_calibrated_as_in_a_batch() -> None:
    margins, outcomes = drawn()
    for fitted in (platt(margins, outcomes), isotonic(margins, outcomes)):
        batch = fitted(margins)
        assert all(fitted(margins[i : i + 1])[0] == batch[i] for i in range(0, 4000, 97))


def test_the_calibrator_that_does_better_later_is_chosen_and_refitted_on_all() -> None:
    margins, outcomes = drawn()
    bent = np.where(margins > 0, margins * 4, margins / 4)  # no straight line fits these
    later = np.arange(len(margins)) >= 2000
    fitted, facts = choose(bent, outcomes, later)
    assert facts["chosen"] == "isotonic" and facts["brier"]["isotonic"] < facts["brier"]["platt"]
    assert fitted == isotonic(bent, outcomes) != isotonic(bent[~later], outcomes[~later])
    assert choose(margins[:400], outcomes[:400], later[1800:2200])[1]["chosen"] == "platt"


def test_the_outcomes_that_choose_do_not_fit() -> None:
    margins, outcomes = drawn()
    later = np.arange(len(margins)) >= 2000
    _, facts = choose(margins, np.where(later, 1 - outcomes, outcomes), later)
    _, usual = choose(margins, outcomes, later)
    assert facts["brier"]["platt"] > usual["brier"]["platt"] + 0.1


def test_calibrated_scores_can_be_believed() -> None:
    margins, outcomes = drawn(20_000)
    fresh, had = drawn(20_000, seed=4)
    assert ece(tally(probability(fresh), had)) > 0.2
    for fit in (platt, isotonic):
        assert ece(tally(fit(margins, outcomes)(fresh), had)) < 0.015


def test_a_part_with_one_outcome_only_is_refused() -> None:
    with pytest.raises(Refused, match="the later part of the calibrate slice has 2 rows and not both outcomes"):
        choose(np.arange(4.0), np.array([0, 1, 0, 0]), np.array([False, False, True, True]))


def test_a_calibrator_survives_json() -> None:
    margins, outcomes = drawn(300)
    for fitted in (platt(margins, outcomes), isotonic(margins, outcomes), Isotonic((0.0,), (0.2,))):
        assert from_json(to_json(fitted)) == fitted
        assert fitted(margins).dtype == np.float64


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=20))
def test_one_margin_alone_is_calibrated_to_the_same_bit(margins: list[float]) -> None:
    stairs = Isotonic((-2.0, -0.5, 0.1, 3.0), (0.01, 0.2, 0.21, 0.9))
    for calibrator in (stairs, Isotonic((0.5,), (0.3,)), Platt(1.3, -0.2)):
        for margin in [*margins, *stairs.margins]:
            assert calibrator.at(margin) == calibrator(np.array([margin]))[0]
