"""Evidently's page on data, prediction and target drift, for people who know it: made of bins, never of raw values.

Its charts hold the smallest and the largest value that they were given, which are somebody's. So it is given the name
of the bin in which each value lies, and for the champion's past as many rows as the reference's counts ask for.
"""

from __future__ import annotations

import itertools
import os
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from jobs.watching.predictions import Predictions, touched
from rounds.bundle import Bundle
from rounds.files import Writer
from rounds.manifest import Facts
from rounds.reference import counts, places
from rounds.watched import Monitor

if TYPE_CHECKING:
    import pandas

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
FILE = "evidently.html"
SAMPLE = 5000
FEWEST = 10  # of each kind: fewer rows would be somebody's
SCORE, OUTCOME = "prediction (score)", "target (outcome of those not called)"
SAID = "Values are told by the bins of that reference. The verdict is not made here: see the watch's own page."
NAMELESS = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def write(bundle: Bundle, seen: Predictions, asked: Monitor, to: Writer) -> int:
    """Write the page on a sample of the newest window; answers how many rows it is of, none where there are few."""
    picked = np.flatnonzero(seen.window == 0)
    rows = len(picked)
    if rows > SAMPLE:
        chosen = np.random.Generator(np.random.PCG64(asked.seed)).choice(rows, SAMPLE, replace=False)
        picked = picked[np.sort(chosen)]
    if rows < asked.rows:
        return 0
    now, was = tables(bundle, seen, asked.actions, picked)
    there = now.columns[now.notna().any() & was.notna().any()]
    if not len(there):
        return 0
    lead = f"A sample of {len(picked):,} of {rows:,} predictions of the newest window, beside the champion's reference."
    if gone := [name for name in now.columns if name not in there]:
        lead += f" Left out, since all their values are missing: {', '.join(gone)}."
    to.text(FILE, html(now[there], was[there], lead))
    return len(picked)


def tables(
    bundle: Bundle, seen: Predictions, actions: Sequence[str], picked: Array
) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """The sample and the champion's past, the same columns of bins in both."""
    import pandas

    reference = bundle.reference
    columns = dict(zip(bundle.features, seen.matrix[picked].T, strict=True))
    facts = {name: reference["features"][name] for name in columns if name in reference["features"]}
    facts, columns = {**facts, SCORE: reference["scores"]}, {**columns, SCORE: seen.score[picked]}
    now: dict[str, Any] = {name: kept(names(columns[name], known).tolist()) for name, known in facts.items()}
    was = {name: kept(past(known, len(picked))) for name, known in facts.items()}
    if "outcomes" in reference and (outcome := outcomes(seen.table[picked], actions)) is not None:
        had = reference["outcomes"]
        now[OUTCOME] = outcome
        was[OUTCOME] = _repeated(["yes", "no"], [had["true"], had["rows"] - had["true"]], len(picked))
    return pandas.DataFrame(now), pandas.DataFrame(was)


def outcomes(table: pl.DataFrame, actions: Sequence[str]) -> list[str | None] | None:
    """What happened to those of whom it is known and whom nobody called; none where there are so few of a kind that
    it would tell of somebody.
    """
    left = pl.Series(~touched(table, actions))
    words = pl.when(left & pl.col("outcome")).then(pl.lit("yes")).when(left & ~pl.col("outcome")).then(pl.lit("no"))
    found: list[str | None] = table.select(words).to_series().to_list()
    return found if min(found.count("yes"), found.count("no")) >= FEWEST else None


def names(values: Array, known: Facts) -> Array:
    """The name of the bin in which each value lies; nothing where the value is missing."""
    return np.array([*_labels(known["edges"]), None], dtype=object)[places(values, known)]


def kept(labels: list[str | None]) -> list[str | None]:
    """Those that fewer rows have than may be shown, as missing."""
    often = Counter(labels)
    return [label if often[label] >= FEWEST else None for label in labels]


def past(known: Facts, rows: int) -> list[str | None]:
    return _repeated([*_labels(known["edges"]), None], counts(known), rows)


def _labels(edges: list[float]) -> list[str]:
    """Numbered, so that they stand in order."""
    ends = [f"{edge:.5g}" for edge in edges]
    middle = [f"{low} to {high}" for low, high in itertools.pairwise(ends)]
    bare = [f"up to {ends[0]}", *middle, f"above {ends[-1]}"] if ends else ["any"]
    return [f"{at:02d}: {name}" for at, name in enumerate(bare)]


def _repeated(labels: Sequence[str | None], counted: Sequence[int], rows: int) -> list[str | None]:
    """Each label as often as its share of so many rows asks; what rounding leaves goes to the end of the ranks."""
    ends = np.round(np.cumsum(counted) / sum(counted) * rows).astype(np.int64)
    times = np.diff(ends, prepend=0).tolist()
    return [label for label, often in zip(labels, times, strict=True) for _ in range(often)]


def html(now: pandas.DataFrame, was: pandas.DataFrame, lead: str) -> str:
    """The page as Evidently makes it: no telemetry, no network, equal bytes for equal tables."""
    os.environ["DO_NOT_TRACK"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Evidently's own making
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        defined = DataDefinition(categorical_columns=list(now.columns))
        report = Report([DataDriftPreset(cat_method="psi")], include_tests=False)
        given = (Dataset.from_pandas(each, data_definition=defined) for each in (now, was))
        made = report.run(*given, timestamp=datetime(2000, 1, 1))
        text = str(made.get_html_str(as_iframe=False))
    numbered: dict[str, str] = {}
    text = NAMELESS.sub(lambda found: numbered.setdefault(found[0], f"{len(numbered) + 1:032x}"), text)
    return text.replace("<body>", f'<body><p style="font:15px sans-serif;margin:16px 24px">{lead} {SAID}</p>', 1)
