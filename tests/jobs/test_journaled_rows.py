"""`validate` and the journal: a column that was filled in afterwards ends the first training after the service ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rounds.journal import keyed
from rounds.knobs import JOURNAL_DAYS
from rounds.store import Store, open_store
from tests.checkout import KNOBS, Checkout, Ended
from tests.corpus.tables import DAY, MISSED, sound
from tests.jobs.predicted import predict
from tests.jobs.watched import KEY
from tests.warm import Warm

SENT = "SMS_received"
RULE = "{id: restated, table: restated, at_most: 0.01}"
DAYS = sound()[DAY].str.slice(0, 10).str.to_date()
LAST = max(DAYS)
NEAR = sum((LAST - day).days < JOURNAL_DAYS for day in DAYS)  # rows whose predictions are read
FIRST = "not compared with the last good run: there is no table of a last good run"
HONEST = f"no column was changed in {NEAR} predicted rows; {FIRST}"


@pytest.fixture
def here(unchanged: Checkout, tmp_path: Path) -> Checkout:
    """A checkout with a sound table and one in which reminders were set after missed appointments."""
    flagged = pl.when((pl.col(MISSED) == "Yes") & (pl.int_range(pl.len()) % 8 == 0)).then(pl.lit("1")).otherwise(SENT)
    sound().write_csv(tmp_path / "honest.csv")
    sound().with_columns(flagged.alias(SENT)).write_csv(tmp_path / "filled.csv")
    return unchanged.at(tmp_path)


def store_of(here: Checkout) -> Store:
    return open_store(here.store.as_uri())


def validated(here: Checkout, warm: Warm, source: str, run: str = "a", key: str = KEY, **more: str) -> Ended:
    """How validate ends on a source."""
    own = {"JOURNAL_FOLDER": str(here.place / "folder"), **({"JOURNAL_KEY": key} if key else {}), **more}
    path = str(here.place / source) if source.endswith(".csv") else source
    ended = warm.run(here, "ingest", run, SOURCE=path, **{**own, "JOURNAL_KEY": KEY})
    assert ended.code == 0, ended.text
    return warm.run(here, "validate", run, **own)


def rule(here: Checkout, run: str = "a") -> dict[str, Any]:
    """What the report says of the rule."""
    report = json.loads(here.file("validate", "report.json", run).read_bytes())
    return next(each for each in report["table"] if each["id"] == "restated")


@pytest.mark.data_safety
def test_the_first_table_after_the_service_is_refused(here: Checkout, warm: Warm) -> None:
    predict(store_of(here), sound())
    ended = validated(here, warm, "filled.csv")
    assert ended.code == 2, ended.text
    assert "restated: reminded changed in" in ended.text and f"of {NEAR} predicted rows" in ended.text
    assert "the outcome is true in 100.0% of them" in ended.text


@pytest.mark.data_safety
def test_an_honest_table_passes_and_says_how_many_rows_were_compared(here: Checkout, warm: Warm) -> None:
    predict(store_of(here), sound())
    assert validated(here, warm, "honest.csv").code == 0
    assert (rule(here)["found"], rule(here)["holds"]) == (HONEST, True)
    assert here.content("validate")["facts"]["warnings"] == []
    told = (here.store / "noshow/a/validate/manifest.json").read_text()
    told += here.file("validate", "report.json").read_text() + here.file("validate", "report.html").read_text()
    kept = pl.read_parquet(here.file("validate", "table.parquet"), glob=False)
    ids = [each for each in [*kept["patient_id"], *kept["appointment_id"]] if len(each) > 5]
    assert ids and not any(each in told for each in [*ids, *(keyed(one, KEY.encode()) for one in ids)])


@pytest.mark.data_safety
def test_changes_above_the_bound_are_refused(here: Checkout, warm: Warm) -> None:
    older = pl.when(pl.int_range(pl.len()) % 40 == 0).then(pl.lit("44")).otherwise("Age").alias("Age")
    sound().with_columns(older).write_csv(here.place / "older.csv")
    predict(store_of(here), sound())
    ended = validated(here, warm, "older.csv")
    assert ended.code == 2 and "restated: age changed in" in ended.text, ended.text
    assert "the outcome is true" not in ended.text


@pytest.mark.parametrize(
    ("key", "why"), [("", "JOURNAL_KEY is not set"), ("k" * 40, "JOURNAL_KEY is not the key of the journal")]
)
def test_without_the_key_the_run_goes_on_and_says_so(here: Checkout, warm: Warm, key: str, why: str) -> None:
    predict(store_of(here), sound())
    assert validated(here, warm, "filled.csv", key=key).code == 0
    assert rule(here)["found"].endswith(f"not compared with the journal: {why}") and rule(here)["holds"] is None
    assert not (here.place / "folder").exists(), "no key is made"
    assert validated(here, warm, "filled.csv").code == 2, "with the key the same table is compared"


def test_without_a_journal_a_key_changes_nothing(here: Checkout, warm: Warm) -> None:
    assert validated(here, warm, "honest.csv", key="").code == 0
    first = here.content("validate")
    assert rule(here)["found"].endswith("not compared with the journal: there is no journal of its last days")
    predict(store_of(here), sound())
    assert validated(here, warm, "honest.csv", "b").code == 0
    assert here.why("validate", "b") == ["same as run a, nothing changed"]
    assert here.content("validate", "b") == first


@pytest.mark.data_safety
def test_a_repeated_run_is_compared_with_the_same_parts(here: Checkout, warm: Warm) -> None:
    store = store_of(here)
    predict(store, sound())
    assert validated(here, warm, "honest.csv").code == 0
    predict(store, sound(), hours=6, change=lambda rows: rows.with_columns(pl.col("age") + 1), name="later")
    assert validated(here, warm, "honest.csv", "b").code == 0
    assert here.why("validate", "b") == ["same as run a, nothing changed"]
    here.file("validate", "profile.json").unlink()
    assert validated(here, warm, "honest.csv", "c").code == 0
    assert rule(here, "c")["found"].startswith(f"no column was changed in {NEAR} predicted rows")
    store.delete([path for path in store.paths("noshow/.journal/2026-03-10") if "/made-" in path])
    assert validated(here, warm, "honest.csv", "d").code == 0
    assert here.why("validate", "d")[0].startswith("journal.parts ")


@pytest.mark.data_safety
def test_altered_parts_do_not_count_and_are_named(here: Checkout, warm: Warm) -> None:
    store = store_of(here)
    predict(store, sound())
    [path, *_] = store.paths("noshow/.journal/2026-02-10")
    store.write(path, (store.read(path) or b"")[:-60])
    assert validated(here, warm, "honest.csv").code == 0
    (warning,) = here.content("validate")["facts"]["warnings"]
    assert f"{path} is altered or damaged" in warning
    assert rule(here)["holds"] and HONEST not in rule(here)["found"]


def test_rows_of_the_journal_are_not_compared_with_themselves(here: Checkout, warm: Warm) -> None:
    predict(store_of(here), sound())
    assert validated(here, warm, "journal:").code == 0
    assert rule(here)["found"].endswith("not compared with the journal: its own rows are journaled")


def test_so_many_days_at_most_are_read(unchanged: Checkout, checkout: Checkout, warm: Warm) -> None:
    sound().write_csv(checkout.place / "honest.csv")
    predict(store_of(checkout), sound())
    checkout.change(KNOBS, RULE, RULE.replace("}", ", journal_days: 7}"))
    assert validated(checkout, warm, "honest.csv").code == 0
    journal = checkout.manifest("validate")["circumstances"]["read"]["also"]["journal"]
    assert journal["last"] == str(LAST) and len(journal["instances"]) <= 9
    few = json.loads(checkout.file("validate", "report.json").read_bytes())["table"]
    checkout.change(KNOBS, "journal_days: 7", "journal_days: 30")
    assert validated(checkout, warm, "honest.csv", "b").code == 0
    assert rule(checkout, "b")["found"] not in [each["found"] for each in few], "more rows were compared"
    checkout.change(KNOBS, "journal_days: 30", "journal_days: 0")
    assert validated(checkout, warm, "honest.csv", "c").code == 0
    assert rule(checkout, "c")["found"].endswith("not compared with the journal: journal_days is 0")
