"""Collect where each row is its own entity: the hash in `who` is the row's identifier too."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import problems
from jobs.collecting.predictions import Journaled, Windows, older, read
from rounds.evidence import Place
from rounds.journal import LEDGER, Answering, given, hidden, keyed, record
from rounds.recorded import Ledger
from rounds.store import open_store

KEY = "a secret of the clinic that is long enough"
AT = datetime.datetime(2026, 3, 20, 12, tzinfo=datetime.UTC)


def test_predictions_of_rows_that_are_their_own_entity_are_collected(tmp_path: Path) -> None:
    of, own = problems.problem("noshow"), "appointment_id"
    ledger = Ledger(open_store((tmp_path / "store").as_uri()), "noshow", KEY.encode(), LEDGER)
    asked = {"appointment_id": "A1", "patient_id": "P1", "appointment_day": "2026-03-21", "age": 40}
    line = record(
        Answering("noshow", "NoShowXGBoost", 1, "b" * 64),
        id="0" * 32,
        at=AT.isoformat(timespec="milliseconds"),
        key="",
        who=keyed("A1", KEY.encode()),
        input=given(asked, hidden(of.columns, own), own, KEY.encode()),
        features=[1.0],
        score=0.2,
        band="low",
        history_as_of=None,
        history="known",
    )
    where = Place("2026-03-20", "made", 1)
    header = ledger.put(where, (json.dumps(line) + "\n").encode())
    ledger.write_head("made", header.next(ledger.key))
    how = Journaled(of.columns, own, of.outcome.column)
    windows = Windows(AT + datetime.timedelta(days=1), datetime.timedelta(days=7), 4, datetime.timedelta(days=28))
    table, trouble = read(ledger, how, windows)
    assert trouble == []
    assert table["appointment"].to_list() == table["who"].to_list() == [keyed("A1", KEY.encode())]
    assert table["input_patient_id"].to_list() == [keyed("P1", KEY.encode())]
    later = Windows(AT + datetime.timedelta(days=40), datetime.timedelta(days=7), 4, datetime.timedelta(days=28))
    assert older(ledger, how, later)["appointment"].to_list() == [keyed("A1", KEY.encode())]
