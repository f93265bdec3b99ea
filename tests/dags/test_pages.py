"""The pages of a real Airflow, in a real browser: the first clicks that everybody makes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dags.scratch import Scratch
from tests.dags.test_one_run import trained
from tests.dags.test_watching import airflow, runs
from tests.waiting import until

pytestmark = pytest.mark.long
PATIENCE = 120_000  # milliseconds


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def test_a_run_is_triggered_by_its_button_alone_and_every_part_is_well(scratch: Scratch, page: Page) -> None:
    assert trained(scratch, {"run": "demo"}) == 0
    with airflow(scratch) as port:
        page.goto(f"http://127.0.0.1:{port}/dags/train_one")
        page.get_by_role("button", name="Trigger").first.click()
        button = page.get_by_role("dialog").get_by_role("button", name="Trigger")
        expect(button).to_be_enabled(timeout=PATIENCE)
        button.click()
        until(lambda: len(runs(scratch, "train_one")) == 2)
        until(lambda: {state for _, state, _ in runs(scratch, "train_one")} == {"success"})
        health = asked(port, "/api/v2/monitor/health")
        assert {name: part["status"] for name, part in health.items()} == dict.fromkeys(health, "healthy")
        assert "triggerer" in health


def test_the_log_of_a_step_of_make_train_is_on_its_page(scratch: Scratch, page: Page) -> None:
    assert trained(scratch, {"run": "demo"}) == 0
    ((run, *_),) = runs(scratch, "train_one")
    with airflow(scratch) as port:
        page.goto(f"http://127.0.0.1:{port}/dags/train_one/runs/{run.replace('+', '%2B')}/tasks/ingest")
        expect(page.get_by_text("a line of the step")).to_be_visible(timeout=PATIENCE)


def asked(port: int, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return dict(json.loads(answer.read()))
