"""A patient's identifier and neighbourhood, planted in the raw table, come up in nothing that is told."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from problems.noshow.simulate import simulate
from tests.checkout import STEPS, Checkout, Ended
from tests.warm import Warm

pytestmark = pytest.mark.data_safety

# As the raw table spells them and as steps spell them later.
CANARIES = (
    "617420617420617E-3",
    "617420617420.617",
    "CANÁRIO DO RIO",
    "CAN\\u00c1RIO",
    "CANA\u0301RIO",
    "317420617420613",
)


@pytest.fixture(scope="module")
def planted() -> pl.DataFrame:
    """A simulated table in which one patient is known to us, in good rows and in bad ones."""
    start = datetime.date(2026, 1, 5)
    table = pl.concat(list(simulate(patients=600, seed=3, start=start, weeks=12)))
    row = pl.int_range(pl.len())
    return table.with_columns(
        PatientId=pl.when(row < 4)
        .then(pl.lit(CANARIES[0]))
        .when(row < 8)
        .then(pl.lit(CANARIES[5]))
        .otherwise("PatientId"),
        Neighbourhood=pl.when(row < 8).then(pl.lit(CANARIES[2])).otherwise("Neighbourhood"),
        Age=pl.when(row.is_in([0, 4])).then(pl.lit("-1")).otherwise("Age"),
    )


@pytest.fixture
def source(planted: pl.DataFrame, tmp_path: Path) -> Path:
    planted.write_csv(tmp_path / "raw.csv")
    return tmp_path / "raw.csv"


def told(checkout: Checkout, said: list[Ended]) -> Iterator[tuple[str, str]]:
    """All that anybody is told: what the steps said, and every file in the store that is not a table."""
    yield from ((f"step {i}", ended.text) for i, ended in enumerate(said))
    for path in checkout.place.rglob("*"):
        inside = checkout.store in path.parents or checkout.scratch in path.parents
        if inside:
            yield "a file's name", path.name
        if inside and path.is_file() and path.suffix != ".parquet":
            yield path.name, path.read_bytes().decode("utf-8", errors="replace")  # a model is no text


def silent(checkout: Checkout, said: list[Ended]) -> int:
    """How many things were looked at; none of them tells."""
    looked = 0
    for where, text in told(checkout, said):
        looked += 1
        assert not [canary for canary in CANARIES if canary in text], where
    return looked


@pytest.mark.parametrize("style", ["text", "json"])
def test_no_step_tells(unchanged: Checkout, tmp_path: Path, source: Path, warm: Warm, style: str) -> None:
    checkout = unchanged.at(tmp_path)
    said = [warm.run(checkout, step, SOURCE=str(source), LOG=style) for step in STEPS]
    assert all(ended.well for ended in said), said
    assert silent(checkout, said) > 3 * len(STEPS)
    assert checkout.content("validate")["facts"]["quarantined"] == 2
    quarantine = pl.read_parquet(checkout.file("validate", "quarantine.parquet"))
    assert set(quarantine["PatientId"]) == {CANARIES[0], CANARIES[5]}  # so they did go all the way


BAD_TABLES = {
    "too many bad rows": pl.lit("thirty").alias("Age"),
    "one neighbourhood": pl.lit(CANARIES[2]).alias("Neighbourhood"),
    "one patient": pl.lit(CANARIES[0]).alias("PatientId"),
    "identifiers in every column": pl.all().replace_strict({}, default=CANARIES[0], return_dtype=pl.String),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_no_refusal_tells(unchanged: Checkout, tmp_path: Path, planted: pl.DataFrame, warm: Warm, case: str) -> None:
    checkout, source = unchanged.at(tmp_path), tmp_path / "raw.csv"
    planted.with_columns(BAD_TABLES[case]).write_csv(source)
    said = [warm.run(checkout, step, SOURCE=str(source)) for step in STEPS[:2]]
    assert said[-1].code in {0, 2}, said
    assert silent(checkout, said) > 4


def test_a_table_without_a_header_does_not_tell(
    unchanged: Checkout, tmp_path: Path, planted: pl.DataFrame, warm: Warm
) -> None:
    checkout, source = unchanged.at(tmp_path), tmp_path / "raw.csv"
    planted.write_csv(source, include_header=False)
    said = [warm.run(checkout, step, SOURCE=str(source)) for step in STEPS[:2]]
    assert said[-1].code == 2
    assert silent(checkout, said) > 2


LAST = "    rows = landed.select(pl.len()).collect().item()\n"
# Put at the end of what ingest does; each message quotes a cell.
CRASHES = {
    "a row in an error": "raise ValueError(landed.collect().row(0))",
    "polars quotes a cell": "landed.select(pl.col('PatientId').cast(pl.Int64)).collect()",
    "a panic": "raise pl.exceptions.PanicException(str(landed.collect().row(0)))",
    "a cause": "\n    ".join(
        [
            "try:",
            "    raise ValueError(landed.collect().row(0))",
            "except ValueError as error:",
            "    raise KeyError from error",
        ]
    ),
}


@pytest.mark.parametrize("case", CRASHES)
def test_no_crash_tells(checkout: Checkout, source: Path, warm: Warm, case: str) -> None:
    checkout.change("jobs/ingest.py", LAST, f"{LAST}    {CRASHES[case]}\n")
    shown = warm.run(checkout, "ingest", SOURCE=str(source), ROUNDS_DEBUG="1")
    assert "617420617420617E-3" in shown.text  # so there is something to tell
    said = warm.run(checkout, "ingest", SOURCE=str(source))
    assert said.code == 1
    assert "crashed: " in said.text
    silent(checkout, [said])


@pytest.mark.parametrize("talk", ["import warnings; warnings.warn", "import logging; logging.error"])
def test_a_library_that_talks_is_not_heard(checkout: Checkout, source: Path, talk: str) -> None:
    checkout.change("jobs/ingest.py", LAST, f"{LAST}    {talk}(str(landed.collect().row(0)))\n")
    said = checkout.run("ingest", SOURCE=str(source))
    assert said.code == 0
    silent(checkout, [said])


def test_a_simulator_that_fails_does_not_tell(checkout: Checkout, warm: Warm) -> None:
    with (checkout.root / "problems/noshow/simulate.py").open("a", encoding="utf-8") as simulator:
        simulator.write(f"""

_simulate = simulate


def simulate(**knobs):
    yield from _simulate(**knobs)
    raise ValueError("{CANARIES[0]}")
""")
    said = warm.run(checkout, "ingest")
    assert said.code == 1
    silent(checkout, [said])
