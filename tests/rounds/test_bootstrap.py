"""Resamples of whole patients: what is drawn, and that the fast way counts like the slow one."""

from __future__ import annotations

from typing import Any

import numpy as np

from rounds.bootstrap import draws, tallies
from rounds.metrics import METRICS, Operation, tally

USE = Operation(0.3, 0.1)


def table(digits: int) -> tuple[Any, Any, Any]:
    generator = np.random.default_rng(3)
    who = np.repeat(np.arange(90), generator.integers(1, 6, 90))
    scores = np.round(generator.beta(1, 3, len(who)), digits)
    return scores, (generator.random(len(who)) < scores).astype(np.int64), who


def test_rows_of_a_patient_are_drawn_together_and_as_many_patients_as_there_are() -> None:
    _, _, who = table(12)
    times = np.concatenate(list(draws(who, 50, seed=1)))
    first = np.unique(who, return_index=True)[1]
    assert (times == times[:, first][:, who]).all()
    assert (times[:, first].sum(axis=1) == 90).all()
    assert len({tuple(row) for row in times.tolist()}) == 50


def test_the_size_of_the_blocks_changes_nothing() -> None:
    _, _, who = table(12)
    blocks = [np.concatenate(list(draws(who, 20, seed=4, block=block))) for block in (1, 700, 10**6)]
    assert (blocks[0] == blocks[1]).all() and (blocks[0] == blocks[2]).all()


def test_a_resample_is_measured_like_a_table_with_rows_repeated() -> None:
    for digits in (12, 1):
        scores, outcome, who = table(digits)
        times = np.concatenate(list(draws(who, 5, seed=2))).astype(np.int64)
        # the groups of the calibration error stay those of the table itself
        names = METRICS.keys() - {"ece"}
        fast = [
            {name: METRICS[name](block, USE) for name in names} for block in tallies(scores, outcome, who, 5, seed=2)
        ]
        for name in names:
            found = np.concatenate([block[name] for block in fast])
            repeated = [tally(np.repeat(scores, row), np.repeat(outcome, row)) for row in times]
            wanted = [float(METRICS[name](counted, USE)) for counted in repeated]
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12, err_msg=name)
