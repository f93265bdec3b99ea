"""Missing values: the rule is set in problem.yaml, the refusal names its key, and a model learns from such rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import problems
from jobs.checks.profile import compare, profile
from jobs.validate import Evidence, Knobs, examine
from rounds.definition import Definition, Sections
from rounds.errors import Refused
from rounds.files import Writer
from rounds.knobs import Column
from rounds.tables import build_features
from tests.checkout import KNOBS, STEPS, Checkout
from tests.corpus.tables import AGE, ROWS, cells, sound
from tests.jobs.test_register import registered
from tests.warm import Warm

# Great Expectations imports modules of a Python to come no more.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
EMPTY = ROWS // 20


def knobs(**kept: str) -> Knobs:
    """The checks of noshow; of the columns that are named, rows without a value are kept."""
    described = problems.problem("noshow")
    changed = {name: column.model_copy(update={"missing": "keep"}) for name, column in described.columns.items()}
    columns = {name: changed[name] if name in kept else column for name, column in described.columns.items()}
    return Knobs(columns, described.outcome, described.checks, described.who, described.when)


def spoilt() -> pl.DataFrame:
    """One age in twenty is not on record, and one sex."""
    table = cells(AGE, *[None] * EMPTY)(sound())
    return cells("Gender", "")(table)


def test_a_refusal_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"'missing: keep' in columns\.sex and columns\.age"):
        examine(spoilt().lazy(), "noshow", knobs(), Evidence(), Writer(tmp_path))


def test_a_refusal_offers_no_key_for_what_no_row_can_lack(tmp_path: Path) -> None:
    table = cells("PatientId", *[None] * EMPTY)(sound())
    with pytest.raises(Refused) as refused:
        examine(table.lazy(), "noshow", knobs(), Evidence(), Writer(tmp_path))
    assert "missing: keep" not in str(refused.value)


def test_a_flag_that_is_set_or_missing_is_not_constant(tmp_path: Path) -> None:
    table = cells("Handcap", *["1", None] * (ROWS // 2))(sound())
    facts = examine(table.lazy(), "noshow", knobs(handicap=""), Evidence(), Writer(tmp_path))
    assert (facts["good"], facts["broken"]) == (ROWS, {})


def test_rows_without_a_value_are_kept_where_that_is_set(tmp_path: Path) -> None:
    """Both evaluations of the rules agree on it, or `examine` would refuse."""
    facts = examine(spoilt().lazy(), "noshow", knobs(age="", sex=""), Evidence(), Writer(tmp_path))
    assert (facts["good"], facts["broken"]) == (ROWS, {})
    typed = pl.read_parquet(tmp_path / "out" / "table.parquet")
    assert typed.get_column("age").null_count() == EMPTY
    assert typed.get_column("sex").null_count() == 1


def test_a_missing_value_is_the_same_number_in_a_table_and_in_a_request(tmp_path: Path) -> None:
    examine(spoilt().lazy(), "noshow", knobs(age="", sex=""), Evidence(), Writer(tmp_path))
    typed = pl.read_parquet(tmp_path / "out" / "table.parquet")
    of = problems.problem("noshow")
    sections = Sections(knobs(age="", sex="").columns, of.who, of.when, of.outcome, of.features)
    definition = Definition(sections, problems.definition("noshow", "features").features)
    matrix, _ = build_features(typed, definition)
    alone = typed.with_columns(pl.col("patient_id", "neighbourhood").cast(pl.String)).row(0, named=True)
    at = [definition.names.index(name) for name in ("sex", "age", "age_band")]
    assert [definition.numbers(alone, {})[place] for place in at] == matrix[0][at].tolist() == [-1, 0, 0]
    assert np.isfinite(matrix).all()


def test_missing_values_are_counted_and_their_growth_is_drift() -> None:
    columns = {"age": Column.model_validate({"from": "Age", "type": "integer", "missing": "keep"})}

    def of(missing: int) -> dict[str, object]:
        ages = [None] * missing + [20 + at % 60 for at in range(ROWS - missing)]
        table = pl.DataFrame(
            {"age": ages, "missed": [at % 2 for at in range(ROWS)]}, schema_overrides={"age": pl.Int64}
        )
        return profile(table.lazy(), columns, "missed")

    before, after = of(50), of(400)
    assert before["columns"]["age"]["missing"] == 50  # type: ignore[index]
    assert [finding.kind for finding in compare(after, before)] == ["drift"]
    assert compare(of(52), before) == []


def test_a_model_is_trained_and_judged_on_rows_with_missing_values(checkout: Checkout, warm: Warm) -> None:
    """As far as register, with a part of the report for those without an age."""
    assert warm.run(checkout, "ingest").well
    raw = pl.read_parquet(checkout.file("ingest", "table.parquet"))
    place = checkout.place / "holes.csv"
    holes = pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise(pl.col(AGE)).alias(AGE)
    raw.with_columns(holes).write_csv(place)
    checkout.change(KNOBS, "type: integer, between: [0, 120]", "type: integer, between: [0, 120], missing: keep")
    assert warm.run(checkout, "ingest", "holes", f"--source={place}").well
    for step in STEPS[1:]:
        ended = warm.run(checkout, step, "holes")
        assert ended.well, ended.text
    parts = {(part["slice"], part["part"]) for part in metrics(checkout)["slices"]}
    assert ("age_band", "missing") in parts
    assert registered(checkout, warm, "holes")["version"] == 1


def metrics(checkout: Checkout) -> dict[str, list[dict[str, str]]]:
    return dict(json.loads(checkout.file("evaluate", "metrics.json", "holes").read_bytes()))
