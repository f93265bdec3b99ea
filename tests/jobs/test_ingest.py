"""The raw table comes in exactly as its source spells it, or is refused in a sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import problems
from jobs.sources import file
from rounds.errors import Refused
from tests.checkout import KNOBS, Checkout, Ended
from tests.jobs.bad_sources import BAD, ODD, parquet, quoted
from tests.warm import Warm


@pytest.fixture
def here(unchanged: Checkout, tmp_path: Path) -> Checkout:
    return unchanged.at(tmp_path)


def ingested(here: Checkout, warm: Warm, name: str, content: bytes) -> Ended:
    folder = here.place / "raw"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return warm.run(here, "ingest", SOURCE=str(folder / name))


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_table_is_refused(here: Checkout, warm: Warm, case: str) -> None:
    bad = BAD[case]
    sentence = ingested(here, warm, bad.name, bad.content()).sentence(2)
    assert re.search(bad.said, sentence)
    content = here.content("ingest")
    assert (content["verdict"], content["files"]) == ("refused", {})
    assert sentence == f"ingest: {content['message']}"


@pytest.mark.parametrize("case", ODD)
def test_what_is_odd_passes_exactly(here: Checkout, warm: Warm, case: str) -> None:
    odd = ODD[case]
    ended = ingested(here, warm, odd.name, odd.content())
    assert ended.code == 0, ended.text
    table = pl.read_parquet(here.file("ingest", "table.parquet"))
    assert set(table.schema.values()) == {pl.String}
    assert table.rows() == odd.rows


def test_a_source_that_is_not_there(here: Checkout, warm: Warm) -> None:
    missing, folder = here.place / "missing.csv", here.place
    for path in (missing, folder):
        assert "is not a file" in warm.run(here, "ingest", SOURCE=str(path)).sentence(2)


@pytest.mark.parametrize(
    "typed",
    [
        "ftp://host/a.csv",
        "https://host/a.csv",
        "https://host/a.csv#sha256=123",
        "gs://b/a",
    ],
)
def test_a_source_of_no_known_kind(here: Checkout, warm: Warm, typed: str) -> None:
    assert f"the source '{typed.split('#')[0]}" in warm.run(here, "ingest", SOURCE=typed).sentence(2)


@pytest.mark.data_safety
def test_a_password_in_a_source_is_refused_and_not_repeated(here: Checkout, warm: Warm) -> None:
    said = warm.run(here, "ingest", SOURCE=f"https://somebody:word@host/a.csv#sha256={'0' * 64}").sentence(2)
    assert "the source 'https://host/a.csv" in said
    assert "word@" not in said


def test_a_source_that_may_not_be_read(here: Checkout, warm: Warm) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = here.place / "secret.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    path.chmod(0)
    assert "cannot be read" in warm.run(here, "ingest", SOURCE=str(path)).sentence(1)


def test_the_option_wins_over_the_environment(here: Checkout, warm: Warm) -> None:
    one, two = here.place / "one.csv", here.place / "two.csv"
    one.write_text("a\n1\n", encoding="utf-8")
    two.write_text("a\n1\n2\n", encoding="utf-8")
    assert warm.run(here, "ingest", "a", "--source", str(two), SOURCE=str(one)).code == 0
    assert here.content("ingest")["facts"]["rows"] == 2


@pytest.mark.data_safety
def test_a_csv_read_in_pieces_is_exact(here: Checkout, warm: Warm) -> None:
    content, cells = quoted(rows=100_000, seed=7)
    assert ingested(here, warm, "t.csv", content).code == 0
    table = pl.read_parquet(here.file("ingest", "table.parquet"))
    assert table.fill_null("").rows() == cells


@pytest.mark.data_safety
def test_threads_change_no_byte(unchanged: Checkout, tmp_path: Path) -> None:
    source = tmp_path / "t.parquet"
    source.write_bytes(parquet(id=[f"{i:07}" for i in range(250_000)], age=[i % 97 for i in range(250_000)]))
    contents = []
    for threads in ("1", "4"):
        checkout = unchanged.at(tmp_path / threads)
        ended = checkout.run("ingest", SOURCE=str(source), POLARS_MAX_THREADS=threads)
        assert ended.code == 0, ended.text
        contents.append(checkout.content("ingest"))
    assert contents[0] == contents[1]


@pytest.mark.data_safety
def test_the_simulated_table_is_equal_in_every_environment(unchanged: Checkout, tmp_path: Path) -> None:
    contents = []
    for threads in ("1", "4"):
        checkout = unchanged.at(tmp_path / threads)
        assert checkout.run("ingest", POLARS_MAX_THREADS=threads, PYTHONHASHSEED=threads, TZ="Asia/Tokyo").code == 0
        contents.append(checkout.content("ingest"))
    assert contents[0] == contents[1]


@pytest.mark.data_safety
def test_the_real_table_comes_in_whole(here: Checkout, warm: Warm) -> None:
    data = os.environ.get("ROUNDS_DATA")
    if not data:
        pytest.skip("ROUNDS_DATA is not set: no real table here")
    assert warm.run(here, "ingest", SOURCE=f"{data}/noshow.csv.gz").code == 0
    table = pl.read_parquet(here.file("ingest", "table.parquet"))
    assert table.shape == (110_527, 14)
    assert table["PatientId"].n_unique() == 62_299
    assert table["PatientId"].str.ends_with("E-5").sum() == 5
    assert table["Age"].eq("-1").sum() == 1


@pytest.mark.data_safety
def test_a_source_that_changes_while_it_is_read(checkout: Checkout, warm: Warm) -> None:
    with (checkout.root / "jobs/sources/file.py").open("a", encoding="utf-8") as file:
        file.write(
            "\n_land = land\n\n\ndef land(source, read, target):\n    _land(source, read, target)\n"
            "    with _found(source).open('a') as file:\n        file.write('3,4\\n')\n"
        )
    (checkout.place / "t.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    sentence = warm.run(checkout, "ingest", SOURCE=str(checkout.place / "t.csv")).sentence(1)
    assert "changed while it was read" in sentence
    assert not (checkout.store / "noshow").exists()


@pytest.mark.parametrize("typed", ["", "   "])
def test_a_run_without_a_name_is_refused(here: Checkout, warm: Warm, typed: str) -> None:
    ended = warm.run(here, "ingest", typed)
    assert ended.code == 2
    assert "--run is empty" in ended.text


def test_help_says_what_the_step_does(here: Checkout) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "jobs.ingest", "--help"], cwd=here.root, capture_output=True, text=True, check=True
    )
    assert "Bring the raw table in" in ended.stdout
    assert "--source" in ended.stdout


class Counted(str):
    """A name that counts how often it is compared with another."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_the_names_of_a_wide_table_are_compared_in_linear_time(tmp_path: Path) -> None:
    names: list[str] = [Counted(f"name {number}") for number in range(2_000)]
    file._check_doubled(tmp_path / "wide.csv", names)
    assert Counted.compared < 10 * len(names)
    with pytest.raises(Refused, match="one name for columns 8 and 2001"):
        file._check_doubled(tmp_path / "wide.csv", [*names, "name 7"])


def test_a_first_row_of_values_reaches_no_message_report_or_manifest(here: Checkout, warm: Warm) -> None:
    """Cells of a first line that are no known names may be a patient's: only their places are told."""
    secret = "Maria da Silva"
    known = [column.raw for column in problems.problem("noshow").columns.values()]
    table = ",".join([*known, f'"{secret}"', "29872499824296"]) + "\n" + ",".join(["1"] * (len(known) + 2)) + "\n"
    fewer = ",".join([*known[:-2], f'"{secret}"', "29872499824296"]) + "\n" + ",".join(["1"] * len(known)) + "\n"
    for run, text in (("wider", table), ("renamed", fewer)):
        (here.place / f"{run}.csv").write_text(text, encoding="utf-8")
        said = warm.run(here, "ingest", run, SOURCE=str(here.place / f"{run}.csv")).text
        said += warm.run(here, "validate", run, SOURCE=str(here.place / f"{run}.csv")).text
        written = [path for path in here.store.rglob("*") if path.suffix in {".json", ".html"}]
        said += "".join(path.read_text(encoding="utf-8") for path in written)
        assert "in problem.yaml" in said
        assert secret not in said and "29872499824296" not in said


def test_a_table_with_semicolons_and_the_day_first_is_read_by_its_keys(checkout: Checkout, warm: Warm) -> None:
    """As a spreadsheet of another country writes it: the typed table is the same as that of the usual spelling."""
    assert warm.run(checkout, "ingest", "usual").well and warm.run(checkout, "validate", "usual").well
    raw = pl.read_parquet(checkout.file("ingest", "table.parquet", "usual"))
    day, moment = pl.col("AppointmentDay"), pl.col("ScheduledDay")
    other_day = day.str.slice(0, 10).str.to_date(strict=False).dt.strftime("%d/%m/%Y")
    clock = moment.str.slice(0, 19).str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False)
    spelt = raw.with_columns(
        pl.coalesce(other_day, day).alias("AppointmentDay"),
        pl.coalesce(clock.dt.strftime("%-d/%-m/%Y %H:%M:%S"), moment).alias("ScheduledDay"),
    )
    source = checkout.place / "spreadsheet.csv"
    spelt.write_csv(source, separator=";")
    refusal = warm.run(checkout, "ingest", "refused", SOURCE=str(source)).sentence(2)
    assert """Say 'csv: {separator: ";"}' in problem.yaml""" in refusal
    checkout.change(KNOBS, "columns:\n", 'csv: {separator: ";"}\ncolumns:\n')
    assert warm.run(checkout, "ingest", "other", SOURCE=str(source)).well
    assert warm.run(checkout, "validate", "other").code == 2
    report = json.loads(checkout.file("validate", "report.json", "other").read_bytes())
    (rule,) = (rule for rule in report["rules"] if rule["id"] == "appointment_day-type")
    assert rule["broken"] > 0.9 * raw.height and "'format'" in rule["wanted"]
    for column, kind in (("AppointmentDay", "date"), ("ScheduledDay", "timestamp")):
        checkout.change(KNOBS, f"{column}, type: {kind}", f"{column}, type: {kind}, format: DD/MM/YYYY")
    ended = warm.run(checkout, "validate", "other")
    assert ended.well, ended.text
    tables = [checkout.content("validate", run)["files"]["table.parquet"] for run in ("usual", "other")]
    assert tables[0] == tables[1]
