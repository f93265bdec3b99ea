"""Timestamps with an offset, read by the clock on the wall of a zone: alike in a table, in a request and in checks."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pytest
from pydantic import ValidationError

import problems
from jobs.validate import Knobs
from rounds import raw_tables
from rounds.decoding import tidy, value
from rounds.definition import _converter
from rounds.knobs import Column
from tests.corpus.tables import BOOKED, DAY, sound
from tests.jobs.test_validate import validated

ZONE = "America/Sao_Paulo"
EPOCH = datetime.datetime(1970, 1, 1)


def column(**more: Any) -> Column:
    return Column.model_validate({"from": "ScheduledDay", "type": "timestamp", **more})


READ = {
    "2026-03-12T23:30:00-03:00": "2026-03-12T23:30:00",
    "2026-03-13T02:30:00Z": "2026-03-12T23:30:00",
    "2026-03-13T12:30:00+10:00": "2026-03-12T23:30:00",
    "2026-03-12T23:30:00": "2026-03-12T23:30:00",
    "2016-01-01T01:30:00Z": "2015-12-31T23:30:00",  # summer time
}


@pytest.mark.parametrize("text", READ)
def test_a_table_and_a_request_are_read_by_the_same_clock(text: str) -> None:
    wanted = datetime.datetime.fromisoformat(READ[text])
    read = pl.select(value(tidy(pl.lit(text), column(zone=ZONE)), column(zone=ZONE))).item()
    assert read == wanted
    number = _converter("scheduled_day", column(zone=ZONE))(datetime.datetime.fromisoformat(text))
    assert number == (wanted - EPOCH) // datetime.timedelta(seconds=1)


@pytest.mark.parametrize("of", [ZONE, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_notebook_reads_times_of_a_zone_by_the_same_clock(library: str, of: str) -> None:
    moment = datetime.datetime(2026, 3, 13, 2, 30, tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(of))
    frames = {"polars": pl.DataFrame, "pandas": pd.DataFrame}
    texts = raw_tables._as_texts(frames[library]({"ScheduledDay": [moment]}))
    read = texts.select(value(tidy(pl.col("ScheduledDay"), column(zone=ZONE)), column(zone=ZONE))).item()
    assert read == datetime.datetime(2026, 3, 12, 23, 30)


def test_without_a_zone_the_clock_is_utc() -> None:
    read = pl.select(value(tidy(pl.lit("2026-03-12T23:30:00-03:00"), column()), column())).item()
    assert read == datetime.datetime(2026, 3, 13, 2, 30)


@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_sound_rows_that_are_booked_late_in_the_evening_are_not_accused(tmp_path: Path) -> None:
    """Booked at half past eleven of their own day, local time: in UTC that is the day after."""
    evening = pl.col(DAY).str.slice(0, 10) + "T23:30:00-03:00"
    local = sound().with_columns(evening.alias(BOOKED))
    of = problems.problem("noshow")
    zoned = {**of.columns, "scheduled_day": of.columns["scheduled_day"].model_copy(update={"zone": ZONE})}
    facts = validated(local, tmp_path, Knobs(zoned, of.outcome, of.checks, of.who, of.when))
    assert facts["quarantined"] == 0


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"zone": "Brazil/Nowhere"}, "want the name of a time zone"), ({"type": "date", "zone": ZONE}, "for a timestamp")],
)
def test_a_zone_that_makes_no_sense_is_refused(wrong: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        column(**wrong)
