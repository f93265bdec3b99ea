"""Invented patients never replace real ones: a model carries its origin, and a source that was given is remembered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests import tracked
from tests.checkout import KNOBS, STEPS, Checkout
from tests.jobs.test_register import copy, registered, rounds, shelf
from tests.warm import Warm

WHY = "the clinic moves to the simulated hospital for a training day"


@pytest.fixture
def ready(done: Checkout, tmp_path: Path) -> Checkout:
    """Run a, on simulated rows, which only waits to be registered."""
    return copy(done, tmp_path / "ready")


@pytest.fixture
def table(ready: Checkout) -> Path:
    """The same rows as a file, which is what somebody would give."""
    path = ready.place / "given.csv"
    pl.read_parquet(ready.file("ingest", "table.parquet")).write_csv(path)
    return path


def trained(checkout: Checkout, warm: Warm, run: str, source: str, trees: int) -> dict[str, Any]:
    """One whole run, each with a model of its own."""
    text = (checkout.root / KNOBS).read_text(encoding="utf-8")
    before = text.split("trees: ")[2].split(",")[0]
    checkout.change(KNOBS, f"trees: {before}, depth: 4", f"trees: {trees}, depth: 4")
    ended = warm.run(checkout, "ingest", run, f"--source={source}")
    assert ended.well, ended.text
    for step in STEPS[1:]:
        ended = warm.run(checkout, step, run)
        assert ended.well, ended.text
    return registered(checkout, warm, run)


def refused(checkout: Checkout, *words: str) -> str:
    command = [sys.executable, "-m", "rounds.cli", *words]
    ended = subprocess.run(command, cwd=checkout.root, env=checkout.environment(), capture_output=True, text=True)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    return ended.stderr


def test_a_simulated_model_never_replaces_a_given_one(ready: Checkout, table: Path, warm: Warm) -> None:
    ready.change(KNOBS, "margin: 0.005", "margin: 0.4")  # by which every challenger passes
    facts = registered(ready, warm)
    assert (facts["champion"], facts["anchor"]) == (1, 1)

    facts = trained(ready, warm, "real", str(table), 25)
    assert (facts["champion"], facts["anchor"], facts["test"]) == (2, 2, {})  # nothing to be compared with

    facts = trained(ready, warm, "sunday", "simulate", 30)
    assert (facts["version"], facts["stage"], facts["champion"], facts["test"]) == (3, "Staging", 2, {})
    assert "challenger" not in facts
    why_not = json.loads(ready.file("register", "registration.json", "sunday").read_bytes())["why_not"]
    assert why_not.startswith("version 3 learned from simulated data, and champion version 2 from a table")
    assert "rounds promote 3 --reason" in why_not

    assert "--reason" in refused(ready, "promote", "3")
    assert "--reason" in refused(ready, "rollback")  # the champion before is simulated too
    assert shelf(ready)[0]["champion"] == 2
    rounds(ready, "promote", "3", "--reason", WHY)
    assert shelf(ready)[0] == {"champion": 3, "anchor": 1}
    assert WHY in version_tags(ready, "3")["rounds.confirmed"]
    rounds(ready, "rollback")
    assert shelf(ready)[0] == {"champion": 2, "anchor": 2}


def retagged(checkout: Checkout, number: int, origin: str) -> None:
    """As somebody does who can write to MLflow."""
    client = tracked.door(checkout.place / "mlflow").client
    client.set_model_version_tag("NoShowXGBoost", str(number), "rounds.origin", origin)


def test_a_tag_altered_by_hand_decides_nothing(ready: Checkout, table: Path, warm: Warm) -> None:
    """The origin is that of the signed bundle, for register, promote and rollback alike."""
    ready.change(KNOBS, "margin: 0.005", "margin: 0.4")  # by which every challenger passes
    registered(ready, warm)
    trained(ready, warm, "real", str(table), 25)
    retagged(ready, 1, "given")
    retagged(ready, 2, "simulated")
    facts = trained(ready, warm, "sunday", "simulate", 30)
    assert (facts["stage"], facts["champion"], facts["anchor"], facts["test"]) == ("Staging", 2, 2, {})
    retagged(ready, 3, "given")
    assert registered(ready, warm, "sunday")["champion"] == 2
    for words in (("promote", "3"), ("rollback",)):
        assert "learned from simulated data, and champion version 2 from a table" in refused(ready, *words)
    assert shelf(ready)[0] == {"champion": 2, "anchor": 2}


def test_a_version_whose_signature_cannot_be_verified_waits_for_a_person(
    ready: Checkout, table: Path, warm: Warm
) -> None:
    registered(ready, warm)
    trained(ready, warm, "real", str(table), 25)
    client = tracked.door(ready.place / "mlflow").client
    digest = client.get_model_version("NoShowXGBoost", "1").tags["rounds.bundle"]
    (ready.store / f"noshow/.registry/releases/{digest}.json").unlink()
    sentence = refused(ready, "rollback")
    assert "version 1 of NoShowXGBoost has no signed release in the store" in sentence and "--reason" in sentence
    assert shelf(ready)[0] == {"champion": 2, "anchor": 2}
    rounds(ready, "rollback", "--reason", WHY)
    assert shelf(ready)[0]["champion"] == 1


def version_tags(checkout: Checkout, number: str) -> dict[str, str]:
    client = tracked.door(checkout.place / "mlflow").client
    return dict(client.get_model_version("NoShowXGBoost", number).tags)


def test_the_origin_is_shown_wherever_a_model_is(ready: Checkout, table: Path, warm: Warm) -> None:
    registered(ready, warm)
    trained(ready, warm, "real", str(table), 25)
    assert [version_tags(ready, number)["rounds.origin"] for number in "12"] == ["simulated", "given"]
    assert rounds(ready, "models").count("simulated") == 1
    assert "simulated data" in rounds(ready, "show", "a")
    assert "simulated data" not in rounds(ready, "show", "real")
    pages = [ready.file("evaluate", "report.html", run).read_text(encoding="utf-8") for run in ("a", "real")]
    assert ["simulated data" in page for page in pages] == [True, False]
    client = tracked.door(ready.place / "mlflow").client
    run = client.get_run(client.get_model_version("NoShowXGBoost", "1").run_id)
    assert run.data.tags["train.origin"] == "simulated"


def test_the_first_source_that_fits_is_remembered(ready: Checkout, table: Path, warm: Warm) -> None:
    """One that no check ever let pass gives way; one that did stays until a person says otherwise."""
    wrong = ready.place / "wrong.csv"
    wrong.write_text("a,b\n1,2\n", encoding="utf-8")
    assert "rounds source" in warm.run(ready, "ingest", "b", f"--source={wrong}").text
    assert warm.run(ready, "validate", "b").code == 2
    assert warm.run(ready, "ingest", "c", f"--source={table}").well
    assert warm.run(ready, "validate", "c").well

    assert "this run alone" in warm.run(ready, "ingest", "d", f"--source={wrong}", "--force").text
    ended = warm.run(ready, "ingest", "e")
    assert ended.well, ended.text
    assert ready.content("ingest", "e") == ready.content("ingest", "c")
    assert ready.content("ingest", "e")["facts"]["origin"] == "given"
    assert rounds(ready, "source").startswith(f"noshow: {table}, the first that a run was given")

    assert warm.run(ready, "ingest", "f", "--source=simulate").well  # for this run alone
    assert ready.content("ingest", "f")["facts"]["origin"] == "simulated"
    rounds(ready, "source", str(wrong))
    warm.run(ready, "ingest", "g")
    assert ready.content("ingest", "g") == ready.content("ingest", "d")
    rounds(ready, "source", "--forget")
    warm.run(ready, "ingest", "h")
    assert ready.content("ingest", "h")["facts"]["origin"] == "simulated"


def test_a_source_is_remembered_though_its_table_came_in_before(ready: Checkout, table: Path, warm: Warm) -> None:
    assert warm.run(ready, "ingest", "b", f"--source={table}").well
    rounds(ready, "source", "--forget")
    assert "so its rows are simulated" in warm.run(ready, "ingest", "a").text  # the work of before, and said again
    ended = warm.run(ready, "ingest", "c", f"--source={table}")
    assert "same as run b" in ended.text, ended.text
    assert rounds(ready, "source").startswith(f"noshow: {table}")


def test_a_journal_goes_on_from_what_is_remembered(ready: Checkout, table: Path, warm: Warm) -> None:
    """A retrain asks for the journal alone, and must not mix invented patients into it."""
    rounds(ready, "source", str(table))
    ended = warm.run(ready, "ingest", "j", "--source=journal:2026-11-20")
    assert ended.well, ended.text
    facts = ready.content("ingest", "j")["facts"]
    assert (facts["source"], facts["origin"]) == ("journal", "given")


def test_a_run_on_simulated_rows_says_so(ready: Checkout, warm: Warm) -> None:
    ended = warm.run(ready, "ingest", "b", "--force")
    assert "no source was given, so its rows are simulated" in ended.text
