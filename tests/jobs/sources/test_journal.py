"""The journal as a source: its rows become the features that the table's own rows give."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

import problems
from jobs.sources import journal
from rounds import bundle, outcomes
from rounds.evidence import Place
from rounds.journal import keyed
from rounds.recorded import Ledger
from rounds.sourced import Journal
from rounds.store import Store, open_store
from tests.checkout import KNOBS, Checkout
from tests.jobs.watched import FIRST, KEY, World, simulated, watched
from tests.warm import Warm

ROWS = 1500
JOURNALED = {"JOURNAL_KEY": KEY}
SOURCE = "source: {kind: simulate, patients: 600, seed: 7, start: 2026-01-05, weeks: 12, dirt: 0.1%}"


def world(done: Checkout, here: Checkout, **given: Any) -> tuple[Store, World]:
    store = open_store(here.store.as_uri())
    return store, watched(store, bundle.load(lambda name: done.file("train", name)), rows=ROWS, **given)


def table(weeks: int = 4) -> pl.DataFrame:
    return simulated(problems.problem("noshow"), ROWS, weeks, 0.0, 11, FIRST)


def ingested(here: Checkout, warm: Warm, source: str, run: str = "j") -> pl.DataFrame:
    ended = warm.run(here, "ingest", run, "--source", source, **JOURNALED)
    assert ended.code == 0, ended.text
    return pl.read_parquet(here.file("ingest", "table.parquet", run), glob=False)


@pytest.mark.data_safety
def test_it_gives_the_features_that_the_table_gives(done: Checkout, checkout: Checkout, warm: Warm) -> None:
    raw = table()
    early = raw.filter(pl.col("AppointmentDay") < "2026-03-09")
    raw.write_csv(checkout.place / "all.csv")
    early.with_columns(pl.lit("spare").alias("Extra")).write_csv(checkout.place / "early.csv")
    checkout.change(KNOBS, SOURCE, f"source: {{kind: file, path: {checkout.place / 'early.csv'}}}")
    world(done, checkout)
    landed = ingested(checkout, warm, "journal:")
    facts = checkout.content("ingest", "j")["facts"]
    assert facts["base"] == facts["left_out"]["known"] == early.height > 200
    assert (facts["rows"], facts["journaled"]) == (ROWS, ROWS - early.height)
    assert not set(landed["PatientId"]) & set(raw["PatientId"])
    ended = warm.run(checkout, "ingest", "t", "--source", str(checkout.place / "all.csv"))
    assert ended.code == 0, ended.text
    found = {}
    for run in ("t", "j"):
        for step in ("validate", "features"):
            ended = warm.run(checkout, step, run)
            assert ended.code == 0, ended.text
        found[run] = pl.read_parquet(checkout.file("features", "table.parquet", run), glob=False)
        assert checkout.content("validate", run)["facts"]["quarantined"] == 0
    hashed = [f"h{keyed(one, KEY.encode())}" for one in found["t"]["appointment_id"]]
    ids = ["appointment_id", "patient_id"]
    plain = found["t"].with_columns(pl.Series("appointment_id", hashed)).sort("appointment_id").drop("patient_id")
    assert found["j"].sort("appointment_id").drop("patient_id").equals(plain)
    assert found["j"].height == ROWS and set(ids) < set(found["j"].columns)


@pytest.mark.data_safety
def test_who_was_called_and_whose_outcome_is_unknown_are_left_out(
    done: Checkout, unchanged: Checkout, tmp_path: Path, warm: Warm
) -> None:
    here = unchanged.at(tmp_path)
    truth = world(done, here, known=0.8, called=0.2)[1].truth
    ingested(here, warm, "journal:")
    facts = here.content("ingest", "j")["facts"]
    told = truth.filter("told")
    called = told.filter(pl.col("action") == "call").height
    assert facts["left_out"]["without_outcome"] == ROWS - told.height > 0
    assert facts["left_out"]["acted_on"] == called > 0
    assert facts["journaled"] == told.height - called
    assert facts["base"] > 0 and facts["rows"] == facts["base"] + facts["journaled"]


@pytest.mark.data_safety
def test_up_to_a_day_it_is_the_same_table_whatever_comes_later(
    done: Checkout, unchanged: Checkout, tmp_path: Path, warm: Warm
) -> None:
    here = unchanged.at(tmp_path)
    store, _ = world(done, here)
    first = ingested(here, warm, "journal:2026-03-15")
    facts = here.content("ingest", "j")["facts"]
    days = first.tail(facts["journaled"])["AppointmentDay"]
    assert days.min() >= "2026-03-02" and days.max() == "2026-03-13", "which is a Friday"
    late = {"id": "late", "at": "2026-03-20T10:00:00.000+00:00", "who": "w", "input": {}}
    put(store, "journal", "2026-03-20", [late])
    assert ingested(here, warm, "journal:2026-03-15", "k").equals(first)
    assert here.why("ingest", "k") == ["same as run j, nothing changed"]
    assert ingested(here, warm, "journal:2026-03-16", "l").height > first.height
    put(store, "journal", "2026-03-10", [{**late, "at": "2026-03-10T10:00:00.000+00:00"}])
    ingested(here, warm, "journal:2026-03-15", "m")
    assert (
        here.content("ingest", "m")["facts"]["left_out"]["without_outcome"] == facts["left_out"]["without_outcome"] + 1
    )


@pytest.mark.data_safety
def test_a_part_that_cannot_be_read_is_no_ground_for_a_model(
    done: Checkout, unchanged: Checkout, tmp_path: Path, warm: Warm
) -> None:
    here = unchanged.at(tmp_path)
    store, _ = world(done, here)
    [path] = store.paths("noshow/.journal/2026-03-10")
    store.write(path, (store.read(path) or b"")[:-100])
    sentence = warm.run(here, "ingest", "j", "--source", "journal:", **JOURNALED).sentence(2)
    assert f"{path} is altered or damaged" in sentence


@pytest.mark.parametrize("typed", ["journal:yesterday", "journal:2026-13-01"])
def test_a_day_that_is_none_is_refused(unchanged: Checkout, tmp_path: Path, warm: Warm, typed: str) -> None:
    assert "want journal:2026-11-20" in warm.run(unchanged.at(tmp_path), "ingest", "j", "--source", typed).sentence(2)


def test_an_empty_journal_leaves_the_base(unchanged: Checkout, tmp_path: Path, warm: Warm) -> None:
    here = unchanged.at(tmp_path)
    found = ingested(here, warm, "journal:")
    assert found.height == here.content("ingest", "j")["facts"]["base"] > 500


@pytest.mark.data_safety
def test_without_the_key_nobody_would_be_who_they_were(
    done: Checkout, unchanged: Checkout, tmp_path: Path, warm: Warm
) -> None:
    here = unchanged.at(tmp_path)
    place = {"JOURNAL_FOLDER": str(tmp_path / "journal")}
    ended = warm.run(here, "ingest", "i", "--source", "journal:", **place)
    assert ended.code == 0 and "makes the key of the journal" in ended.text, "there was none, so nobody has another"
    assert (tmp_path / "journal" / "key").exists()
    (tmp_path / "journal" / "key").rename(tmp_path / "journal" / "noshow")
    sentence = warm.run(here, "ingest", "k", "--source", "journal:", **place).sentence(2)
    assert "there is a journal of noshow" in sentence, "one that was not shipped yet"
    (tmp_path / "journal" / "noshow").unlink()
    world(done, here)
    sentence = warm.run(here, "ingest", "j", "--source", "journal:", **place).sentence(2)
    assert "JOURNAL_KEY is not set" in sentence and not (tmp_path / "journal" / "key").exists()


def test_columns_may_be_called_as_the_journal_calls_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "key", lambda store, problem: KEY.encode())
    columns = {"appointment_id": "id", "age": "at", "sex": "who"}
    of = problems.problem("noshow")
    named = {columns.get(name, name): column for name, column in of.columns.items()}
    asked = dict.fromkeys((name for name in named if name not in {of.who, of.outcome.column}), "1")
    asked |= {"scheduled_day": "2026-03-01T09:00:00Z", "appointment_day": "2026-03-02", "at": "44", "who": "F"}
    at = "2026-03-01T12:00:00.000+00:00"
    store = open_store(tmp_path.as_uri())
    put(store, "journal", at[:10], [{"id": "p", "at": at, "who": "w", "input": asked}])
    put(store, "outcomes", at[:10], [outcomes.record("e", at, "k", id="p", outcome=True)])
    read = Reading(store, "noshow", tmp_path)
    rows, left = journal._answered(Journal(kind="journal"), read, of.model_copy(update={"columns": named}))  # type: ignore[arg-type]
    assert rows.select("PatientId", "AppointmentID", "Age", "Gender", "No-show").row(0) == (
        "hw",
        "h1",
        "44",
        "F",
        "Yes",
    )
    assert set(left.values()) == {0}


class Reading(NamedTuple):
    """As much of a step's reader as the source asks."""

    store: Store
    problem: str
    scratch: Path


def put(store: Store, ledger: str, day: str, lines: list[dict[str, Any]]) -> None:
    name = f"put-{datetime.datetime.now().timestamp()}"
    own = Ledger(store, "noshow", KEY.encode(), ledger)
    header = own.put(Place(day, name, 1), "".join(json.dumps(line) + "\n" for line in lines).encode())
    own.write_head(name, header.next(own.key))
