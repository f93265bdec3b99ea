"""What the service was sent must stand in a table that comes later: a column that was filled in afterwards is found."""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import problems
from jobs.checks.restated import Comparison
from jobs.checks.sent import NO_JOURNAL, Sent
from rounds.evidence import Place
from rounds.journal import Answering, given, hidden, keyed, record
from rounds.knobs import Problem
from rounds.recorded import Ledger
from rounds.store import Store, open_store
from tests.corpus.tables import ROWS, WHO, sound
from tests.jobs.predicted import predict
from tests.jobs.test_validate import knobs, validated, written
from tests.jobs.watched import KEY

# Great Expectations imports modules of a Python to come no more.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

NOSHOW = problems.problem("noshow")


@dataclass(frozen=True)
class Clinic:
    """A store with a journal, and how a table is compared with it."""

    place: Path

    @property
    def store(self) -> Store:
        return open_store((self.place / "store").as_uri())

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store, "noshow", KEY.encode())

    @property
    def sent(self) -> Sent:
        parts = tuple(path for day in self.ledger.days() for path in self.ledger.parts(day))
        return Sent("", self.ledger, parts, datetime.date(2026, 1, 1))

    def compare(self, table: pl.DataFrame, of: Problem = NOSHOW) -> Comparison:
        own = knobs()
        rows = type(own)(of.columns, of.outcome, own.checks, of.who, of.when).journaled
        return rows.compare(table.lazy(), self.sent, self.place)


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The typed rows of the sound table."""
    folder = tmp_path_factory.mktemp("sound")
    validated(sound(), folder)
    return written(folder, "table.parquet")


def changed(table: pl.DataFrame, name: str, chosen: Callable[[int], bool]) -> pl.DataFrame:
    """Some cells of a flag or number written anew; `chosen` is asked with the outcome of the row."""
    picked = pl.Series([chosen(missed) for missed in table["no_show"]])
    other = 1 - pl.col(name) if name == "reminded" else pl.col(name) + 1
    return table.with_columns(pl.when(picked).then(other).otherwise(name).alias(name))


def test_an_honest_table_says_what_was_sent(clinic: Clinic, good: pl.DataFrame) -> None:
    predict(clinic.store, sound())
    comparison = clinic.compare(good.sample(fraction=1, shuffle=True, seed=1))
    assert comparison == Comparison("predicted", ROWS)


@pytest.mark.data_safety
def test_a_flag_that_is_set_after_a_missed_appointment_is_seen(clinic: Clinic, good: pl.DataFrame) -> None:
    predict(clinic.store, sound())
    draw = random.Random(3)
    comparison = clinic.compare(changed(good, "reminded", lambda missed: bool(missed) and draw.random() < 0.1))
    (change,) = comparison.restatements
    assert (change.column, change.rows, change.source) == ("reminded", ROWS, "predicted")
    assert 5 <= change.changed < 40 and change.with_outcome and change.changed_rate == 1.0
    assert change.sentence.startswith(f"reminded changed in {change.changed} of 1,000 predicted rows (")


def test_changes_that_do_not_go_with_the_outcome_are_counted(clinic: Clinic, good: pl.DataFrame) -> None:
    predict(clinic.store, sound())
    draw = random.Random(4)
    (change,) = clinic.compare(changed(good, "age", lambda _: draw.random() < 0.05)).restatements
    assert not change.with_outcome and 0.03 < change.share < 0.07


@pytest.mark.data_safety
def test_what_was_not_sent_is_no_change(clinic: Clinic, good: pl.DataFrame) -> None:
    number = pl.int_range(pl.len())
    half = pl.when(number % 2 == 0).then("age").alias("age")
    predict(clinic.store, sound(), change=lambda rows: rows.with_columns(half).drop("reminded"))
    assert clinic.compare(good).restatements == ()
    older = good.with_columns(pl.col("age") + 1, (1 - pl.col("reminded")).alias("reminded"))
    (change,) = clinic.compare(older).restatements
    assert (change.column, change.rows, change.changed) == ("age", ROWS // 2, ROWS // 2)


def test_a_value_that_the_table_lost_is_a_change(clinic: Clinic, good: pl.DataFrame) -> None:
    predict(clinic.store, sound())
    lost = good.with_columns(pl.when(pl.int_range(pl.len()) >= 7).then("age").alias("age"))
    (change,) = clinic.compare(lost).restatements
    assert (change.column, change.changed) == ("age", 7)


@pytest.mark.data_safety
def test_the_last_prediction_before_the_day_counts(clinic: Clinic, good: pl.DataFrame) -> None:
    def other(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col("age") + 1)

    predict(clinic.store, sound(), hours=60, change=other, name="early")
    assert clinic.compare(good).restatements[0].changed == ROWS
    predict(clinic.store, sound(), hours=-36, name="after")
    assert clinic.compare(good).restatements[0].changed == ROWS, "it was made when the outcome was known"
    predict(clinic.store, sound(), hours=6)
    assert clinic.compare(good).restatements == ()
    predict(clinic.store, sound(), hours=-10, change=other, name="same-day")
    assert clinic.compare(good).restatements == (), "nobody knows whether it was before the appointment"


def test_of_predictions_on_the_day_alone_the_first_counts(clinic: Clinic, good: pl.DataFrame) -> None:
    predict(clinic.store, sound(), hours=-8, name="first")
    predict(clinic.store, sound(), hours=-18, change=lambda rows: rows.with_columns(pl.col("age") + 1), name="last")
    assert clinic.compare(good) == Comparison("predicted", ROWS)


@pytest.mark.data_safety
def test_a_column_counts_from_the_day_on_which_it_is_known(clinic: Clinic, good: pl.DataFrame) -> None:
    """Nobody was reminded a week ahead, so the flag says nothing then; the age does."""
    nobody = pl.lit(0, pl.Int64).alias("reminded")
    predict(clinic.store, sound(), hours=7 * 24, change=lambda rows: rows.with_columns(nobody))
    assert clinic.compare(good) == Comparison("predicted", ROWS)
    assert clinic.compare(good.with_columns(pl.col("age") + 1)).restatements[0].changed == ROWS


def test_an_appointment_that_was_moved_is_another_one(clinic: Clinic, good: pl.DataFrame) -> None:
    predict(clinic.store, sound())
    moved = good.with_columns(pl.col("appointment_day") + pl.duration(days=pl.int_range(pl.len()) % 2))
    assert clinic.compare(moved) == Comparison("predicted", ROWS // 2)


def test_other_patients_with_the_same_numbers_are_not_compared(clinic: Clinic, good: pl.DataFrame) -> None:
    predict(clinic.store, sound().with_columns(("9" + pl.col(WHO)).alias(WHO)))
    assert clinic.compare(good).impossible == "no row is in both"


@pytest.mark.data_safety
def test_parts_that_were_altered_do_not_count(clinic: Clinic, good: pl.DataFrame) -> None:
    predict(clinic.store, sound())
    path = clinic.sent.parts[3]
    clinic.store.write(path, (clinic.store.read(path) or b"")[:-50])
    opened = [clinic.ledger.table(each, pl.Schema({"id": pl.String()})).table.height for each in clinic.sent.parts]
    comparison = clinic.compare(good)
    assert comparison.rows == sum(opened) < ROWS and comparison.restatements == ()
    assert comparison.trouble.startswith(f"1 of {len(opened)} parts of the journal")
    assert comparison.trouble.endswith(f"{path} is altered or damaged: it is not a part that was written here")


def test_a_part_of_a_newer_release_ends_the_comparison(clinic: Clinic, good: pl.DataFrame) -> None:
    line = json.dumps({"id": "n", "at": "2026-02-10T10:00:00.000+00:00", "format": 2, "input": {}})
    clinic.ledger.put(Place("2026-02-10", "newer", 1), f"{line}\n".encode())
    assert "has format 2; this release knows 1" in clinic.compare(good).impossible


@pytest.mark.data_safety
def test_lines_of_the_service_are_read_as_they_were_sent(clinic: Clinic, good: pl.DataFrame) -> None:
    """Flags as true and 1, numbers as numbers, a moment with its fraction: all that a request may hold."""
    secret, lines = KEY.encode(), []
    for number, row in enumerate(good.head(20).to_dicts()):
        at = datetime.datetime.combine(row["appointment_day"], datetime.time(), datetime.UTC)
        asked: dict[str, Any] = {name: value for name, value in row.items() if name != "no_show"}
        asked |= {"diabetes": bool(row["diabetes"]), "scheduled_day": f"{row['scheduled_day']:%Y-%m-%dT%H:%M:%S}.250Z"}
        asked |= {"appointment_day": str(row["appointment_day"]), "neighbourhood": None}
        line = record(
            Answering("noshow", NOSHOW.model, 1, "b" * 64),
            id=f"{number:032x}",
            at=(at - datetime.timedelta(hours=3)).isoformat(timespec="milliseconds"),
            key="",
            who=keyed(row["patient_id"], secret),
            input=given(asked, hidden(NOSHOW.columns, NOSHOW.who), NOSHOW.who, secret),
            features=[0.0],
            score=0.2,
            band="low",
            history_as_of=None,
            history="none",
        )
        lines.append(json.dumps(line))
    clinic.ledger.put(Place("2026-01-10", "service", 1), "".join(f"{line}\n" for line in lines).encode())
    assert clinic.compare(good) == Comparison("predicted", 20)
    (change,) = clinic.compare(good.with_columns((1 - pl.col("diabetes")).alias("diabetes"))).restatements
    assert (change.column, change.changed) == ("diabetes", 20)


def test_the_day_of_a_prediction_is_that_of_the_wall_clock(clinic: Clinic, good: pl.DataFrame) -> None:
    """At 02:00 UTC of the day of the appointment it is the evening before in Brazil."""
    booked = NOSHOW.columns["scheduled_day"].model_copy(update={"zone": "America/Sao_Paulo"})
    of = NOSHOW.model_copy(update={"columns": {**NOSHOW.columns, "scheduled_day": booked}})
    offset = (pl.col("scheduled_day") + pl.duration(hours=3)).alias("scheduled_day")
    older = pl.col("age") + 1
    predict(clinic.store, sound(), hours=-1, change=lambda rows: rows.with_columns(offset))
    predict(clinic.store, sound(), hours=-2, change=lambda rows: rows.with_columns(offset, older), name="later")
    assert clinic.compare(good, of).restatements[0].changed == ROWS


def test_without_parts_there_is_nothing_to_compare_with(clinic: Clinic, good: pl.DataFrame) -> None:
    rows = knobs().journaled
    assert rows.compare(good.lazy(), Sent(), clinic.place) == Comparison("predicted", impossible=NO_JOURNAL)


@pytest.mark.data_safety
def test_nothing_of_a_patient_is_in_a_comparison(clinic: Clinic, good: pl.DataFrame) -> None:
    predict(clinic.store, sound())
    path = clinic.sent.parts[0]
    clinic.store.write(path, b"nonsense")
    said = repr(clinic.compare(good.with_columns(pl.col("age") + 1)))
    hashes = [keyed(one, KEY.encode()) for name in ("patient_id", "appointment_id") for one in good[name]]
    assert not any(one in said for one in [*hashes, *good["patient_id"], *good["appointment_id"]])
