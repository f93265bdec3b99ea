"""Every family answers the same calls, and equal rows and knobs give equal bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from rounds.families import FAMILIES
from rounds.matrix import matrix
from tests.checkout import ROOT
from tests.clinic import FEATURES, appointments, train

TABLE = appointments()
ROWS, MISSED = matrix(TABLE, FEATURES), TABLE["missed"].to_numpy()


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.data_safety
def test_threads_change_no_byte(family: str) -> None:
    it, knobs = FAMILIES[family], train(rows=0.7, columns=0.7)
    models = {it.fit(it.data(ROWS, MISSED), knobs, threads) for threads in (1, 2, 4)}
    assert len(models) == 1


@pytest.mark.data_safety
def test_a_second_process_makes_the_same_bytes(family: str) -> None:
    script = (
        "import hashlib\n"
        "from rounds.families import FAMILIES\n"
        "from tests.rounds.test_families import MISSED, ROWS, train\n"
        f"it = FAMILIES[{family!r}]\n"
        "print(hashlib.sha256(it.fit(it.data(ROWS, MISSED), train(rows=0.7), 2)).hexdigest())"
    )
    there = subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True).strip()
    it = FAMILIES[family]
    assert there == hashlib.sha256(it.fit(it.data(ROWS, MISSED), train(rows=0.7), 1)).hexdigest()


def test_data_that_was_made_once_serves_any_number_of_fits(family: str) -> None:
    it = FAMILIES[family]
    data = it.data(ROWS, MISSED)
    for knobs in (train(depth=5), train(bins=16), train(scale_pos_weight=False), train(depth=5)):
        assert it.fit(data, knobs, 1) == it.fit(it.data(ROWS, MISSED), knobs, 1)


def test_every_knob_that_a_search_may_vary_changes_the_model(family: str) -> None:
    it, data = FAMILIES[family], FAMILIES[family].data(ROWS, MISSED)
    changes = {"trees": 31, "depth": 4, "rate": 0.2, "leaf": 30, "rows": 0.5, "columns": 0.5, "ridge": 50, "bins": 8}
    models = [it.fit(data, train(**{name: value}), 1) for name, value in changes.items()]
    models += [it.fit(data, train(scale_pos_weight=False), 1), it.fit(data, train(), 1)]
    assert len(set(models)) == len(changes) + 2


def test_the_weight_balances_the_outcomes(family: str) -> None:
    it = FAMILIES[family]
    assert it.weight(MISSED, train()) * MISSED.sum() == pytest.approx(len(MISSED) - MISSED.sum())
    assert it.weight(MISSED, train(scale_pos_weight=False)) == 1
    balanced = it.scorer(it.fit(it.data(ROWS, MISSED), train(), 1))(ROWS)
    assert np.mean(1 / (1 + np.exp(-balanced))) == pytest.approx(0.5, abs=0.05)


def test_one_row_scores_as_in_a_batch(family: str) -> None:
    score = FAMILIES[family].scorer(FAMILIES[family].fit(FAMILIES[family].data(ROWS, MISSED), train(), 1))
    batch = score(ROWS)
    assert all(score(ROWS[i : i + 1])[0] == batch[i] for i in range(0, len(ROWS), 371))


def test_the_quick_way_gives_the_same_margins(family: str) -> None:
    model = FAMILIES[family].fit(FAMILIES[family].data(ROWS, MISSED), train(), 1)
    quick, wanted = FAMILIES[family].quick(model), FAMILIES[family].scorer(model)(ROWS).tolist()
    assert quick(ROWS) == wanted
    assert [quick(ROWS[at : at + 1])[0] for at in range(50)] == wanted[:50]


def test_the_quick_way_takes_nothing_but_its_own_shape(family: str) -> None:
    quick = FAMILIES[family].quick(FAMILIES[family].fit(FAMILIES[family].data(ROWS, MISSED), train(), 1))
    for wrong in (ROWS.astype(np.float64), ROWS[:, :3], np.asfortranarray(ROWS), ROWS[0]):
        with pytest.raises(ValueError, match="want float32 in 4 columns"):
            quick(wrong)


def test_contributions_add_up_to_the_margin_but_for_what_all_rows_start_from(family: str) -> None:
    model = FAMILIES[family].fit(FAMILIES[family].data(ROWS, MISSED), train(), 1)
    left = FAMILIES[family].scorer(model)(ROWS) - FAMILIES[family].explainer(model)(ROWS).sum(axis=1)
    assert np.ptp(left) < 1e-4
