"""What the command `rounds` answers to programs and to narrow terminals."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import problems
from rounds import cli, run_commands
from rounds.settings import settings
from tests import tracked
from tests.rounds.shelf import Shelf
from tests.rounds.test_cli import SAFE

RULES = [{"id": "age-between", "wanted": "0 to 120", "broken": 1, "first_rows": [7]}]
CHECKED = json.dumps({"rows": 10, "quarantined": 1, "rules": RULES, "table": []})
LOOKING = [
    ("runs",),
    ("show", "one"),
    ("why", "one", "ingest"),
    ("diff", "one", "two"),
    ("quarantine", "one"),
    ("get", "one", "ingest"),
    ("prune", "--keep", "1"),
    ("models",),
    ("mirror",),
    ("sign",),
]


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """They are read once a process."""
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = Shelf(tmp_path / "store")
    made.put("one")
    made.put("one", "validate", name="report.json", text=CHECKED, inputs={"ingest": "0"})
    made.put(SAFE, text="other", facts={"rows": 1_000, "broken": {"age-between": 3, "booked-before": 12}})
    made.put("two", text="third", why=("problem.yaml source.seed 7 -> 8", "package polars 2.1.0 -> 2.1.1"))
    monkeypatch.setenv("STORE", made.root.as_uri())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracked.url(tmp_path / "mlflow"))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(run_commands, "ROOT", tmp_path)
    return made


def out(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.main(words) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", LOOKING, ids=lambda words: str(words[0]))
def test_every_command_answers_json(shelf: Shelf, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    answer: Any = json.loads(out(capsys, *words, "--json"))
    assert isinstance(answer, dict | list)


def test_json_of_runs_says_what_the_table_says(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    newest, *_ = json.loads(out(capsys, "runs", "--json"))
    assert newest == {
        "problem": "noshow",
        "run": "two",
        "when": "2026-11-20T00:04:00+00:00",
        "steps": {"ingest": "done"},
        "why": "ingest: problem.yaml source.seed 7 -> 8 and 1 more",
    }


@pytest.mark.parametrize("words", [words for words in LOOKING if words[0] != "get"], ids=lambda words: str(words[0]))
def test_it_fits_into_80_columns(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = out(capsys, *words).splitlines()
    assert lines and max(map(len, lines)) <= 80


def test_alone_it_prints_help_and_it_knows_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys)
    assert set(cli.VERBS) <= set(text.split())
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("rounds 0.")


def test_open_shows_the_newest_report_in_the_browser(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shelf.put("one", "evaluate", name="report.html", text="<p>how good it is</p>", inputs={"validate": "0"})
    browser = tmp_path / "browser"
    browser.write_text(
        f"#!{sys.executable}\nimport sys, pathlib\npathlib.Path({str(tmp_path / 'seen')!r}).write_text(sys.argv[1])\n"
    )
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    page = Path(out(capsys, "open", "one").strip())
    assert page == tmp_path / ".rounds/files/noshow/one/evaluate/report.html"
    assert page.read_text() == "<p>how good it is</p>"
    assert (tmp_path / "seen").read_text() == page.as_uri()


def test_a_run_without_a_report_says_so(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["open", "two"]) == 2
    assert "no step of run two wrote a report yet" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["models", "mirror", "sign"])
def test_a_problem_whose_folder_is_away_breaks_nothing(
    shelf: Shelf, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    shelf.put("one", problem="readmission")
    assert "readmission" not in problems.names()
    capsys.readouterr()
    assert cli.main([verb]) == 0
    assert capsys.readouterr().err == "rounds: left out, for problems/ has no such folder here: readmission.\n"


def test_a_bucket_that_cannot_be_had_is_one_plain_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"STORE": "s3://nope/x", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("STORE_TIMEOUT", "1")
    assert cli.main(["runs"]) == 1
    assert "the store s3://nope/x could not list folders: " in capsys.readouterr().err
