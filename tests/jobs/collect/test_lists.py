"""A list of outcomes: taken whole and once, or refused by row and rule."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rounds.outcomes import FIELDS
from tests.checkout import Checkout
from tests.jobs.collect.collecting import ROWS, SECRET, collect, collected, lines_of, listed, store_of
from tests.jobs.watched import KEY, World
from tests.warm import Warm

pytestmark = pytest.mark.data_safety


def test_a_list_of_outcomes_is_taken_once(here: Checkout, warm: Warm, made: tuple[Path, World]) -> None:
    shutil.rmtree(here.store / "noshow/.outcomes")
    truth = made[1].truth
    names = truth["appointment_id"].to_list()
    rows: list[dict[str, Any]] = [
        {
            "AppointmentID": names[0],
            "No-show": "Yes",
            "action": "call",
            "propensity": 0.9,
            "observed": "2026-03-04 10:00:00",
        },
        {
            "AppointmentID": f"{names[1]}.0",
            "No-show": "No",
            "action": "None",
            "propensity": "",
            "observed": "2026-03-05",
        },
        {"AppointmentID": names[0], "No-show": "no", "observed": "2026-03-06T10:00:00+02:00"},
        {"AppointmentID": "4711", "No-show": "1"},
    ]
    rows[2]["No-show"] = "false"
    path = listed(here, rows)
    table, facts = collected(here, warm, f"--outcomes={path}")
    again, same = collected(here, warm, f"--outcomes={path}")
    assert table.equals(again) and facts == same
    found = {row["id"]: row for row in table.to_dicts()}
    first, second = found[truth["id"][0]], found[truth["id"][1]]
    assert (first["outcome"], first["action"], first["propensity"]) == (False, "call", 0.9)
    assert first["observed"] == datetime.datetime(2026, 3, 6, 8, tzinfo=datetime.UTC)
    assert (second["outcome"], second["action"], second["propensity"]) == (False, "none", None)
    counts = {"entries": 4, "matched": 3, "corrected": 1, "unknown": 1, "called": 1}
    assert facts["outcomes"] == {**dict.fromkeys(facts["outcomes"], 0), **counts}
    [part] = store_of(here).paths("noshow/.outcomes")
    lines = lines_of(here, part)
    assert {tuple(line) for line in lines} == {FIELDS}
    assert not any(name in json.dumps(lines) for name in (*names[:2], "4711"))


WRONG = {
    "row 1: outcome: want Yes or No": {"id": "p", "outcome": "perhaps"},
    "row 1: want either id or AppointmentID": {"id": "p", "AppointmentID": "1", "outcome": "Yes"},
    "row 1: want an outcome or an action": {"id": "p", "outcome": ""},
    "row 1: AppointmentID: want an identifier without lost digits": {"AppointmentID": "1.23E+19", "outcome": "Yes"},
    "row 1: action: want none, message, call": {"id": "p", "action": "shouted"},
    "row 1: propensity: want a chance from 0 to 1": {"id": "p", "action": "call", "propensity": "90%"},
    "row 1: propensity: want the action that it is the chance of": {"id": "p", "outcome": "No", "propensity": "0.5"},
    "row 1: observed: want a moment such as 2026-03-30T11:00:00Z": {"id": "p", "outcome": "No", "observed": "noon"},
    "row 1: observed: want a moment that is not to come": {"id": "p", "outcome": "No", "observed": "2062-01-01"},
    "wants a column 'id' or 'AppointmentID'": {"who": "p", "outcome": "Yes"},
}


@pytest.mark.parametrize("said", WRONG)
def test_a_wrong_value_is_refused_by_row_and_rule(here: Checkout, warm: Warm, said: str) -> None:
    row = WRONG[said]
    sentence = collect(here, warm, f"--outcomes={listed(here, [row])}").sentence(2)
    assert said in sentence
    assert not any(value in sentence for value in row.values() if len(value) > 3)
    assert here.content("collect", "w")["verdict"] == "refused"
    assert "list-" not in " ".join(store_of(here).paths("noshow/.outcomes")), "none of it is taken"


def test_only_the_first_of_many_faults_are_told(here: Checkout, warm: Warm) -> None:
    path = listed(
        here, [{"id": f"p{row}", "outcome": "Yes" if row else "perhaps"} for row in range(3)] + [{"id": ""}] * 9
    )
    sentence = collect(here, warm, f"--outcomes={path}").sentence(2)
    assert sentence.count("row ") == 5 and "and 14 more" in sentence


def test_a_list_is_no_reason_for_another_key(here: Checkout, warm: Warm, made: tuple[Path, World]) -> None:
    name = made[1].truth["appointment_id"][0]
    path = listed(here, [{"AppointmentID": name, "No-show": "Yes"}])
    words = ("collect", "w", "--to", "2026-03-29", f"--outcomes={path}")
    folder = here.place / "journal"
    ended = warm.run(here, *words, JOURNAL_FOLDER=str(folder))
    assert f"JOURNAL_FOLDER {folder} holds none" in ended.sentence(2) and not folder.exists()
    by_id = listed(here, [{"id": "p", "outcome": "Yes"}], "ids.csv")
    ended = warm.run(here, *words[:-1], f"--outcomes={by_id}", JOURNAL_FOLDER=str(folder))
    assert "JOURNAL_KEY is not set" in ended.sentence(2), "nothing can be verified without it"
    folder.mkdir()
    (folder / "key").write_text(KEY)
    assert warm.run(here, *words, JOURNAL_FOLDER=str(folder)).code == 0
    assert here.content("collect", "w")["facts"]["outcomes"]["entries"] == ROWS + 1


def test_killed_between_any_two_calls_a_list_is_in_the_ledger_once(here: Checkout, warm: Warm, tmp_path: Path) -> None:
    path = f"--outcomes={listed(here, [{'id': 'p', 'outcome': 'Yes'}, {'id': 'q', 'outcome': 'No'}])}"
    log = tmp_path / "points"
    ended = warm.run(here, "collect", "w", "--to", "2026-03-29", path, FAULT_LOG=str(log), **SECRET)
    assert ended.code == 0, ended.text
    content = here.content("collect", "w")
    points = [line.split(" ", 1) for line in log.read_text().splitlines()]
    kills = [number for number, name in points if "write " in name or "upload" in name]
    assert len(kills) >= 6
    for number in kills:
        for part in store_of(here).paths("noshow/.outcomes"):
            if "list-" in part:
                store_of(here).delete([part])
        extra = {**SECRET, "FAULT_AT": number}
        assert warm.run(here, "collect", "w", "--to", "2026-03-29", path, **extra).code == -9
        collected(here, warm, path)
        assert here.content("collect", "w") == content
        assert sum("list-" in part for part in store_of(here).paths("noshow/.outcomes")) == 1
