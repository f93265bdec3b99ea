"""The step around the judging: what it writes, also when a gate says no; and the real table, where it is at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

from jobs import evaluate
from rounds import decoding
from rounds.errors import Refused
from rounds.files import Reader, Writer
from rounds.manifest import Circumstances, Content, Ingredients, Manifest
from rounds.modelling import Train
from rounds.store import Store, open_store
from tests.jobs import appointments
from tests.jobs.appointments import Case, case

NOTHING = Ingredients(code={}, knobs={}, packages={}, inputs={}, also={})


def done(step: str, write: Writer, store: Store, **facts: str) -> Manifest:
    kept, at = write.keep(store, "noshow", "here", step, refused=False)
    came = Circumstances(why=(), same_as=None, read=NOTHING, places=at, started="", seconds=0.0, machine="", python="")
    content = Content(verdict="done", files=kept, facts=facts)
    return Manifest(problem="noshow", run="here", step=step, content=content, circumstances=came)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """What lies left of evaluate for a small honest case."""
    small, store, inputs = case(patients=700), open_store((tmp_path / "store").as_uri()), {}
    for step in ("validate", "features", "train"):
        write = Writer(tmp_path / step)
        write.scratch.mkdir()
        facts = {}
        if step == "train":
            fitted = small.fit(small.features())
            fitted.save(write)
            facts["bundle"] = fitted.digest
        else:
            write.table(small.typed if step == "validate" else small.features())
        inputs[step] = done(step, write, store, **facts)
    return Reader("noshow", "here", store, tmp_path, inputs, {})


def out(tmp_path: Path) -> Writer:
    (tmp_path / "evaluate").mkdir()
    return Writer(tmp_path / "evaluate")


def test_another_bundle_than_train_named_is_refused(reader: Reader, tmp_path: Path) -> None:
    reader.inputs["train"].content.facts["bundle"] = "0" * 64
    with pytest.raises(Refused, match="is not the one that 'train' signed"):
        evaluate.main.main(reader, out(tmp_path), case().knobs())


def test_it_writes_figures_scores_and_a_page(reader: Reader, tmp_path: Path) -> None:
    write = out(tmp_path)
    facts = evaluate.main.main(reader, write, case().knobs())
    assert set(write.names) == {"metrics.json", "report.html", "scores.parquet"}
    scores = pl.read_parquet(write.path("scores.parquet"))
    slices = ["slice:sex", "slice:age_band", "slice:same_day", "slice:known_patient"]
    assert scores.columns == ["appointment_id", "appointment_day", "patient_id", "no_show", "score", *slices]
    assert set(scores.get_column("slice:same_day")) <= {"no", "yes", None}
    assert scores.height == facts["rows"]
    assert facts["metrics"] == json.loads(write.path("metrics.json").read_text())["metrics"]
    assert {gate["gate"] for gate in facts["gates"]} >= {"auc", "ece", "brier", "time travel", "repeated rows"}


def test_a_gate_that_says_no_stops_the_run_and_everything_is_written_all_the_same(
    reader: Reader, tmp_path: Path
) -> None:
    write, strict = out(tmp_path), case().knobs(gates={"auc": {"at_least": 0.99}})
    with pytest.raises(Refused, match=r"1 of 7 gates say no\.\nauc is 0\.\d+, want at least 0\.99") as stopped:
        evaluate.main.main(reader, write, strict)
    assert "Refused by 1 of 7 gates" in write.path("report.html").read_text()
    told = {gate["gate"]: gate["verdict"] for gate in stopped.value.facts["gates"]}
    others = ("time travel", "single feature", "repeated rows")
    assert told["auc"] == "refuse" and {told[name] for name in others} == {"pass"}


def test_a_gate_that_does_not_block_only_warns(reader: Reader, tmp_path: Path) -> None:
    write, mild = out(tmp_path), case().knobs(gates={"auc": {"at_least": 0.99, "blocks": False}})
    assert "want at least 0.99" in evaluate.main.main(reader, write, mild)["warnings"][0]


def test_tables_that_do_not_belong_together_are_refused(reader: Reader, tmp_path: Path) -> None:
    other = Writer(tmp_path / "other")
    other.scratch.mkdir()
    other.table(appointments.appointments(700, seed=9))
    mixed = {**reader.inputs, "validate": done("validate", other, reader.store)}
    with pytest.raises(Refused, match="the features are not those of the validated rows"):
        evaluate.main.main(Reader("noshow", "here", reader.store, tmp_path, mixed, {}), out(tmp_path), case().knobs())


def real() -> pl.DataFrame:
    """The public table, typed, without its 6 bad rows."""
    folder = os.environ.get("ROUNDS_DATA")
    if not folder:
        pytest.skip("ROUNDS_DATA is not set: the public table is not at hand")
    of = appointments.problem()
    raw = pl.read_csv(Path(folder) / "noshow.csv.gz", infer_schema=False)
    typed = raw.select(
        decoding.value(decoding.tidy(pl.col(c.raw), c, outcome), c, outcome).alias(name)
        for name, c in of.columns.items()
        for outcome in [of.outcome if name == of.outcome.column else None]
    )
    return typed.filter(pl.col("age") >= 0, pl.col("appointment_day") >= pl.col("scheduled_day").dt.date())


def test_the_real_table_passes_and_its_duplicate_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        appointments,
        "SMALL",
        Train(family="xgboost", trees=120, depth=5, rate=0.08, leaf=20, ridge=5, threads=1, seed=7, capacity=0.1),
    )
    gates = {"auc": {"at_least": 0.7, "alarm_above": 0.8}, "ece": {"at_most": 0.03}}
    honest = Case(appointments.problem(), real(), appointments.text())
    found, stopping = honest.judge(gates=gates)
    assert stopping == {}
    assert found["test"]["first"] == "2016-05-30"
    assert 0.722 <= found["metrics"]["auc"]["value"] <= 0.745
    copies = honest.typed.filter(pl.col("appointment_day") < pl.date(2016, 5, 30)).sample(fraction=0.05, seed=1)
    renamed = (pl.lit("B") + pl.col("appointment_id")).alias("appointment_id")
    later = copies.with_columns(pl.date(2016, 6, 1).alias("appointment_day"), renamed)
    _, stopping = honest.but(typed=honest.typed.vstack(later)).judge(gates=gates)
    assert "repeated rows" in stopping
