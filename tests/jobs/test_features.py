"""The step: sorted, streamed in chunks, the same bytes on any number of threads, and no row lost."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import problems
from jobs import features as step
from rounds.definition import Definition, Sections
from rounds.errors import Refused
from rounds.tables import build_features, compact, histories
from tests.checkout import Checkout
from tests.warm import Warm

KEYS = ["patient_id", "appointment_id", "appointment_day", "scheduled_day", "no_show"]


def knobs() -> Sections:
    found = problems.problem("noshow")
    return Sections(found.columns, found.who, found.when, found.outcome, found.features)


def definition() -> Definition:
    return Definition(knobs(), problems.definition("noshow", "features").features)


def appointments(rows: int) -> pl.DataFrame:
    """Few days and few moments of booking, so that many rows lie on the same of both."""
    draw = np.random.default_rng(3)
    day = draw.integers(16900, 16930, rows)
    return pl.DataFrame(
        {
            "patient_id": pl.Series(draw.integers(0, 1 + rows // 3, rows)).cast(pl.String),
            "appointment_id": pl.Series(draw.permutation(rows)).cast(pl.String),
            "sex": pl.Series(["F", "M"]).gather(draw.integers(0, 2, rows)),
            "scheduled_day": pl.Series((day - draw.integers(0, 3, rows)) * 86400_000_000).cast(pl.Datetime("us")),
            "appointment_day": pl.Series(day.astype(np.int32)).cast(pl.Date),
            "age": draw.integers(0, 121, rows),
            "neighbourhood": pl.Series(["A", "B", "C"]).gather(draw.integers(0, 3, rows)),
            **{name: draw.integers(0, 2, rows) for name in ("scholarship", "hypertension", "diabetes", "alcoholism")},
            "handicap": draw.integers(0, 5, rows),
            "reminded": draw.integers(0, 2, rows),
            "no_show": draw.integers(0, 2, rows),
        }
    )


def written(table: pl.DataFrame, folder: Path) -> tuple[pl.DataFrame, bytes, dict[str, Any]]:
    compacted, target = compact(table.lazy(), definition()).collect(), folder / "table.parquet"
    past = histories(compacted.lazy(), definition())
    step.sink(compacted, past, definition(), knobs(), target)
    return pl.read_parquet(target), target.read_bytes(), step.facts(compacted, past, definition(), knobs())


def test_the_table_is_sorted_and_whole(tmp_path: Path) -> None:
    table = appointments(3000)
    found, _, facts = written(table, tmp_path)
    assert found.columns == [*KEYS, *definition().names]
    wanted = {"appointment_day": pl.Date, "scheduled_day": pl.Datetime("us"), "no_show": pl.Int64}
    assert {name: found.schema[name] for name in wanted} == wanted
    assert set(found.drop(KEYS).schema.values()) == {pl.Float32}
    assert found.select(KEYS).equals(table.select(KEYS).sort("appointment_day", "scheduled_day", "appointment_id"))
    ordered = table.sort("appointment_day", "scheduled_day", "appointment_id")
    assert np.array_equal(found.drop(KEYS).to_numpy(), build_features(ordered, definition())[0])
    assert (facts["rows"], facts["features"], facts["base_rate"]) == (3000, found.width - 5, table["no_show"].mean())
    assert (facts["first_day"], facts["last_day"]) == (
        str(found["appointment_day"][0]),
        str(found["appointment_day"][-1]),
    )
    assert facts["patient_known"] == (found["patient_visits"] > 0).mean()


@pytest.mark.data_safety
def test_chunks_and_the_order_of_rows_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = appointments(2000)
    whole, bytes_of_whole, _ = written(table, tmp_path)
    assert written(table.sample(fraction=1, shuffle=True, seed=1), tmp_path)[1] == bytes_of_whole
    monkeypatch.setattr(step, "CHUNK", 300)
    assert written(table, tmp_path)[0].equals(whole)


@pytest.mark.parametrize(
    "table",
    [
        appointments(1),
        appointments(50).with_columns(patient_id=pl.lit("7")),
        appointments(3).with_columns(
            appointment_day=pl.Series(
                [datetime.date(1900, 1, 1), datetime.date(2200, 12, 31), datetime.date(2016, 5, 1)]
            )
        ),
    ],
    ids=["one row", "one patient", "three centuries"],
)
def test_odd_tables_pass(tmp_path: Path, table: pl.DataFrame) -> None:
    found, _, facts = written(table, tmp_path)
    assert found.height == facts["rows"] == table.height
    assert found.drop(KEYS).select(pl.all().is_finite().all()).row(0) == (True,) * (found.width - 5)


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        (
            lambda row, op, moment: {"wide": row.age * 1e300 * 1e300},
            r"^features\.py gives wide that is no finite number",
        ),
        (
            lambda row, op, moment: {"no_show": row.age},
            r"^features\.py gives 'no_show', which is a key of the table too",
        ),
    ],
)
def test_a_feature_that_misleads_is_refused(tmp_path: Path, gives: Any, said: str) -> None:
    definition, target = Definition(knobs(), gives), tmp_path / "table.parquet"
    table = compact(appointments(5).lazy(), definition).collect()
    with pytest.raises(Refused, match=said):
        step.sink(table, {}, definition, knobs(), target)
        step.check(target, definition)


@pytest.fixture(scope="module")
def ready(unchanged: Checkout, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A store in which the run `a` is done as far as validate."""
    here = unchanged.at(tmp_path_factory.mktemp("ready"))
    for name in ("ingest", "validate"):
        ended = warm.run(here, name)
        assert ended.code == 0, ended.text
    return here


@pytest.mark.data_safety
def test_the_same_bytes_on_any_number_of_threads(ready: Checkout) -> None:
    contents = []
    for threads in ("1", "2"):
        ended = ready.run("features", "a", "--force", POLARS_MAX_THREADS=threads)
        assert ended.code == 0, ended.text
        contents.append(ready.content("features"))
    assert contents[0] == contents[1]
    assert contents[0]["facts"]["rows"] == ready.content("validate")["facts"]["good"]


def test_again_nothing_changed(ready: Checkout, warm: Warm) -> None:
    assert warm.run(ready, "features").code == 0
    assert "nothing changed" in warm.run(ready, "features").text


@pytest.fixture
def changing(checkout: Checkout, warm: Warm) -> Checkout:
    """A checkout to change, in which the run `a` is done as far as features."""
    for name in ("ingest", "validate", "features"):
        ended = warm.run(checkout, name)
        assert ended.code == 0, ended.text
    return checkout


def test_what_it_depends_on_runs_it_again(changing: Checkout, warm: Warm) -> None:
    changing.change("problems/noshow/problem.yaml", "moment: day_before", "moment: booking")
    assert warm.run(changing, "features").code == 0
    assert any("day_before -> booking" in reason for reason in changing.why("features"))
    assert "reminded" not in pl.read_parquet(changing.file("features", "table.parquet")).columns

    changing.change("problems/noshow/features.py", "LONG_AGO = 366", "LONG_AGO = 400")
    assert warm.run(changing, "features").code == 0
    assert any("features.py" in reason for reason in changing.why("features"))

    changing.change("problems/noshow/features.py", 'if moment == "day_before":', "if moment:")
    sentence = warm.run(changing, "features").sentence(2)
    assert "row.reminded, which is known from the day before on, and the moment is booking." in sentence
