"""Judge the model on the last slice of time, gates and all.  Reads validate, features, train.  Writes report.html."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from jobs.judging import baselines, gates, parts
from jobs.judging.curves import curves, roc
from jobs.judging.exam import Exam
from jobs.judging.gates import Verdict
from jobs.judging.importance import importance
from jobs.judging.rows import Rows, assemble, described
from jobs.report.page import page
from jobs.sentinel import watch
from jobs.sentinel.repeats import repeated
from jobs.sentinel.singles import Side, single_features
from jobs.sentinel.travel import travel
from rounds.bundle import Bundle
from rounds.candidate import read_bundle, require_own_definition
from rounds.clusters import Clusters
from rounds.errors import Refused
from rounds.files import Reader, Writer
from rounds.intervals import Measured
from rounds.knobs import Column, Outcome, Split, When
from rounds.manifest import Facts
from rounds.metrics import Operation, tally
from rounds.modelling import Evaluate
from rounds.rounding import rounded
from rounds.step import step
from rounds.tables import day_numbers

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
SCORES = "scores.parquet"
SLICE = "slice:"  # columns of SCORES: the part of this slice that a row is in


@dataclass(frozen=True)
class Knobs:
    title: str
    model: str
    who: str
    when: When
    outcome: Outcome
    columns: dict[str, Column]
    split: Split
    evaluate: Evaluate


def judge(rows: Rows, fitted: Bundle, knobs: Knobs) -> tuple[Facts, list[Verdict], Array]:
    """Everything that is found on the test rows, the gates' verdicts, and the score of each row."""
    asked, matrix = knobs.evaluate, rows.matrix(fitted.features)
    exam = Exam(
        fitted.score(matrix),
        rows.outcome[rows.test],
        Clusters.of(rows.who[rows.test], day_numbers(rows.typed.get_column(knobs.when.happens)[rows.test])),
        rows.lead[rows.test] > 0,
        Operation(fitted.thresholds["capacity"], fitted.knobs["capacity"]),
        asked.seed,
    )
    simpler, seen = against(exam, rows), sentinel(rows, matrix, fitted, knobs)
    whole, taken = exam.measured, {name: other.measured for name, other in simpler.items()}
    estimates = whole.estimates()
    rivals = {**{name: other.values for name, other in taken.items()}, "nobody": baselines.nobody(exam.outcome)}
    worth = importance(fitted.features, matrix, exam.outcome, fitted.raw, asked.seed)
    verdicts = [
        *gates.judge(asked.gates, estimates, rivals, worth),
        *watch.verdicts(asked.gates.leakage, seen["travel"], seen["single_features"], seen["repeats"], len(rows.test)),
    ]
    found = {
        **about(rows, exam, knobs),
        "origin": fitted.origin,
        "metrics": estimates,
        "baselines": beside(whole, taken),
        "without_same_day": parts.judge("without same-day", "", exam.of(rows.lead[rows.test] > 0), asked.smallest),
        "slices": sliced(rows, exam, fitted, knobs),
        "gates": verdicts,
        "sentinel": seen,
        "curves": {**curves(exam), "roc_lead_time": roc(tally(simpler["lead_time"].scores, exam.outcome))},
        "importance": worth,
    }
    return rounded(found), verdicts, exam.scores


def about(rows: Rows, exam: Exam, knobs: Knobs) -> dict[str, Any]:
    """Which model is judged, on whom, and how it is used."""
    days = rows.typed.get_column(knobs.when.happens)[rows.test].cast(pl.Date)
    rate = int(exam.outcome.sum()) / len(exam.outcome)
    return {
        "title": knobs.title,
        "model": knobs.model,
        "moment": knobs.when.moment,
        "test": {
            **exam.size,
            "days": exam.clusters.days,
            "base_rate": rate,
            "first": str(days.min()),
            "last": str(days.max()),
        },
        "use": asdict(exam.use),
        "limits": {"smallest": knobs.evaluate.smallest, "few": parts.FEW},
    }


def beside(whole: Measured, taken: Mapping[str, Measured]) -> dict[str, Any]:
    """What simpler answers reach, and how far the model's ranking is above that of lead time alone."""
    lead = taken["lead_time"]
    return {
        "lead_time": lead.estimates(),
        "base_rate": taken["base_rate"].values,
        "auc_above_lead_time": whole.less(lead, "auc"),
    }


def against(exam: Exam, rows: Rows) -> dict[str, Exam]:
    """The same rows, scored by what needs no model."""
    earlier = rows.earlier
    before, lead = rows.outcome[earlier], rows.lead[earlier]
    return {
        "base_rate": exam.scored(baselines.base_rate(before, len(rows.test))),
        "lead_time": exam.scored(baselines.lead_time(lead, before, rows.lead[rows.test])),
    }


def sentinel(rows: Rows, matrix: Array, fitted: Bundle, knobs: Knobs) -> dict[str, Any]:
    """What the leakage checks find, before it is judged."""
    asked, definition = knobs.evaluate.gates.leakage, fitted.rebuild()
    made = rows.features.select(fitted.features)
    before, after = rows.typed[rows.earlier], rows.typed[rows.test]
    earlier = Side(rows.matrix(fitted.features, rows.earlier), rows.outcome[rows.earlier], rows.who[rows.earlier])
    test = Side(matrix, rows.outcome[rows.test], rows.who[rows.test])
    return {
        "travel": travel(rows.typed, made, rows.test, definition, asked.moments),
        "single_features": single_features(fitted.features, earlier, test, knobs.evaluate.smallest),
        "repeats": repeated(before, after, knobs.columns, knobs.who, knobs.when, knobs.outcome),
    }


def sliced(rows: Rows, exam: Exam, fitted: Bundle, knobs: Knobs) -> list[dict[str, Any]]:
    """The same figures for every part of every slice that was asked for."""
    return [
        parts.judge(name, part, exam.of(mine), knobs.evaluate.smallest)
        for name, part, mine in _every_part(rows, fitted, knobs)
    ]


def labels(rows: Rows, fitted: Bundle, knobs: Knobs, judged: list[Facts]) -> list[pl.Series]:
    """The part of each slice that a test row is in; none where the part is too small to be told."""
    large = {(each["slice"], each["part"]) for each in judged if not each["too_small"]}
    found = {asked.name: np.full(len(rows.test), None, object) for asked in knobs.evaluate.slices}
    for name, part, mine in _every_part(rows, fitted, knobs):
        if (name, part) in large:
            found[name][mine] = part
    return [pl.Series(f"{SLICE}{name}", values.tolist(), pl.String) for name, values in found.items()]


def _every_part(rows: Rows, fitted: Bundle, knobs: Knobs) -> Iterator[tuple[str, str, Array]]:
    table = described(rows, knobs.who, fitted.rebuild())
    for asked in knobs.evaluate.slices:
        for part, mine in parts.parts(asked, table):
            yield asked.name, part, mine


def facts(found: Facts) -> Facts:
    """What `rounds show` tells."""
    gates = [{name: gate[name] for name in ("gate", "value", "bound", "verdict", "blocks")} for gate in found["gates"]]
    return {
        "rows": found["test"]["rows"],
        "patients": found["test"]["patients"],
        "first_day": found["test"]["first"],
        "last_day": found["test"]["last"],
        "metrics": found["metrics"],
        "auc_without_same_day": (found["without_same_day"].get("metrics") or {}).get("auc"),
        "auc_above_lead_time": found["baselines"]["auc_above_lead_time"],
        "gates": gates,
        "warnings": [gate["says"] for gate in found["gates"] if gate["verdict"] != "pass" and not gate["blocks"]],
    }


@step(reads=("validate/table.parquet", "features/table.parquet", "train"), knobs=Knobs, mirror=True, signs=True)
def main(read: Reader, write: Writer, knobs: Knobs) -> Facts:
    fitted = read_bundle(read)
    require_own_definition(fitted, read.problem, read.run)
    features = read.table("features").collect()
    rows = assemble(read.table("validate").collect(), features, knobs.who, fitted.rebuild(), knobs.split)
    found, verdicts, scores = judge(rows, fitted, knobs)
    unique = [name for name, column in knobs.columns.items() if column.unique]
    keys = list(dict.fromkeys([*unique, knobs.when.happens, knobs.split.by, knobs.who, knobs.outcome.column]))
    slices = labels(rows, fitted, knobs, found["slices"])
    write.table(rows.features[rows.test].select(keys).with_columns(pl.Series("score", scores), *slices), SCORES)
    write.json("metrics.json", found)
    write.text("report.html", page(found))
    if stopping := [verdict for verdict in verdicts if verdict.stops]:
        said = "\n".join(verdict.says for verdict in stopping)
        raise Refused(f"{len(stopping)} of {len(verdicts)} gates say no.\n{said}", facts=facts(found))
    return facts(found)


if __name__ == "__main__":
    main.command()
