"""Fit the model, calibrate it on a later slice.  Reads ingest, features, tune.  Writes the bundle's three files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from rounds import calibration, reference
from rounds.bundle import Bundle
from rounds.definition import Sections
from rounds.errors import Refused
from rounds.families import FAMILIES
from rounds.files import Reader, Writer
from rounds.knobs import Split
from rounds.manifest import Facts
from rounds.matrix import feature_names, matrix, outcomes
from rounds.modelling import Train
from rounds.origin import FILE as ORIGIN
from rounds.origin import GIVEN, Origin
from rounds.origin import read as read_origin
from rounds.slices import cut, proof
from rounds.step import step
from rounds.tables import day_numbers


@dataclass(frozen=True)
class Knobs(Sections):
    split: Split
    train: Train


def fit(
    table: pl.DataFrame, knobs: Knobs, definition: str, problem: str, origin: Origin = GIVEN
) -> tuple[Bundle, Facts]:
    """A bundle and how it came about; the rows of the test slice are counted and otherwise not looked at."""
    slices = cut(table.get_column(knobs.split.by).cast(pl.Date), knobs.split)
    fitting, calibrating = (slices.rows(table, knobs.split.by, name) for name in ("fit", "calibrate"))
    names, family = feature_names(table), FAMILIES[knobs.train.family]
    seen, had = matrix(fitting, names), outcomes(fitting, knobs.outcome.column, "the fit slice")
    model = family.fit(family.data(seen, had), knobs.train, knobs.train.threads)

    held = matrix(calibrating, names)
    margins = family.scorer(model)(held)
    had = outcomes(calibrating, knobs.outcome.column, "the calibrate slice")
    calibrator, choice = calibration.choose(margins, had, later(calibrating.get_column(knobs.split.by)))
    scores = calibrator(margins)
    who = calibrating.get_column(knobs.who).rank("dense").to_numpy()
    days = day_numbers(calibrating.get_column(knobs.when.happens))
    weeks = reference.whole_weeks(day_numbers(calibrating.get_column(knobs.split.by)))
    can = callable_rows(calibrating, knobs)
    call = threshold(scores[can], knobs.train.capacity)
    bundle = Bundle(
        problem=problem,
        family=knobs.train.family,
        features=names,
        model=model,
        calibrator=calibrator,
        thresholds={"capacity": call},
        definition=definition,
        sections=TypeAdapter(Sections).dump_python(knobs, mode="json", by_alias=True, exclude_defaults=True),
        reference=reference.statistics(names, *(part[weeks] for part in (held, scores, had, who, days))),
        knobs=knobs.train.model_dump(mode="json", exclude={"threads"}),
        origin=origin,
    )
    facts = {
        "bundle": bundle.digest,
        "origin": origin,
        "features": len(names),
        "slices": proof(table, knobs.split.by, slices),
        "calibrator": choice,
        "thresholds": bundle.thresholds,
        "called": int(np.sum(scores[can] >= call)) / len(scores[can]),
        "knobs": bundle.knobs,
    }
    return bundle, facts


def later(days: pl.Series) -> Any:
    """Which rows lie in the later half of the calibrate slice, by whole days."""
    found, rows = np.unique(days.cast(pl.Date).cast(pl.Int32).to_numpy(), return_counts=True)
    if len(found) < 2:
        raise Refused(
            "the calibrate slice has 1 day; want at least 2, so that isotonic and Platt are told apart on the later. "
            "Give split.calibrate a larger share, or bring a table of more days."
        )
    half = int(np.argmax(np.cumsum(rows) * 2 >= len(days)))
    return days.cast(pl.Date).cast(pl.Int32).to_numpy() >= found[max(half, 1)]


def callable_rows(table: pl.DataFrame, knobs: Knobs) -> Any:
    """The rows that can be phoned before the day, so none booked for the same day; all, if there is no other."""
    booked, happens = (day_numbers(table.get_column(name)) for name in (knobs.when.booked, knobs.when.happens))
    later = happens > booked
    return later if later.any() else np.ones(len(later), bool)


def threshold(scores: Any, capacity: float) -> float:
    """The lowest score at or above which no more than this share of the rows lies, and never above the highest."""
    distinct, rows = np.unique(scores, return_counts=True)
    above = np.cumsum(rows[::-1])[::-1]
    fits = np.flatnonzero(above <= capacity * len(scores))
    return float(distinct[fits[0] if len(fits) else -1])


def shipped(read: Reader, _: Knobs) -> tuple[Facts, str]:
    """The definition goes into the bundle word for word, so its every word decides the result."""
    text = Path(str(read.module("features").__file__)).read_text(encoding="utf-8")
    return {"definition": hashlib.sha256(text.encode()).hexdigest()}, text


@step(
    reads=(f"ingest/{ORIGIN}", "features/table.parquet", "tune"),
    knobs=Knobs,
    modules=("features",),
    also=shipped,
    signs=True,
)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    searched = read.inputs["tune"].content.verdict == "done"
    if searched:
        better = knobs.train.model_copy(update=read.facts("tune")["best"])
        knobs = Knobs(**{**vars(knobs), "train": better})
    origin = read_origin(read.path("ingest", ORIGIN))
    bundle, facts = fit(read.table("features").collect(), knobs, read.also, read.problem, origin)
    if (wanted := bundle.rebuild().names) != bundle.features:
        raise Refused(
            f"features.py gives {', '.join(wanted)}, and the features table has {', '.join(bundle.features)}. "
            "Run 'features' again."
        )
    bundle.save(write)
    return {**facts, "searched": searched}


if __name__ == "__main__":
    main.command()
