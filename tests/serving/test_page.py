"""The page as its readers meet it: a real browser, from a list that comes in to the reasons of one appointment."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, Route

from rounds.decoding import READERS
from serving.keys import main as keys
from tests.corpus.formulas import FORMULAS
from tests.serving.browsing import APPOINTMENTS, CONTRAST, home, table, upload, uploaded
from tests.serving.running import Clinic, Service

DAYS = {"scheduled_day": "2026-03-12T09:30:00Z", "appointment_day": "2026-03-30"}


@pytest.fixture(scope="module")
def service(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with clinic.copy(tmp_path_factory.mktemp("page")).serving() as found:
        yield found.ready()


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    """The page, which complains of nothing and asks nobody else."""
    said: list[str] = []
    asked: set[str] = set()
    context = browser.new_context()
    found = context.new_page()
    found.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda request: asked.add(request.url.split("/")[2]) if request.url[:4] == "http" else None)
    home(found, service)
    yield found
    context.close()
    assert [text for text in said if "422" not in text and "404" not in text] == []
    assert asked == {f"127.0.0.1:{service.port}"}


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_list_comes_out_by_risk_as_the_service_says_it(page: Page, service: Service, mark: str) -> None:
    said = service.predict(*APPOINTMENTS).json["predictions"]
    order = sorted(range(len(said)), key=lambda at: -said[at]["probability"])
    shown = uploaded(page, len(said), table(*APPOINTMENTS, mark=mark))
    assert shown == [APPOINTMENTS[at]["patient_id"] for at in order]
    shares = [f"{100 * said[at]['probability']:.0f}%" for at in order]
    assert page.locator("#rows .share").all_text_contents() == shares
    assert "No-show" in page.locator("#status").inner_text(), "what was not used is said"


def test_the_capacity_line_parts_those_to_call_from_the_others(page: Page, service: Service) -> None:
    uploaded(page, len(APPOINTMENTS), table(*APPOINTMENTS))
    called = sum(each["call"] for each in service.predict(*APPOINTMENTS).json["predictions"])
    rows = page.locator("#rows > tr").evaluate_all("rows => rows.map(row => row.className)")
    assert rows.index("line") == called
    assert rows.count("call") == called
    page.check("#only")
    assert page.locator("#rows tr[data-id]").count() == called
    assert page.locator("#risk svg .capacity").count() == 1
    assert page.locator("#risk svg .bar").count() == len(APPOINTMENTS)


def test_reasons_are_shown_on_demand_by_keyboard_and_recorded_once(page: Page, clinic: Clinic) -> None:
    uploaded(page, len(APPOINTMENTS), table(*APPOINTMENTS))
    with page.expect_response("**/explain") as asked:
        page.locator("button.why").first.press("Enter")
    reasons = asked.value.json()["reasons"]
    page.wait_for_selector("tr.opened")
    shown = page.locator("tr.opened .reasons li > span:last-child").all_text_contents()
    assert shown == [f"{reason['text']}: {reason['effect']}" for reason in reasons]
    assert reasons[0]["text"] in (page.locator("#spoken").text_content() or "")
    focused = page.evaluate("document.activeElement.getAttribute('aria-expanded')")
    assert focused == "true"
    page.keyboard.press("Enter")
    assert page.locator("tr.opened").count() == 0


def test_one_is_typed_by_keyboard_alone(page: Page) -> None:
    page.locator("#typed > summary").press("Enter")
    page.locator("#field-patient_id").press_sequentially("1001")
    page.locator("#field-scheduled_day").fill("2026-03-12T09:30")
    page.locator("#field-appointment_day").fill("2026-03-30")
    page.locator("#field-age").press_sequentially("62")
    page.locator("#field-age").press("Enter")
    page.wait_for_selector("#rows tr[data-id]")
    assert page.locator("#rows tr[data-id] th").inner_text() == "1001"
    assert page.locator("#field-age").input_value() == "", "ready for the next"


def test_a_wrong_value_is_told_beside_its_field(page: Page) -> None:
    page.locator("#typed > summary").click()
    page.click("#example")
    page.fill("#field-age", "200")
    page.click("#form button[type=submit]")
    page.wait_for_selector("#field-age[aria-invalid=true]")
    assert page.locator("#age-wrong").inner_text() == "Want a whole number from 0 to 120."
    assert page.evaluate("document.activeElement.id") == "field-age"
    assert page.locator("#result").is_hidden()


def test_a_wrong_line_is_named_and_can_be_left_out(page: Page) -> None:
    wrong = {**APPOINTMENTS[1], "age": 200}
    upload(page, table(APPOINTMENTS[0], wrong, APPOINTMENTS[2]))
    page.wait_for_selector("#trouble li")
    assert page.locator("#trouble li").all_inner_texts() == ["Line 3, age: 200; want a whole number from 0 to 120."]
    assert page.locator("#result").is_hidden()
    page.click("#trouble button")
    page.wait_for_selector("#rows tr[data-id]")
    assert page.locator("#rows tr[data-id]").count() == 2
    assert "1 line left out" in page.locator("#status").inner_text()


CELLS = {
    "integer": ["62", "62.0", "-1", "007", "6 2", "1e3", "62.5", "12345678901234567890", "x"],
    "number": ["1.5", ".5", "-2.", "1e3", "1E-2", "1e999", "0x10", "1,5"],
    "flag": ["1", "0.0", "Yes", "f", "TRUE", "maybe", "2"],
    "date": ["2026-03-30", "2026-03-30T00:00:00Z", "2026-03-30 00:00:00", "2026-03-30T12:00:00Z", "30.3.2026"],
}


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_means_what_it_means_to_the_pipeline(page: Page, kind: str) -> None:
    """What the pipeline cannot read stays as it was written, so that the service refuses it by name."""
    wanted = pl.DataFrame({"cell": CELLS[kind]}).select(READERS[kind](pl.col("cell")).alias("cell"))["cell"].to_list()
    said = page.evaluate(
        "async ([cells, kind]) => { const { value } = await import('/web/sheet.js');"
        " return cells.map(cell => value(` ${cell} `, { 'x-type': kind })); }",
        [CELLS[kind], kind],
    )
    read = [str(each) if kind == "date" and each else each for each in wanted]
    assert said == [cell if each is None else each for cell, each in zip(CELLS[kind], read, strict=True)]


def test_a_decimal_comma_is_read_where_problem_yaml_says_so(page: Page) -> None:
    cells = ["3,14", "-2,", "7", "3.14", "1.000,5", "x"]
    said = page.evaluate(
        "async cells => { const { value } = await import('/web/sheet.js');"
        " return cells.map(cell => value(cell, { 'x-type': 'number', 'x-decimal': ',' })); }",
        cells,
    )
    assert said == [3.14, -2, 7, "3.14", "1.000,5", "x"]


def test_records_are_told_apart_as_spreadsheets_write_them(page: Page) -> None:
    text = 'a;b\r\n"one; ""two""\nthree";4\r\n\r\n5;\n'
    said = page.evaluate("async text => (await import('/web/sheet.js')).records(text)", text)
    assert said == [
        {"line": 1, "cells": ["a", "b"]},
        {"line": 2, "cells": ['one; "two"\nthree', "4"]},
        {"line": 5, "cells": ["5", ""]},
    ]


def test_a_table_without_the_days_is_told_so_and_nothing_is_sent(page: Page) -> None:
    upload(page, b"PatientId,Age\n1,2\n")
    page.wait_for_selector("#trouble .notice")
    assert "no column appointment_day, scheduled_day" in page.locator("#trouble").inner_text()


def test_text_of_a_file_is_text_and_never_markup(page: Page) -> None:
    evil = {**APPOINTMENTS[0], "patient_id": "<img src=x onerror=document.title='taken'>"}
    assert uploaded(page, 1, table(evil)) == [evil["patient_id"]]
    page.locator("button.why").first.click()
    page.wait_for_selector("tr.opened")
    assert page.locator("#result img").count() == 0
    assert page.title() != "taken"


def test_a_saved_list_holds_no_formula(page: Page, tmp_path: Path) -> None:
    uploaded(page, 1, table({**APPOINTMENTS[0], "patient_id": "=1+1;=2"}))
    with page.expect_download() as saved:
        page.click("#save")
    saved.value.save_as(tmp_path / "list.csv")
    (row,) = csv.DictReader((tmp_path / "list.csv").read_text(encoding="utf-8-sig").splitlines())
    assert row["patient_id"] == "'=1+1;'=2"
    assert row["rank"] == "1"


def test_a_formula_is_harmless_wherever_a_spreadsheet_splits(page: Page) -> None:
    for text, written in FORMULAS:
        saved = page.evaluate("async (text) => (await import('./web/sheet.js')).written([[text]])", text)
        assert next(csv.reader([saved])) == [written]


SENT = "async (rows) => (await import('./web/parts.js')).predictions(rows)"


def test_a_long_list_is_sent_in_parts_and_answered_in_its_order(page: Page, service: Service) -> None:
    rows = [{**DAYS, "age": at % 100} for at in range(20_002)]
    found = page.evaluate(SENT, rows)["predictions"]
    assert len(found) == len({each["id"] for each in found}) == 20_002
    for at in (0, 9_999, 10_000, 20_001):
        (alone,) = service.predict(rows[at]).json["predictions"]
        assert {**alone, "id": ""} == {**found[at], "id": ""}


def test_a_wrong_row_of_a_later_part_is_named_by_its_place_in_the_list(page: Page) -> None:
    rows = [{**DAYS, "age": 200 if at == 10_002 else 20} for at in range(10_003)]
    fields = page.evaluate(f"(rows) => ({SENT})(rows).catch((error) => error.fields)", rows)
    assert [(each["row"], each["field"]) for each in fields] == [(10_002, "age")]


@pytest.mark.parametrize(("changes", "whole"), [(1, True), (100, False)])
def test_a_list_is_sent_again_while_the_model_changes_but_not_for_ever(page: Page, changes: int, whole: bool) -> None:
    """Two instances answer by turns, each with a model of its own, until one of them is replaced."""
    bundles: list[str] = []

    def answer(route: Route) -> None:
        bundles.append("new" if len(bundles) % 2 or len(bundles) > changes else "old")
        route.fulfill(json={"bundle": bundles[-1], "predictions": [{"id": str(len(bundles))}]})

    page.route("**/predict", answer)
    sent = f"(rows) => ({SENT})(rows).catch((error) => ({{ error: error.message }}))"
    found = page.evaluate(sent, [DAYS] * 10_001)
    if whole:
        assert (bundles, found["bundle"], len(found["predictions"])) == (["old", "new", "new", "new"], "new", 2)
    else:
        assert "Another model took over" in found["error"] and len(bundles) == 6


def test_an_empty_table_to_fill_is_one_that_can_be_uploaded(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as saved:
        page.click("#template")
    saved.value.save_as(tmp_path / "empty.csv")
    uploaded(page, 1, (tmp_path / "empty.csv").read_bytes())


@pytest.mark.data_safety
def test_nothing_of_a_patient_is_kept(page: Page, service: Service) -> None:
    uploaded(page, len(APPOINTMENTS), table(*APPOINTMENTS))
    kept = page.evaluate(
        "async () => [localStorage.length, sessionStorage.length, document.cookie, (await caches.keys()).length,"
        " (await indexedDB.databases()).length]"
    )
    assert kept == [0, 0, "", 0, 0]
    page.reload()
    page.wait_for_selector("#card dl")
    assert page.locator("#result").is_hidden()


def test_the_card_shows_what_the_service_says(page: Page, service: Service) -> None:
    card = service.ask("/model").json
    text = page.locator("#card").inner_text()
    assert f"{card['metrics']['auc']['value']:.3f}" in text
    assert f"{card['name']}, version {card['version']}" in text
    assert card["origin"] == "simulated" and "simulated data" in text.lower()
    assert "simulated data" in page.locator("#answering").inner_text().lower()
    assert page.locator("#card .point circle").count() == len(card["reliability"])
    assert page.locator("#card tr:has-text('at most')").count() >= 1


def test_every_control_has_a_name_and_every_table_its_words(page: Page) -> None:
    uploaded(page, len(APPOINTMENTS), table(*APPOINTMENTS))
    page.locator("#typed > summary").click()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, select, button, a, summary')].filter(it =>
            !(it.labels?.length || it.textContent.trim() || it.getAttribute('aria-label'))).map(it => it.outerHTML)"""
    )
    assert nameless == []
    assert page.evaluate("[...document.querySelectorAll('table')].every(it => it.caption && it.tHead)")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(it => it.id)")
    assert len(ids) == len(set(ids))
    told = page.evaluate(
        "[...document.querySelectorAll('[aria-describedby], [aria-labelledby]')].flatMap(it =>"
        " ((it.getAttribute('aria-describedby') ?? '') + ' ' + (it.getAttribute('aria-labelledby') ?? '')).split(' '))"
    )
    assert set(filter(None, told)) <= set(ids)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_ground(browser: Browser, service: Service, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    home(page, service)
    uploaded(page, len(APPOINTMENTS), table(*APPOINTMENTS))
    page.locator("button.why").first.click()
    page.wait_for_selector("tr.opened")
    faint = page.evaluate(CONTRAST)
    context.close()
    assert faint == []


def test_a_phone_shows_it_without_scrolling_sideways(browser: Browser, service: Service) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True)
    page = context.new_page()
    home(page, service)
    uploaded(page, len(APPOINTMENTS), table(*APPOINTMENTS))
    page.locator("button.why").first.click()
    page.wait_for_selector("tr.opened")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("document.querySelector('#table').getBoundingClientRect().right") <= 360
    context.close()


@pytest.mark.data_safety
def test_a_key_is_asked_for_used_and_gone_with_the_tab(
    clinic: Clinic, browser: Browser, tmp_path: Path, capsys: Any
) -> None:
    assert keys(["new", "desk", "--file", str(tmp_path / "keys")]) == 0
    key = capsys.readouterr().out.strip()
    with clinic.copy(tmp_path / "own").serving(KEYS=str(tmp_path / "keys")) as service:
        context = browser.new_context()
        page = context.new_page()
        home(page, service.ready())
        upload(page, table(*APPOINTMENTS))
        page.wait_for_selector("#access[open]")
        page.locator("#key").press_sequentially(key)
        page.locator("#key").press("Enter")
        uploaded(page, len(APPOINTMENTS), table(*APPOINTMENTS))
        assert json.loads(page.evaluate("JSON.stringify(sessionStorage)")) == {"rounds-key": key}
        other = context.new_page()
        home(other, service)
        assert other.evaluate("sessionStorage.length") == 0
        context.close()
