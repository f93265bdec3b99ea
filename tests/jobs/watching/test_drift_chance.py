"""Chance is drawn from the reference: differences are zero between equals, and bounds hold as often as asked."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.watching.chance import Differences, chance

REFERENCE = np.array([[400.0, 300, 200, 100, 0], [900.0, 100, 0, 0, 0]])
REAL = np.array([[True, True, True, True, True], [True, True, False, False, True]])


def test_equal_shares_differ_by_nothing_and_the_order_of_two_tables_does_not_matter() -> None:
    same = Differences.between(REFERENCE, REFERENCE, REAL)
    assert np.allclose(np.array(same), 0)
    other = REFERENCE[:, ::-1].copy()
    assert np.allclose(Differences.between(REFERENCE, other, REAL), Differences.between(other, REFERENCE, REAL))


def test_the_differences_are_those_of_the_books() -> None:
    """Two bins, 0.3 and 0.5 of many rows: the half row more in each bin is nothing."""
    one, other = np.array([[3e7, 7e7]]), np.array([[5e7, 5e7]])
    found = Differences.between(one, other, np.ones((1, 2), bool))
    assert found.psi[0] == pytest.approx(-0.2 * np.log(0.3 / 0.5) + 0.2 * np.log(0.7 / 0.5), abs=1e-6)
    assert found.ks[0] == pytest.approx(0.2, abs=1e-6)
    assert found.chi2[0] == pytest.approx(1e8 / 2 * (0.04 / 0.4 + 0.04 / 0.6), rel=1e-6)


def test_bounds_are_passed_as_often_as_asked_over_features_and_differences_together() -> None:
    rows = np.array([300.0, 300.0])
    expected, fresh = (chance(REFERENCE, rows, REAL, 4000, seed) for seed in (1, 2))
    assert np.mean(fresh.farthest > np.quantile(expected.farthest, 0.95)) == pytest.approx(0.05, abs=0.015)
    bound = expected.bound(0.05)
    assert expected.p(expected.far(bound)) == pytest.approx(0.05, abs=0.001)
    assert np.all(np.array(expected.bound(0.01)) > np.array(bound))


def test_fewer_rows_stray_further_and_equal_seeds_draw_alike() -> None:
    few, many = (chance(REFERENCE, np.full(2, rows), REAL, 500, 7).bound(0.01) for rows in (100.0, 5000.0))
    assert np.all(few.psi > many.psi)
    assert np.array_equal(few, chance(REFERENCE, np.full(2, 100.0), REAL, 500, 7).bound(0.01))
