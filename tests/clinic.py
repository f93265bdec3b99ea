"""A small clinic: a features table with a signal to find, and the knobs that go with it."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import numpy as np
import polars as pl

from rounds.knobs import Column, Features, Outcome, Split, When
from rounds.modelling import Train, Tune

FEATURES = ("lead_days", "age", "missed_before", "noise")
COLUMNS = {
    "patient_id": Column(raw="p", type="identifier"),
    "lead_days": Column(raw="l", type="integer"),
    "booked": Column(raw="b", type="date"),
    "day": Column(raw="d", type="date"),
    "missed": Column(raw="m", type="flag", known="afterwards"),
}
# What a bundle ships as its definition; nothing here evaluates it on a table.
DEFINITION = "def features(row, op, moment):\n    return {'lead_days': row.lead_days}  # words\n"


def appointments(rows: int = 3000, days: int = 40, seed: int = 1) -> pl.DataFrame:
    """Rows in order of their day; the outcome is likelier the longer the lead and the more was missed before."""
    draw = np.random.default_rng(seed)
    day = np.sort(draw.integers(0, days, rows))
    lead, age = draw.integers(0, 40, rows), draw.integers(0, 95, rows)
    before, noise = draw.binomial(5, 0.2, rows), draw.normal(size=rows)
    log_odds = -2.4 + 0.05 * lead + 0.5 * before - 0.01 * age
    missed = draw.random(rows) < 1 / (1 + np.exp(-log_odds))
    first = datetime.date(2026, 1, 5)
    return pl.DataFrame(
        {
            "patient_id": [f"p{number}" for number in draw.integers(0, rows // 2, rows)],
            "day": [first + datetime.timedelta(days=int(number)) for number in day],
            "booked": [first + datetime.timedelta(days=int(number)) for number in day - lead],
            "missed": missed.astype(np.int64),
            **{
                name: values.astype(np.float32)
                for name, values in zip(FEATURES, (lead, age, before, noise), strict=True)
            },
        }
    )


def sections(**changes: Any) -> dict[str, Any]:
    """The sections of a problem.yaml for this table; keys that are given stand in for the usual."""
    usual = {
        "columns": COLUMNS,
        "who": "patient_id",
        "when": When(booked="booked", happens="day", moment="day_before"),
        "outcome": Outcome(column="missed", true="yes", false="no"),
        "features": Features(history={}),
        "split": Split(by="day", fit=0.55, calibrate=0.2, test=0.25),
        "train": train(),
        "tune": tune(),
    }
    return {**usual, **changes}


def knobs(kind: Any, **changes: Any) -> Any:
    """Those of the sections that a step asks for."""
    given = sections(**changes)
    return kind(**{field.name: given[field.name] for field in dataclasses.fields(kind)})


def train(**changes: Any) -> Train:
    usual = {"family": "xgboost", "trees": 30, "depth": 3, "rate": 0.1, "threads": 2, "seed": 7, "capacity": "10%"}
    return Train.model_validate({**usual, **changes})


def tune(**changes: Any) -> Tune:
    usual = {"engine": "grid", "space": {"depth": [2, 3], "trees": [10, 20]}, "fits": 12, "folds": 3}
    return Tune.model_validate({**usual, **changes})
