"""What `score` says of tomorrow's appointments is what the service answers for the same rows, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import problems
from tests import parts
from tests.serving.running import KEY, Clinic
from tests.warm import Warm

pytestmark = pytest.mark.data_safety

PATIENTS = 700  # the histories know 600 of them


@pytest.fixture(scope="module")
def night(clinic: Clinic, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """A clinic whose list for tomorrow is made, from appointments as the hospital spells them."""
    own = clinic.copy(tmp_path_factory.mktemp("night"))
    own.checkout.scratch.mkdir()
    made = problems.definition("noshow", "simulate").simulate(patients=PATIENTS, seed=7, start="2026-03-30", weeks=1)
    pl.concat(list(made)).drop("No-show").write_csv(own.place / "tomorrow.csv")
    ended = warm.run(own.checkout, "score", "night", f"--appointments={own.place / 'tomorrow.csv'}", JOURNAL_KEY=KEY)
    assert ended.code == 0, ended.text
    return own


def asked(schema: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """The hospital's rows as the page reads them: by what the schema calls each column, typed as it says."""
    kinds = {
        "date": lambda text: text[:10],
        "integer": int,
        "number": float,
        "flag": lambda text: text in {"1", "True", "true", "Yes"},
    }
    columns = {name: (each["x-from"], kinds.get(each["x-type"], str)) for name, each in schema["properties"].items()}
    rows = pl.read_csv(path, infer_schema=False).to_dicts()
    return [
        {name: read(row[raw]) for name, (raw, read) in columns.items() if row.get(raw) not in {None, ""}}
        for row in rows
    ]


@pytest.mark.parametrize("size", [1, 100, 10_000], ids=["one by one", "some at once", "all at once"])
def test_the_service_answers_what_the_list_says(night: Clinic, size: int) -> None:
    manifest = night.checkout.content("score", "night")["facts"]
    list_ = pl.read_parquet(night.checkout.file("score", "list.parquet", "night"), glob=False)
    said = {row["appointment_id"]: row for row in list_.to_dicts()}
    with night.serving(JOURNAL_KEY=KEY) as service:
        rows = asked(service.ready().ask("/schema").json, night.place / "tomorrow.csv")
        rows = rows[::10] if size == 1 else rows
        answers = [service.predict(*rows[start : start + size]).json for start in range(0, len(rows), size)]
        service.end()
    assert {(each["version"], each["bundle"]) for each in answers} == {(manifest["version"], manifest["bundle"])}
    assert {each["history_as_of"] for each in answers} == {manifest["history_as_of"]}
    predictions = [each for answer in answers for each in answer["predictions"]]
    assert len(predictions) == len(rows) > 50
    for row, answer in zip(rows, predictions, strict=True):
        found = said[row["appointment_id"]]
        assert answer["probability"] == found["probability"]
        assert (answer["band"], answer["call"]) == (found["band"], found["inside_capacity"])
    assert {each["history"] for each in predictions} == {"known", "unknown"}


def test_the_journal_holds_the_same_of_both(night: Clinic) -> None:
    """The patient's hash, the input, the features, the score; of the input, what whoever asked had said."""
    with night.serving(JOURNAL_KEY=KEY) as service:
        rows = asked(service.ready().ask("/schema").json, night.place / "tomorrow.csv")[:300]
        ids = {each["id"] for each in service.predict(*rows).json["predictions"]}
        service.end()
    nightly, answered = {}, {}
    for part in (night.checkout.store / "noshow/.journal").rglob("*.jsonl.gz"):
        for record in parts.lines(part.read_bytes()):
            kept = answered if record["id"] in ids else nightly if part.name.startswith("score-") else {}
            kept[record["input"]["appointment_id"]] = {**record, "id": "", "at": ""}
    assert len(answered) == 300
    for name, record in answered.items():
        same = nightly[name]
        assert record["features"] == same["features"]
        assert {**record, "input": None} == {**same, "input": None}
        assert {key: same["input"][key] for key in record["input"]} == record["input"]
