"""What tests of the page do with it: a browser to open it in, a list to upload, and how well its text can be read."""

from __future__ import annotations

import csv
import io
import os
import shutil
from typing import Any

from playwright.sync_api import Page

from tests.serving.running import ONE, Service

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ("gpu", "background-networking", "component-update", "sync", "default-apps", "extensions")
ARGUMENTS = ["--no-sandbox", "--no-first-run", *(f"--disable-{word}" for word in QUIET)]
COLUMNS = {
    "patient_id": "PatientId",
    "sex": "Gender",
    "scheduled_day": "ScheduledDay",
    "appointment_day": "AppointmentDay",
}
LEADS = {"2026-03-30T08:00:00Z": 30, "2026-03-12T09:30:00Z": 62, "2026-01-12T09:30:00Z": 19}


def table(*rows: dict[str, Any], mark: str = ",") -> bytes:
    """These appointments as a spreadsheet writes them, with the columns of the raw table and the outcome."""
    out = io.StringIO()
    out.write("\ufeff")
    names = [name for name in ONE if name != "appointment_id"]
    writer = csv.writer(out, delimiter=mark)
    writer.writerow([*(COLUMNS.get(name, name) for name in names), "No-show"])
    writer.writerows([*(row.get(name, "") for name in names), "No"] for row in rows)
    return out.getvalue().encode()


APPOINTMENTS = [
    {**ONE, "patient_id": f"10{at}", "scheduled_day": day, "age": LEADS[day]} for at, day in enumerate(LEADS)
]


def home(page: Page, service: Service) -> None:
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.wait_for_selector("#card dl")


def upload(page: Page, content: bytes, name: str = "tomorrow.csv") -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "text/csv", "buffer": content})


def uploaded(page: Page, count: int, content: bytes) -> list[str]:
    """The patients of the list, from the first row on."""
    upload(page, content)
    page.locator("#rows tr[data-id]").nth(count - 1).wait_for()
    return [text.strip() for text in page.locator("#rows tr[data-id] th").all_text_contents()]


# Every element with text of its own whose colour is nearer to its ground than 4.5 to 1.
CONTRAST = """() => {
  const parts = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const ground = (it) => {
    for (let at = it; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parts(getComputedStyle(at).backgroundColor);
      if (a === 1 && r !== undefined) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const words = [...document.querySelectorAll('body *')].filter((it) => it.checkVisibility() && !it.closest('svg')
    && [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return words.filter((it) => {
    const [one, other] = [light(parts(getComputedStyle(it).color)), light(ground(it))].sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05) < 4.5;
  }).map((it) => `${it.tagName} ${it.className} ${it.textContent.slice(0, 30)}`);
}"""
