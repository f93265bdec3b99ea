"""The list of whom to call: equal to each appointment alone, nobody too often, no row lost, each journaled once."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import problems
from jobs.calling.incoming import known
from jobs.score import harmless
from rounds import bundle
from rounds.decoding import tidy, value
from rounds.journal import FIELDS, given, hidden, keyed
from rounds.pasts import Pasts, sqlite
from tests import parts, tracked
from tests.checkout import KNOBS, STEPS, Checkout, copied, lenient
from tests.corpus.formulas import FORMULAS
from tests.s3 import Server
from tests.warm import Warm

PATIENTS = 700  # the histories know 600 of them
KEY = {"JOURNAL_KEY": "a secret of the clinic that is long enough"}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Checkout:
    """A champion and published histories, for no test to change."""
    checkout = lenient(copied(tmp_path_factory.mktemp("released")))
    checkout.change(KNOBS, "patients: 400", f"patients: {PATIENTS}")
    for step in [*STEPS, "register", "publish"]:
        ended = warm.run(checkout, step)
        assert ended.well, ended.text
    return checkout


@pytest.fixture
def ready(released: Checkout, tmp_path: Path) -> Checkout:
    """One of one's own."""
    place = tmp_path / "ready"
    for name in ("store", "mlflow", released.root.name):
        shutil.copytree(released.place / name, place / name)
    return Checkout(place / released.root.name, place).at(place)


def scored(checkout: Checkout, warm: Warm, run: str = "n", *more: str, **extra: str) -> pl.DataFrame:
    ended = warm.run(checkout, "score", run, *more, **KEY, **extra)
    assert ended.code == 0, ended.text
    return pl.read_parquet(checkout.file("score", "list.parquet", run), glob=False)


def tomorrow() -> pl.DataFrame:
    """The raw appointments that problem.yaml's source gives: those of the week after, with their outcomes."""
    source = problems.problem("noshow").score.source
    assert source is not None and source.kind == "simulate"
    made = problems.definition("noshow", "simulate").simulate(patients=PATIENTS, seed=7, start=source.start, weeks=1)
    return pl.concat(list(made))


def journaled(checkout: Checkout) -> list[dict[str, Any]]:
    return parts.below(checkout.store / "noshow/.journal")


@pytest.mark.data_safety
def test_the_list_says_of_each_row_what_it_gives_alone(ready: Checkout, warm: Warm) -> None:
    calls = scored(ready, warm)
    model = bundle.load(lambda name: ready.file("train", name))
    definition, sections = model.rebuild(), bundle.TypeAdapter(bundle.Sections).validate_python(model.sections)
    pasts = Pasts(sqlite.Published(ready.file("publish", "history.sqlite")))
    raw = tomorrow()
    typed = raw.select(value(tidy(pl.col(one.raw), one), one).alias(name) for name, one in known(sections).items())
    alone, lines = {}, {line["input"]["appointment_id"]: line for line in journaled(ready)}
    for row in typed.to_dicts():
        past = {word: pasts.of(word, [row[column]])[0] for word, column in definition.history.items()}
        features = definition.numbers(row, past)
        line = lines[keyed(row["appointment_id"], KEY["JOURNAL_KEY"].encode())]
        assert np.array(line["features"], np.float32).tobytes() == features.tobytes()
        assert line["history"] == ("known" if past["patient"].days else "unknown")
        alone[row["appointment_id"]] = float(model.score(np.array([features], np.float32))[0])
        assert line["score"] == alone[row["appointment_id"]]
    assert dict(calls.select("appointment_id", "probability").iter_rows()) == alone
    assert len(alone) == raw.height > 500
    assert {line["history"] for line in lines.values()} == {"known", "unknown"}


def test_the_riskiest_come_first_and_nobody_twice_a_week(ready: Checkout, warm: Warm) -> None:
    calls = scored(ready, warm)
    assert calls["rank"].to_list() == list(range(1, calls.height + 1))
    assert calls["probability"].is_sorted(descending=True)
    line = ready.content("score", "n")["facts"]["line"]
    assert calls["inside_capacity"].to_list() == (calls["probability"] >= line).to_list()
    called = calls.filter("call")
    assert called.height and called["patient_id"].is_unique().all(), "the list is of one week"
    assert called["inside_capacity"].all()
    left = calls.filter(pl.col("inside_capacity") & ~pl.col("call"))
    assert left.height and set(left["why_not"]) == {"called for another appointment"}
    assert set(left["patient_id"]) <= set(called["patient_id"])
    assert called["reason_1"].str.contains(": (raises|lowers) the risk$").all()
    assert left["reason_1"].null_count() == left.height
    bands = {"low": (0.0, 0.15), "medium": (0.15, 0.35), "high": (0.35, 1.0)}
    assert all(bands[band][0] <= score < bands[band][1] for band, score in calls.select("band", "probability").rows())
    csv = pl.read_csv(ready.file("score", "list.csv", "n"), schema=calls.schema)
    assert csv.with_columns(pl.col("why_not").fill_null("")).equals(calls)


def test_who_was_called_is_left_in_peace(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    first = scored(ready, warm).filter("call")
    day = datetime.date(2026, 3, 30)
    lately, long_ago = first["patient_id"][0], first["patient_id"][1]
    days = {lately: day - datetime.timedelta(2), long_ago: day - datetime.timedelta(40)}
    (tmp_path / "calls.csv").write_text("PatientId,called\n" + "".join(f"{who},{when}\n" for who, when in days.items()))
    calls = scored(ready, warm, "m", f"--calls={tmp_path / 'calls.csv'}")
    muted = calls.filter(pl.col("inside_capacity") & (pl.col("patient_id") == lately))
    assert set(muted["why_not"]) == {f"called on {days[lately]}"}
    assert calls.filter((pl.col("patient_id") == long_ago) & pl.col("call")).height == 1
    (tmp_path / "calls.csv").write_text("PatientId,called\n1,yesterday\n")
    ended = warm.run(ready, "score", "m", f"--calls={tmp_path / 'calls.csv'}", **KEY)
    assert "the list of calls has 1 rows without a patient or a day" in ended.sentence(2)


def test_a_number_of_calls_draws_the_line_elsewhere(ready: Checkout, warm: Warm) -> None:
    ready.change(KNOBS, "per_patient_days: 7", "per_patient_days: 7\n  calls: 5")
    calls = scored(ready, warm)
    assert calls.filter("call").height == 5
    assert calls.filter(~pl.col("call") & (pl.col("why_not") == "below the capacity line")).height


def test_bad_rows_are_told_and_stay_on_the_list(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    raw = tomorrow().drop("No-show").with_row_index("at")
    at = pl.col("at")
    spoilt = raw.with_columns(
        pl.when(at == 0).then(pl.lit("999")).otherwise("Age").alias("Age"),
        pl.when(at == 1).then(pl.lit(None)).otherwise("PatientId").alias("PatientId"),
        pl.when(at == 2).then(pl.lit("soon")).otherwise("AppointmentDay").alias("AppointmentDay"),
        pl.when(at == 4).then(pl.col("AppointmentID").shift()).otherwise("AppointmentID").alias("AppointmentID"),
    )
    spoilt.drop("at").write_csv(tmp_path / "tomorrow.csv")
    calls = scored(ready, warm, "n", f"--appointments={tmp_path / 'tomorrow.csv'}")
    assert calls.height == raw.height
    bad = calls.filter(pl.col("rank").is_null())
    rules = [
        "age-between",
        "patient_id-required",
        "appointment_day-type",
        "appointment_id-unique",
        "appointment_id-unique",
    ]
    assert bad["broken"].to_list() == rules
    assert bad["appointment_id"].to_list() == spoilt["AppointmentID"][:5].to_list()
    assert bad["why_not"].unique().to_list() == ["cannot be scored"] and not bad["call"].any()
    facts = ready.content("score", "n")["facts"]
    assert (facts["rows"], facts["scored"], facts["unscored"]) == (raw.height, raw.height - 5, 5)
    assert facts["broken"]["appointment_id-unique"] == 2
    assert len(journaled(ready)) == raw.height - 5


@pytest.mark.data_safety
def test_each_prediction_is_in_the_journal_once(ready: Checkout, warm: Warm) -> None:
    calls = scored(ready, warm)
    first, content = journaled(ready), ready.content("score", "n")
    scored(ready, warm)
    assert journaled(ready) == first and ready.content("score", "n") == content
    assert len(first) == calls.height == len({line["id"] for line in first})
    assert {tuple(line) for line in first} == {FIELDS}
    text = json.dumps(first)
    assert not any(f'"{one}"' in text for name in ("patient_id", "appointment_id") for one in calls[name])
    row = {"patient_id": "p", "appointment_id": calls["appointment_id"][0], "age": 1}
    columns = (
        bundle.TypeAdapter(bundle.Sections)
        .validate_python(bundle.load(lambda name: ready.file("train", name)).sections)
        .columns
    )
    kept = given(row, hidden(columns, "patient_id"), "patient_id", KEY["JOURNAL_KEY"].encode())
    assert list(kept) == ["appointment_id", "age"]
    assert kept["appointment_id"] in {line["input"]["appointment_id"] for line in first}


@pytest.mark.data_safety
def test_a_night_that_was_killed_is_told_once(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    ready.change("jobs/calling/journaled.py", "PART = 50_000", "PART = 200")
    log = tmp_path / "points"
    assert warm.run(ready, "score", "n", **KEY, FAULT_LOG=str(log)).code == 0
    whole = {line["id"] for line in journaled(ready)}
    points = [line.split(" ", 1) for line in log.read_text().splitlines()]
    kills = [number for number, name in points if "write noshow/.journal" in name]
    assert len(kills) >= 6
    for number in (kills[1], kills[2], kills[-1]):
        shutil.rmtree(ready.store / "noshow/.journal")
        assert warm.run(ready, "score", "n", **KEY, FAULT_AT=number).code == -9
        assert warm.run(ready, "score", "n", **KEY).code == 0
        ids = [line["id"] for line in journaled(ready)]
        assert len(ids) == len(whole) and set(ids) == whole


def test_what_is_missing_is_said(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    raw = tomorrow()
    raw.drop("Age").write_csv(tmp_path / "tomorrow.csv")
    ended = warm.run(ready, "score", "n", f"--appointments={tmp_path / 'tomorrow.csv'}", **KEY)
    assert "the raw table has no column 'Age'" in ended.sentence(2)
    raw.clear().write_csv(tmp_path / "tomorrow.csv")
    ended = warm.run(ready, "score", "n", f"--appointments={tmp_path / 'tomorrow.csv'}", **KEY)
    assert "has a header and no rows" in ended.sentence(2)
    (ready.store / "noshow/.index/publish/last.json").unlink()
    assert "no history of noshow was published yet. Run 'publish' first" in warm.run(ready, "score", **KEY).sentence(2)
    shutil.rmtree(ready.place / "mlflow")
    tracked.url(ready.place / "mlflow")
    assert "NoShowXGBoost has no champion yet" in warm.run(ready, "score", **KEY).sentence(2)


def test_an_older_champion_scores_by_its_own_definition(ready: Checkout, warm: Warm) -> None:
    before = scored(ready, warm).select("appointment_id", "probability").rows()
    with (ready.root / "problems/noshow/features.py").open("a", encoding="utf-8") as file:
        file.write("\n\ndef features(row, op, moment):\n    return {'age': row.age}\n")
    assert scored(ready, warm, "m").select("appointment_id", "probability").rows() == before


def test_a_spreadsheet_finds_no_formula_in_the_list(ready: Checkout, warm: Warm, tmp_path: Path) -> None:
    wild = ["=1+1", "+2", "-3", "@x"]
    raw = tomorrow().drop("No-show")
    who = pl.Series([*wild, *raw["PatientId"][4:]])
    spoilt = raw.with_columns(who.alias("PatientId"), pl.Series("Age", ["999", *map(str, raw["Age"][1:])]))
    spoilt.write_csv(tmp_path / "tomorrow.csv")
    calls = scored(ready, warm, "n", f"--appointments={tmp_path / 'tomorrow.csv'}")
    assert set(wild) <= set(calls["patient_id"]), "the table holds what the hospital wrote"
    csv = pl.read_csv(ready.file("score", "list.csv", "n"), infer_schema=False)
    assert {f"'{one}" for one in wild} <= set(csv["patient_id"])
    cells = [cell for row in csv.rows() for cell in row if cell]
    assert not [cell for cell in cells if cell[0] in "=+-@\t\r"]


@pytest.mark.parametrize(("text", "written"), FORMULAS)
def test_a_formula_is_harmless_wherever_a_spreadsheet_splits(text: str, written: str) -> None:
    found = harmless(pl.DataFrame({"patient_id": [text], "score": [-0.5]}))
    assert found.rows() == [(written, -0.5)]


@pytest.mark.docker
def test_appointments_may_lie_in_a_bucket(ready: Checkout, warm: Warm, s3: Server) -> None:
    expected, bucket = scored(ready, warm), s3.bucket()
    tomorrow().drop("No-show").write_csv(s3.folder / bucket / "tomorrow.csv")
    found = scored(ready, warm, "m", f"--appointments=s3://{bucket}/tomorrow.csv", **s3.environment)
    assert found.equals(expected)
    ended = warm.run(ready, "score", "o", f"--appointments=s3://{bucket}/nothing.csv", **KEY, **s3.environment)
    assert f"there is no s3://{bucket}/nothing.csv" in ended.sentence(2)
