"""The page of the watch in a real browser: the same facts, readable, by keyboard, in the dark and on a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from rounds.store import open_store
from serving.keys import main as keys
from tests.serving.browsing import CONTRAST
from tests.serving.orchestrator import PASSWORD, Orchestrator
from tests.serving.running import ONE, Clinic, Service
from tests.serving.watched import monitored, published


@pytest.fixture(scope="module")
def service(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    own = clinic.copy(tmp_path_factory.mktemp("watch"))
    login = {"AIRFLOW_USER": "watch", "AIRFLOW_PASSWORD": PASSWORD}
    with Orchestrator().serving() as url, own.serving(AIRFLOW_URL=url, **login) as found:
        published(open_store(own.checkout.store.as_uri()), found.ready().ask("/version").json["bundle"])
        found.until("/ops/summary", lambda answer: answer.json["check"]["verdict"] == "warn")  # published last
        found.until("/ops/health", lambda answer: answer.json["well"])
        found.predict(ONE, {**ONE, "age": 30})
        yield found


def opened(page: Page, service: Service) -> Page:
    page.goto(f"http://127.0.0.1:{service.port}/watch")
    page.wait_for_selector("#told section")
    return page


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    """The page, which complains of nothing and asks nobody else."""
    said: list[str] = []
    asked: set[str] = set()
    found = browser.new_context().new_page()
    found.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda request: asked.add(request.url.split("/")[2]))
    yield opened(found, service)
    found.context.close()
    assert said == []
    assert asked == {f"127.0.0.1:{service.port}"}


def test_it_shows_what_the_service_says(page: Page, service: Service) -> None:
    facts = monitored("")
    text = page.locator("main").inner_text()
    for sentence in ("All that can be seen is well.", *facts["says"], "age drifted so that it matters", "As expected"):
        assert sentence in text
    assert "2.0%" in page.locator("section[aria-labelledby=drift] tr", has_text="812").first.inner_text()
    assert "simulated data" in page.locator(".tiles").inner_text()
    assert page.locator(".shift.matters").count() == 1
    assert page.locator(".shift").count() == 4, "three features and the score"
    widths = [float(bar.get_attribute("width") or 0) for bar in page.locator(".shift").all()]
    chart = page.locator("svg[aria-labelledby=drift-told]")
    assert max(widths) > 0.5 * float(chart.get_attribute("width") or 0), "an ignored feature set the scale"
    ignored, *rows = page.locator("section[aria-labelledby=drift] tbody").first.locator("tr").all_inner_texts()
    assert ignored.startswith("patient visits\t7.500") and ignored.endswith("not judged: it moves by itself")
    assert rows[0].split("\t")[:3] == ["age", "0.310", "0.030"] and rows[0].endswith("matters")
    assert "realised 0.735" in (page.locator("#auc-told").text_content() or "")
    assert page.locator("#days-told").count() == 1
    newest = page.locator("table", has=page.get_by_text("The newest predictions")).locator("tbody tr")
    assert newest.count() == 2
    assert newest.first.inner_text().endswith(service.ask("/ops/predictions").json["newest"][0]["id"])


def test_the_report_opens_and_runs_nothing(page: Page) -> None:
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Report", exact=True).click()
    popup.value.wait_for_load_state()
    assert popup.value.inner_text("p") == "Age drifted."
    assert popup.value.evaluate("getComputedStyle(document.querySelector('p')).color") == "rgb(17, 34, 51)"


def test_a_training_is_asked_for_by_keyboard(page: Page) -> None:
    page.locator("#reason").focus()
    page.keyboard.type("a new clinic")
    page.keyboard.press("Enter")
    page.locator("#status", has_text="Started.").wait_for()
    page.reload()
    page.locator("#reason").fill("a new clinic")
    page.locator("#reason").press("Enter")
    page.locator("#status", has_text="Started before").wait_for()


def test_every_control_has_a_name_and_every_table_its_words(page: Page) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, button, a, summary, svg')].filter(it =>
            !(it.labels?.length || it.textContent.trim() || it.getAttribute('aria-label'))).map(it => it.outerHTML)"""
    )
    assert nameless == []
    assert page.evaluate("[...document.querySelectorAll('table')].every(it => it.caption && it.tHead)")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(it => it.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_ground(browser: Browser, service: Service, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = opened(context.new_page(), service)
    faint = page.evaluate(CONTRAST)
    if folder := os.environ.get("ROUNDS_PICTURES"):
        page.screenshot(path=f"{folder}/watch-{scheme}.png", full_page=True)
    context.close()
    assert faint == []


def test_a_phone_shows_it_without_scrolling_sideways(browser: Browser, service: Service) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True)
    page = opened(context.new_page(), service)
    if folder := os.environ.get("ROUNDS_PICTURES"):
        page.screenshot(path=f"{folder}/watch-phone.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert wide == 360


def test_a_key_is_asked_for_and_the_report_saved_with_it(
    clinic: Clinic, browser: Browser, tmp_path: Any, capsys: Any
) -> None:
    assert keys(["new", "on-call", "--scopes", "operate", "--file", str(tmp_path / "keys")]) == 0
    own = clinic.copy(tmp_path / "own")
    with own.serving(KEYS=str(tmp_path / "keys")) as service:
        published(open_store(own.checkout.store.as_uri()), "b" * 64)
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{service.ready().port}/watch")
        page.wait_for_selector("#access[open]")
        page.locator("#key").fill(capsys.readouterr().out.strip())
        page.locator("#key").press("Enter")
        page.wait_for_selector("#told section")
        page.wait_for_timeout(1000)
        page.reload()
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save: Report").click()
        assert b"Age drifted." in saved.value.path().read_bytes()
        context.close()
