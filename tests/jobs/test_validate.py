from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import problems
from jobs.checks import rows
from jobs.checks.header import match
from jobs.checks.questions import questions
from jobs.validate import Evidence, Knobs, Last, examine
from problems.noshow.simulate import simulate
from rounds.errors import Refused
from rounds.files import Writer
from rounds.settings import ROOT
from tests.checkout import Checkout
from tests.corpus.tables import AGE, CASES, DAY, ID, MISSED, PLACE, ROWS, WHO, Case, cells, sound
from tests.warm import Warm

# Great Expectations imports modules of a Python to come no more.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


def knobs(**changed: Any) -> Knobs:
    described = problems.problem("noshow")
    checks = described.checks.model_copy(update=changed)
    return Knobs(described.columns, described.outcome, checks, described.who, described.when)


def validated(
    table: pl.DataFrame, folder: Path, wanted: Knobs | None = None, last: Last | None = None
) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return examine(table.lazy(), "noshow", wanted or knobs(), Evidence(last), Writer(folder))


def left(folder: Path) -> Last:
    """What a run left for the next one to be held against."""
    profile = json.loads((folder / "out" / "profile.json").read_text())
    return Last(profile, folder / "out" / "table.parquet")


def of_older_patients() -> pl.DataFrame:
    """Other appointments, of people who are older."""
    age = (pl.col(AGE).cast(pl.Int64) // 2 + 60).cast(pl.String).alias(AGE)
    return sound().with_columns(age, (pl.lit("9") + pl.col(ID)).alias(ID))


def written(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / "out" / name)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("sound")
    facts = validated(sound(), folder)
    assert facts == {"rows": ROWS, "good": ROWS, "quarantined": 0, "broken": {}, "warnings": []}
    return written(folder, "table.parquet")


def test_good_rows_are_typed_and_in_the_order_of_the_source(good: pl.DataFrame) -> None:
    types = {
        "patient_id": pl.String,
        "scheduled_day": pl.Datetime("us"),
        "appointment_day": pl.Date,
        "no_show": pl.Int64,
    }
    assert good.columns == list(problems.problem("noshow").columns)
    assert {name: good.schema[name] for name in types} == types
    assert good["appointment_id"].to_list() == sound()[ID].to_list()
    assert sum(good.null_count().row(0)) == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_table(case: Case, good: pl.DataFrame, tmp_path: Path) -> None:
    table = case.spoil(sound())
    if case.refused:
        with pytest.raises(Refused) as refusal:
            validated(table, tmp_path)
        assert all(part in str(refusal.value) for part in case.refused), str(refusal.value)
        assert "table.parquet" not in {path.name for path in (tmp_path / "out").iterdir()}
        assert (tmp_path / "out" / "report.html").stat().st_size > 0
        return
    facts = validated(table, tmp_path)
    quarantine, kept = written(tmp_path, "quarantine.parquet"), written(tmp_path, "table.parquet")
    assert facts["broken"] == dict(case.broken)
    assert quarantine["rules"].explode().value_counts().sort("rules").rows() == sorted(case.broken.items())
    assert facts["rows"] == table.height == kept.height + quarantine.height
    assert [case.warned in warning for warning in facts["warnings"]] == ([True] if case.warned else [])
    if not case.changed:
        assert kept.equals(good)


@pytest.mark.data_safety
def test_quarantine_holds_the_rows_as_the_source_has_them(tmp_path: Path) -> None:
    table = cells(AGE, "999")(sound()).with_columns(rules=pl.lit("a raw column of that name"))
    validated(table, tmp_path)
    quarantine = written(tmp_path, "quarantine.parquet")
    assert quarantine.columns == ["row", *table.columns[:-1], "rules (raw)", "rules"]
    assert quarantine.row(0)[1:-2] == table.row(0)[:-1]
    assert quarantine.select("row", "rules").rows() == [(1, ["age-between"])]


@pytest.mark.data_safety
def test_identifiers_and_zeros_come_out_exact(tmp_path: Path) -> None:
    table = cells(WHO, "9377952927E-5", "2.9872499824296E13", "007", "29872499824296.0")(cells(AGE, "-0")(sound()))
    validated(table, tmp_path)
    kept = written(tmp_path, "table.parquet")
    assert kept["patient_id"].head(4).to_list() == ["93779.52927", "29872499824296", "007", "29872499824296"]
    assert kept["age"][0] == 0


@pytest.mark.data_safety
def test_no_value_of_a_patient_is_told(tmp_path: Path) -> None:
    """Canaries among good rows, among bad rows, in the refusal and in everything that is for people."""
    table = sound().with_columns(pl.lit("CANARY PLACE").alias(PLACE))
    table = cells(WHO, "CANARY-1", "CANARYé")(cells(AGE, "CANARY", "77777")(cells(DAY, "CANARY")(table)))
    with pytest.raises(Refused) as refusal:
        validated(table, tmp_path)
    told = [str(refusal.value), json.dumps(refusal.value.facts)]
    told += [(tmp_path / "out" / name).read_text() for name in ("report.json", "report.html", "profile.json")]
    assert not any("CANARY" in text or "77777" in text for text in told)


def test_one_bound_changes_verdict_quarantine_and_report_together(tmp_path: Path) -> None:
    described = problems.problem("noshow")
    strict = described.columns["age"].model_copy(update={"between": (18.0, 120.0)})
    wanted = replace(knobs(), columns={**described.columns, "age": strict})
    young = sum(int(age) < 18 for age in sound()[AGE])
    with pytest.raises(Refused, match=f"age-between by {young}"):
        validated(sound(), tmp_path, wanted)
    assert written(tmp_path, "quarantine.parquet").height == young
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    rule = next(rule for rule in report["rules"] if rule["id"] == "age-between")
    assert (rule["wanted"], rule["broken"], rule["great_expectations"]["broken"]) == ("18 to 120", young, young)


@pytest.mark.data_safety
def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        validated(cells(AGE, "999")(sound()), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a" / "out").iterdir())
    assert files == ["profile.json", "quarantine.parquet", "report.html", "report.json", "table.parquet"]
    assert all(
        (tmp_path / "a" / "out" / name).read_bytes() == (tmp_path / "b" / "out" / name).read_bytes() for name in files
    )


def test_what_moved_since_the_last_good_run_is_a_warning(tmp_path: Path) -> None:
    validated(sound(), tmp_path / "then")
    last = left(tmp_path / "then")
    assert validated(sound(), tmp_path / "same", last=last)["warnings"] == []
    older = of_older_patients()
    (warning,) = validated(older, tmp_path / "now", last=last)["warnings"]
    assert warning.startswith("drifted: age: its population stability index is ")


def test_what_moved_refuses_where_the_rule_says_so(tmp_path: Path) -> None:
    validated(sound(), tmp_path / "then")
    last = left(tmp_path / "then")
    rules = tuple(rule.model_copy(update={"action": "refuse"}) for rule in knobs().checks.rules)
    women = sound().with_columns(
        pl.when(pl.int_range(pl.len()) < 9).then(pl.lit("M")).otherwise(pl.lit("F")).alias("Gender")
    )
    with pytest.raises(Refused, match="category-vanished: sex: 1 of its categories vanished"):
        validated(women, tmp_path / "now", knobs(rules=rules), last)


def test_a_run_is_held_against_the_last_good_one(unchanged: Checkout, warm: Warm, tmp_path: Path) -> None:
    checkout = unchanged.at(tmp_path)
    older = of_older_patients()
    sound().write_csv(tmp_path / "then.csv")
    older.write_csv(tmp_path / "now.csv")
    told = {}
    for run, source in (("a", "then"), ("b", "now"), ("c", "now")):
        for step in ("ingest", "validate"):
            ended = warm.run(checkout, step, run, SOURCE=str(tmp_path / f"{source}.csv"))
            assert ended.code == 0, ended.text
        told[run] = checkout.content("validate", run)["facts"]["warnings"]
    assert (told["a"], len(told["b"])) == ([], 1)
    assert checkout.why("validate", "c") == ["same as run b, nothing changed"]
    # Where that profile is gone the run is held against nothing, and runs again for it.
    checkout.file("validate", "profile.json", "a").unlink()
    assert warm.run(checkout, "validate", "c").code == 0
    assert checkout.content("validate", "c")["facts"]["warnings"] == []


def test_a_column_that_changed_after_the_fact_is_refused(unchanged: Checkout, warm: Warm, tmp_path: Path) -> None:
    checkout = unchanged.at(tmp_path)
    sent = "SMS_received"
    flagged = pl.when(pl.col(MISSED) == "Yes").then(pl.lit("1")).otherwise(sent).alias(sent)
    sound().write_csv(tmp_path / "then.csv")
    sound().with_columns(flagged).write_csv(tmp_path / "now.csv")
    for run, code in (("then", 0), ("now", 2)):
        assert warm.run(checkout, "ingest", run, SOURCE=str(tmp_path / f"{run}.csv")).code == 0
        ended = warm.run(checkout, "validate", run)
        assert ended.code == code, ended.text
    assert "restated: reminded changed in" in ended.text and "the outcome is true in 100.0% of them" in ended.text


def test_like_is_held_against_like(unchanged: Checkout, warm: Warm, tmp_path: Path) -> None:
    """A person's table is not held against a simulated one, and the demo is the same whatever ran between."""
    checkout = unchanged.at(tmp_path)
    older = of_older_patients()
    sound().write_csv(tmp_path / "then.csv")
    older.write_csv(tmp_path / "now.csv")
    demo = "simulate"
    sources = {
        "demo": demo,
        "then": "then.csv",
        "again": demo,
        "now": "now.csv",
        "journaled": "journal:",
        "third": demo,
    }
    for run, name in sources.items():
        source = str(tmp_path / name) if name.endswith(".csv") else name
        for step in ("ingest", "validate"):
            ended = warm.run(checkout, step, run, SOURCE=source, JOURNAL_KEY="k" * 32)
            assert ended.code == 0, ended.text
    warnings = {run: len(checkout.content("validate", run)["facts"]["warnings"]) for run in sources}
    # A journal goes on from the table that is remembered, which differs from the last one.
    assert warnings == {"demo": 0, "then": 0, "again": 0, "now": 1, "journaled": 1, "third": 0}
    for run in ("again", "third"):
        assert checkout.why("validate", run) == ["same as run demo, nothing changed"]


def test_a_table_is_the_same_wherever_it_lies(unchanged: Checkout, warm: Warm, tmp_path: Path) -> None:
    checkout = unchanged.at(tmp_path)
    older = of_older_patients()
    sound().write_csv(tmp_path / "then.csv")
    older.write_csv(tmp_path / "now.csv")
    older.write_parquet(tmp_path / "now.parquet")
    for run, name in (("a", "then.csv"), ("b", "now.csv"), ("c", "now.parquet")):
        for step in ("ingest", "validate"):
            assert warm.run(checkout, step, run, SOURCE=str(tmp_path / name)).code == 0
    assert len(checkout.content("validate", "c")["facts"]["warnings"]) == 1


def test_all_rows_stream(tmp_path: Path) -> None:
    """No part of the work on every row may hold a whole column: the table may be larger than memory."""
    described = problems.problem("noshow")
    sound().write_parquet(tmp_path / "raw.parquet")
    header = match(sound().columns, described.columns)
    asked = questions(described.columns, described.outcome, described.checks, header.names)
    marked = rows.mark(rows.decode(pl.scan_parquet(tmp_path / "raw.parquet"), asked), asked)
    sink = marked.sink_parquet(tmp_path / "marked.parquet", lazy=True)
    plan = sink.show_graph(engine="streaming", plan_stage="physical", raw_output=True, show=False)
    assert plan is not None and 'label="with-row-index' in plan
    assert not [word for word in ("columnar-function", "in-memory", "fallback") if f'label="{word}' in plan]


@pytest.mark.data_safety
def test_threads_change_nothing(tmp_path: Path) -> None:
    many = next(simulate(patients=30_000, seed=5, start=datetime.date(2026, 1, 5), weeks=12, dirt=0.002))
    many.write_parquet(tmp_path / "raw.parquet")
    script = f"""
import sys; from pathlib import Path; import polars as pl
from tests.jobs.test_validate import validated
validated(pl.read_parquet({str(tmp_path / "raw.parquet")!r}), Path(sys.argv[1]))
"""
    for threads in ("1", "3"):
        environment = {**os.environ, "POLARS_MAX_THREADS": threads}
        subprocess.run([sys.executable, "-c", script, str(tmp_path / threads)], check=True, env=environment, cwd=ROOT)
    names = sorted(path.name for path in (tmp_path / "1" / "out").iterdir())
    assert len(names) == 5
    for name in names:
        assert (tmp_path / "1" / "out" / name).read_bytes() == (tmp_path / "3" / "out" / name).read_bytes(), name


def test_the_real_table(tmp_path: Path) -> None:
    folder = os.environ.get("ROUNDS_DATA")
    if not folder:
        pytest.skip("ROUNDS_DATA is not set: no real table here")
    facts = validated(pl.read_csv(Path(folder) / "noshow.csv.gz", infer_schema=False), tmp_path)
    assert facts["broken"] == {"age-between": 1, "booked-before": 5}
    assert (facts["rows"], facts["quarantined"], facts["warnings"]) == (110_527, 6, [])
    kept = written(tmp_path, "table.parquet")
    assert kept["patient_id"].n_unique() == 62_298
    assert "93779.52927" in kept["patient_id"]
