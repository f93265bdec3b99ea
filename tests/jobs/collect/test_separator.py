"""Lists of outcomes and of calls are csv files too: they are parted by what `csv` in problem.yaml says."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest

import problems
from jobs import collect
from jobs.calling.calls import last_calls
from rounds.definition import Sections
from rounds.files import Reader
from rounds.sourced import Csv
from rounds.store import open_store

AT = datetime.datetime(2026, 3, 20, 12, tzinfo=datetime.UTC)


def knobs(kind: type[Any]) -> Any:
    described = problems.problem("noshow").model_copy(update={"csv": Csv(separator=";")})
    return kind(**{field.name: getattr(described, field.name) for field in dataclasses.fields(kind)})


def reader(folder: Path, option: str, text: str) -> Reader:
    (folder / "list.csv").write_text(text, encoding="utf-8")
    store = open_store((folder / "store").as_uri())
    return Reader("noshow", "r", store, folder, {}, {option: str(folder / "list.csv")})


def test_a_list_of_calls_has_the_separator_of_the_problem(tmp_path: Path) -> None:
    read = reader(tmp_path, "calls", "PatientId;called\n123;2026-03-19\n")
    assert last_calls(read, knobs(Sections), Csv(separator=";")) == {"123": datetime.date(2026, 3, 19)}


def test_a_list_of_outcomes_has_the_separator_of_the_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_KEY", "a secret of the clinic that is long enough")
    read = reader(tmp_path, "outcomes", "AppointmentID;No-show\n4711;Yes\n")
    collect.receive(read, knobs(collect.Knobs), AT)
    assert read.store.folders("noshow/.outcomes")
