"""A newcomer's first hour, from a fresh clone, home and cache: minutes, megabytes and screenshots.

`ROUNDS_DATA=FOLDER python -m bench.first_hour`; `noshow.csv.gz` in that folder is the newcomer's own table. With a new
folder as argument, clone, home and cache lie there and are kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from bench.measure import show
from tests.ports import free
from tests.serving.browsing import APPOINTMENTS, ARGUMENTS, CHROMIUM, table, upload
from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / ".rounds" / "bench" / "first_hour"
PATIENCE = 300_000  # milliseconds
NETWORK = ("INDEX", "CERT", "SSL", "PROXY", "proxy")  # how this machine reaches a package index


class Newcomer:
    """A clone in a folder of its own, whose home and cache hold nothing yet."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.clone = folder / "rounds"
        self.rows: list[tuple[str, str, str]] = []
        self.home.mkdir(parents=True)
        self.environ = {name: value for name, value in os.environ.items() if any(word in name for word in NETWORK)}
        self.environ |= {"HOME": str(self.home), "LANG": "C.UTF-8", "PATH": path()}
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.clone)], check=True)

    def command(self, *words: str) -> str:
        """Run a command as it is typed, keep its time and the disk after it, and return what it printed."""
        begun = time.monotonic()
        ended = subprocess.run(words, cwd=self.clone, env=self.environ, stdout=subprocess.PIPE, text=True)
        self.note(" ".join(words), begun, f"exit {ended.returncode}")
        print(ended.stdout)
        return ended.stdout

    def note(self, what: str, begun: float, more: str = "") -> None:
        seconds = f"{time.monotonic() - begun:.0f} s"
        disk = f"{megabytes(self.clone):,.0f} MB in the clone, {megabytes(self.home):,.0f} MB in the home"
        self.rows.append((what, seconds, f"{more}; {disk}".removeprefix("; ")))

    @contextlib.contextmanager
    def served(self, verb: str, ready: str) -> Iterator[str]:
        """Start a server by `make`, and give its address once the path `ready` answers; Ctrl-C ends it."""
        port, begun = free(), time.monotonic()
        address = f"http://127.0.0.1:{port}"
        command = ["make", verb, f"PORT={port}"]
        process = subprocess.Popen(command, cwd=self.clone, env=self.environ, start_new_session=True)
        try:
            until(lambda: answers(f"{address}{ready}"))
            self.note(f"make {verb}, until it answers", begun)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(300)


def path() -> str:
    """The folders of commands, without those of this checkout's environments."""
    return os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if not each.startswith(str(ROOT)))


def megabytes(folder: Path) -> float:
    """What a folder occupies; a file with several names counts once."""
    blocks = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            blocks[status.st_dev, status.st_ino] = status.st_blocks
    return sum(blocks.values()) * 512 / 1e6


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def states(address: str) -> dict[str, str]:
    """The state of each run of the DAG, by its name."""
    with urllib.request.urlopen(f"{address}/api/v2/dags/train_noshow/dagRuns", timeout=60) as response:
        return {run["dag_run_id"]: run["state"] for run in json.load(response)["dag_runs"]}


def picture(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / f"{name}.png")


def look_at_airflow(newcomer: Newcomer, page: Page) -> None:
    """Press Trigger, wait for the run, and read the log of a step: of the demo's run, then of the new one."""
    with newcomer.served("ui", ready="/api/v2/version") as address:
        page.goto(address)
        page.get_by_text("Triggerer").first.wait_for()
        page.wait_for_timeout(3000)  # its charts draw themselves slowly
        picture(page, "1-airflow")
        page.goto(f"{address}/dags/train_noshow")
        page.get_by_role("button", name="Trigger").first.click()
        button = page.get_by_role("dialog").get_by_role("button", name="Trigger")
        expect(button).to_be_enabled()
        picture(page, "2-trigger")
        demo = set(states(address))
        begun = time.monotonic()
        button.click()
        until(lambda: set(states(address)) - demo)
        (new,) = set(states(address)) - demo
        until(lambda: states(address)[new] in ("success", "failed"))
        newcomer.note("the run that the button triggered", begun, states(address)[new])
        for name, run in (("3-demo-log", next(iter(demo))), ("4-triggered-log", new)):
            page.goto(f"{address}/dags/train_noshow/runs/{run.replace('+', '%2B')}/tasks/validate")
            page.get_by_text("validate:").first.wait_for()
            picture(page, name)


def look_at_report(newcomer: Newcomer, page: Page, run: str, name: str) -> None:
    newcomer.command(".rounds/bin/rounds", "get", run, "evaluate", "--to", f".rounds/out/{run}")
    (report,) = (newcomer.clone / ".rounds" / "out" / run).rglob("report.html")
    page.goto(report.as_uri())
    picture(page, name)


def look_at_service(newcomer: Newcomer, page: Page) -> None:
    """Upload a list to the service's page."""
    with newcomer.served("serve", ready="/readyz") as address:
        page.goto(address)
        page.wait_for_selector("#card dl")
        picture(page, "6-service")
        upload(page, table(*APPOINTMENTS))
        page.locator("#rows tr[data-id]").nth(len(APPOINTMENTS) - 1).wait_for()
        picture(page, "7-list")


def hour(newcomer: Newcomer, page: Page, source: str) -> None:
    newcomer.command("make", "demo")
    look_at_airflow(newcomer, page)
    newcomer.command("make", "train", f"SOURCE={source}", "RUN=mine")
    look_at_report(newcomer, page, "mine", "5-report")
    look_at_service(newcomer, page)
    newcomer.command("make", "demo")
    newcomer.command(".rounds/bin/rounds", "models")


def main(arguments: Sequence[str]) -> int:
    data = os.environ.get("ROUNDS_DATA")
    if not data or CHROMIUM is None:
        print("first_hour: skipped; it wants ROUNDS_DATA, a folder with noshow.csv.gz, and Chromium")
        return 0
    PICTURES.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = Path(arguments[0] if arguments else stack.enter_context(tempfile.TemporaryDirectory()))
        browsers = stack.enter_context(sync_playwright())
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.set_default_timeout(PATIENCE)
        newcomer = Newcomer(folder)
        try:
            hour(newcomer, page, str(Path(data) / "noshow.csv.gz"))
        finally:
            show(f"A newcomer's first hour; screenshots in {PICTURES.relative_to(ROOT)}", newcomer.rows)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
