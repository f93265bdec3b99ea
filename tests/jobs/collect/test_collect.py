"""The journal and the outcomes as one table: each prediction once, and whatever could not be read is told."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rounds.journal import keyed
from tests.checkout import Checkout
from tests.jobs.collect.collecting import ROWS, collect, collected, lines_of, put, store_of
from tests.jobs.watched import KEY, World
from tests.warm import Warm


@pytest.mark.data_safety
def test_every_prediction_with_what_is_known_of_it(here: Checkout, warm: Warm, made: tuple[Path, World]) -> None:
    table, facts = collected(here, warm)
    truth = made[1].truth
    assert table.height == facts["predictions"] == facts["appointments"] == ROWS
    assert table["id"].to_list() == truth["id"].to_list(), "both are in order of time"
    for name in ("score", "outcome", "action", "propensity"):
        assert table[name].to_list() == truth[name].to_list(), name
    assert np.array_equal(np.array(table["features"].to_list()), np.array(truth["features"].to_list()))
    for name in ("scheduled_day", "appointment_day", "age", "neighbourhood", "reminded", "sex"):
        assert table[f"input_{name}"].to_list() == truth[name].to_list(), name
    assert table["appointment"].to_list() == [keyed(one, KEY.encode()) for one in truth["appointment_id"]]
    assert table["last"].all() and not table["late"].any()
    assert set(table["window"]) == {0, 1, 2, 3}
    newest = table.filter(pl.col("window") == 0)["at"]
    assert newest.min() >= datetime.datetime(2026, 3, 22, tzinfo=datetime.UTC)
    assert facts["rows_per_window"] == [(table["window"] == number).sum() for number in range(4)]
    assert facts["by_version"] == {"1": ROWS} and facts["trouble"] == []
    called = (truth["action"] == "call").sum()
    counts = {"entries": ROWS, "matched": ROWS, "called": called}
    assert facts["outcomes"] == {**dict.fromkeys(facts["outcomes"], 0), **counts}
    assert (facts["first"], facts["to"]) == ("2026-03-01T00:00:00+00:00", "2026-03-29T00:00:00+00:00")


@pytest.mark.data_safety
def test_it_says_the_same_again_and_less_of_an_earlier_day(here: Checkout, warm: Warm) -> None:
    first, facts = collected(here, warm)
    again, same = collected(here, warm)
    assert first.equals(again) and facts == same
    earlier, facts = collected(here, warm, to="2026-03-15T18:00:00+00:00")
    assert earlier["at"].max() < datetime.datetime(2026, 3, 15, 18, tzinfo=datetime.UTC)
    assert facts["rows_per_window"][2:] == [0, 0] or facts["rows_per_window"][3] == 0
    assert earlier["outcome"].null_count() > 0, "the last day's were not known by then"
    assert "--to is 'soon'" in collect(here, warm, to="soon").sentence(2)
    assert "--to is '2962-01-01', which is to come; it is 20" in collect(here, warm, to="2962-01-01").sentence(2)


def test_an_outcome_that_comes_after_its_window_is_joined(here: Checkout, warm: Warm, made: tuple[Path, World]) -> None:
    """Each comes 29 days later than it did, so none is here before its prediction has left the windows."""
    store = store_of(here)
    later = list(store.paths("noshow/.outcomes"))
    lines = [line for path in later for line in lines_of(here, path)]
    store.delete(later)
    for number, line in enumerate(lines):
        line["at"] = (datetime.datetime.fromisoformat(line["at"]) + datetime.timedelta(29)).isoformat(
            timespec="milliseconds"
        )
        line["entry"] = f"later{number}"
    for day in sorted({line["at"][:10] for line in lines}):
        put(here, "outcomes", "later", *(line for line in lines if line["at"][:10] == day))
    table, facts = collected(here, warm, to="2026-04-28")
    assert table.height == ROWS and facts["outcomes"]["matched"] == ROWS
    assert table["outcome"].null_count() == 0
    assert facts["rows_per_window"] == [0, 0, 0, 0] and table["window"].min() >= 4, "which is too old for drift"
    assert (facts["first"], facts["since"]) == ("2026-03-31T00:00:00+00:00", "2026-02-27T00:00:00+00:00")
    table, facts = collected(here, warm, to="2026-05-12")
    gone = made[1].truth.filter(pl.col("at").dt.date() < datetime.date(2026, 3, 13)).height
    assert (table.height, facts["outcomes"]["older"], facts["outcomes"]["unknown"]) == (ROWS - gone, gone, 0)
    put(here, "outcomes", "nobody", {"entry": "e", "at": "2026-05-01T10:00:00.000+00:00", "id": "x", "outcome": True})
    _, facts = collected(here, warm, to="2026-05-12")
    assert (facts["outcomes"]["older"], facts["outcomes"]["unknown"]) == (gone, 1)


def test_a_line_without_a_score_is_told(here: Checkout, warm: Warm) -> None:
    [path] = store_of(here).paths("noshow/.journal/2026-03-10")
    line = lines_of(here, path)[0]
    lacking: list[dict[str, Any]] = [{**line, "id": "n", "score": None}, {**line, "id": None}, {**line, "at": "once"}]
    path = put(here, "journal", "lacking", *lacking, {**line, "id": "whole"})
    table, facts = collected(here, warm)
    assert facts["trouble"] == [f"{path} has 3 lines without an id, a moment or a score"]
    assert table.height == ROWS + 1
    _, facts = collected(here, warm, to="2026-03-08")
    assert facts["trouble"] == [], "it is of days that are not looked at"


def test_the_newest_prediction_of_an_appointment_is_the_last(here: Checkout, warm: Warm) -> None:
    table, _ = collected(here, warm)
    [path] = store_of(here).paths("noshow/.journal/2026-03-10")
    line = lines_of(here, path)[0]
    again = {**line, "id": "again", "at": "2026-03-11T08:00:00.000+00:00", "version": 2}
    put(here, "journal", "again", again)
    put(here, "journal", "twice", again)
    found, facts = collected(here, warm)
    both = found.filter(pl.col("appointment") == line["input"]["appointment_id"])
    assert both["id"].to_list() == [line["id"], "again"] and both["last"].to_list() == [False, True]
    assert both["outcome"].n_unique() == 1, "what happened, happened to the appointment"
    assert (facts["predictions"], facts["appointments"]) == (table.height + 1, table.height)
    assert facts["by_version"] == {"1": ROWS, "2": 1}


@pytest.mark.data_safety
def test_what_was_altered_is_named_and_not_used(here: Checkout, warm: Warm) -> None:
    store = store_of(here)
    days = ("09", "10", "11")
    torn, broken, nonsense = paths = [store.paths(f"noshow/.journal/2026-03-{day}")[0] for day in days]
    lost = sum(len(lines_of(here, path)) for path in paths)
    content = gzip.decompress(store.read(broken) or b"")
    store.write(torn, (store.read(torn) or b"")[:-200])
    store.write(broken, gzip.compress(content.replace(b'"score":0.', b'"score":0.9', 1)))
    store.write(nonsense, b"nonsense")
    path = put(here, "outcomes", "odd", {"at": "2026-03-12T10:00:00.000+00:00", "id": "x", "outcome": "perhaps"})
    table, facts = collected(here, warm)
    assert facts["trouble"] == [
        f"{torn} is altered or damaged: it is not a part that was written here.",
        f"{broken} is altered: its lines or its header are not those that were written.",
        f"{nonsense} is altered or damaged: it is not a part that was written here.",
        f"{path} has 1 lines that cannot be read",
    ]
    assert facts["evidence"] == {"parts": facts["evidence"]["parts"], "missing": 0, "altered": 3}
    assert table.height == ROWS - lost


def test_a_part_that_is_gone_is_named(here: Checkout, warm: Warm) -> None:
    store = store_of(here)
    [path] = store.paths("noshow/.journal/2026-03-10")
    [other] = store.paths("noshow/.outcomes/2026-03-12")
    store.delete([path, other])
    _, facts = collected(here, warm)
    assert facts["trouble"] == [
        "part 1 of instance made-11-2026-03-10 of the journal is missing from the store",
        "part 1 of instance made-11-2026-03-12 of the outcomes is missing from the store",
    ]
    assert facts["evidence"]["missing"] == 2


def test_a_part_of_a_newer_release_is_refused_by_name(here: Checkout, warm: Warm) -> None:
    line = {"id": "n", "at": "2026-03-10T10:00:00.000+00:00", "format": 2, "score": 0.5}
    path = put(here, "journal", "newer", line)
    sentence = collect(here, warm).sentence(2)
    assert f"{path} has format 2; this release knows 1" in sentence and "Do not delete" in sentence


def test_another_key_is_refused(here: Checkout, warm: Warm) -> None:
    words = ("collect", "w", "--to", "2026-03-29")
    other = warm.run(here, *words, JOURNAL_KEY="another secret of the clinic that is long")
    assert "is written with the key" in other.sentence(2)
    assert "want at least 32" in warm.run(here, *words, JOURNAL_KEY="a").sentence(2)


def test_nothing_was_journaled(unchanged: Checkout, tmp_path: Path, warm: Warm) -> None:
    table, facts = collected(unchanged.at(tmp_path), warm)
    assert table.height == 0 and table.schema["features"] == pl.List(pl.Float32)
    assert facts["rows_per_window"] == [0, 0, 0, 0] and facts["by_version"] == {}


def test_a_flag_is_a_flag_however_it_was_sent(here: Checkout, warm: Warm) -> None:
    [path] = store_of(here).paths("noshow/.journal/2026-03-10")
    line = lines_of(here, path)[0]
    inputs = {
        "appointment_day": "2026-03-11",
        "scheduled_day": "2026-03-01T09:30:00Z",
        "hypertension": True,
        "diabetes": 0,
    }
    put(here, "journal", "odd", {**line, "id": "odd", "who": None, "input": inputs})
    table, _ = collected(here, warm)
    [odd] = table.filter(pl.col("id") == "odd").to_dicts()
    assert (odd["input_hypertension"], odd["input_diabetes"], odd["input_age"]) == (1, 0, None)
    assert odd["input_scheduled_day"] == datetime.datetime(2026, 3, 1, 9, 30)
    assert (odd["who"], odd["appointment"], odd["last"]) == (None, None, True)


def test_a_store_that_is_away_is_worth_another_try(unchanged: Checkout, tmp_path: Path, warm: Warm) -> None:
    here = unchanged.at(tmp_path)
    gone = {
        "AWS_ALLOW_HTTP": "true",
        "STORE": "s3://nowhere/at-all",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "STORE_TIMEOUT": "1",
    }
    ended = warm.run(here, "collect", "w", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_REGION="r", **gone)
    assert "the store s3://nowhere/at-all could not" in ended.sentence(1)
