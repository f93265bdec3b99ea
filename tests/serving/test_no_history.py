"""A model that uses no history: nothing is looked up, so nothing is down."""

from __future__ import annotations

import shutil

import pytest

from serving.predict import ROWS
from tests.checkout import KNOBS, Checkout
from tests.serving.running import FLOW, ONE, Clinic
from tests.warm import Warm


@pytest.fixture
def plain(checkout: Checkout, warm: Warm) -> Clinic:
    checkout.change(KNOBS, "history: {patient: patient_id, area: neighbourhood}", "history: {}")
    checkout.change("problems/noshow/features.py", "        **history(row, op),\n", "")
    for step in FLOW:
        if step != "publish":
            ended = warm.run(checkout, step, "plain")
            assert ended.well, ended.text
    return Clinic(checkout)


@pytest.mark.parametrize("rows", [1, ROWS + 1])
def test_no_row_says_that_its_history_could_not_be_looked_up(plain: Clinic, rows: int) -> None:
    with plain.serving() as service:
        answer = service.ready().predict(*([ONE] * rows)).json
        assert {each["history"] for each in answer["predictions"]} == {"none"}
        assert service.metrics()["rounds_history_down_total"] == 0
    assert {line["history"] for line in plain.journaled()} == {"none"}
    shutil.rmtree(plain.place / "journal")
