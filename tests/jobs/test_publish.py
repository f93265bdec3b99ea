"""Publishing: equal tables give equal files, the last good one stays, and Redis is looked at every time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from rounds.pasts import Pasts, sqlite
from tests.checkout import KNOBS, Checkout
from tests.keeper import Keeper, keeper
from tests.rounds.pasts.published import in_redis
from tests.warm import Warm


@pytest.fixture
def validated(unchanged: Checkout, warm: Warm, tmp_path: Path) -> Checkout:
    found = unchanged.at(tmp_path)
    for step in ("ingest", "validate"):
        assert warm.run(found, step).well
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Keeper]:
    with keeper(tmp_path) as found:
        yield found


def published(checkout: Checkout, run: str = "a") -> Pasts:
    return Pasts(sqlite.Published(checkout.file("publish", "history.sqlite", run)))


def test_it_knows_what_the_table_knows(validated: Checkout, warm: Warm) -> None:
    assert warm.run(validated, "publish").code == 0
    table = pl.read_parquet(validated.file("validate", "table.parquet"), glob=False)
    facts, pasts = validated.content("publish")["facts"], published(validated)
    words = {"area": table["neighbourhood"].n_unique(), "patient": table["patient_id"].n_unique()}
    assert facts == {"as_of": str(table["appointment_day"].max()), "entities": words}
    assert pasts.as_of == facts["as_of"]
    visits = dict(table["patient_id"].value_counts().iter_rows())
    found = pasts.of("patient", list(visits))
    assert [past.visits[-1] for past in found] == list(visits.values())
    assert sum(past.missed[-1] for past in found) == table["no_show"].sum()


@pytest.mark.data_safety
def test_again_it_is_equal(validated: Checkout, warm: Warm) -> None:
    contents = []
    for _ in range(2):
        assert warm.run(validated, "publish").code == 0
        contents.append(validated.content("publish"))
    assert contents[0] == contents[1]


def test_a_table_that_goes_back_is_said(validated: Checkout, warm: Warm, tmp_path: Path) -> None:
    assert warm.run(validated, "publish").code == 0
    earlier = pl.read_parquet(validated.file("ingest", "table.parquet"), glob=False)
    earlier = earlier.filter(pl.col("AppointmentDay") < "2026-03-01")
    earlier.write_csv(tmp_path / "earlier.csv")
    for step in ("ingest", "validate", "publish"):
        ended = warm.run(validated, step, "b", SOURCE=str(tmp_path / "earlier.csv"))
        assert ended.code == 0, ended.text
    assert "publish: the table ends on 2026-02-27; what was published before knew all until 2026-03" in ended.text


@pytest.mark.data_safety
def test_a_refused_table_leaves_the_last_good_history(validated: Checkout, warm: Warm, tmp_path: Path) -> None:
    assert warm.run(validated, "publish").code == 0
    last = validated.store / "noshow/.index/publish/last.json"
    before = last.read_bytes()
    (tmp_path / "bad.csv").write_text("PatientId\n1\n")
    warm.run(validated, "ingest", "b", SOURCE=str(tmp_path / "bad.csv"))
    assert warm.run(validated, "validate", "b").code == 2
    assert warm.run(validated, "publish", "b").code == 2
    assert last.read_bytes() == before


def test_redis_is_filled_and_mended_each_time(validated: Checkout, warm: Warm, server: Keeper) -> None:
    said = []
    for _ in range(2):
        ended = warm.run(validated, "publish", HISTORY=server.url)
        assert ended.code == 0, ended.text
        said.append(ended.text)
    assert "Redis answers from it now" in said[0] and "Redis answers from it already" in said[1]
    server.client().flushall()
    assert "Redis answers from it now" in warm.run(validated, "publish", HISTORY=server.url).text
    asked = {
        "patient": pl.read_parquet(validated.file("validate", "table.parquet"), glob=False)["patient_id"].to_list()
    }
    assert Pasts(in_redis(server.url)).look(asked) == published(validated).look(asked)


def test_redis_that_is_away_is_a_failure_that_a_retry_may_mend(validated: Checkout, warm: Warm, server: Keeper) -> None:
    server.stop()
    ended = warm.run(validated, "publish", HISTORY=server.url)
    assert "cannot be used: ConnectionError. See that it is there, with room." in ended.sentence(1)
    assert not (validated.store / "noshow/.index/publish/last.json").exists()
    server.start()
    assert warm.run(validated, "publish", HISTORY=server.url).code == 0


def test_another_address_is_refused_unquoted(validated: Checkout, warm: Warm) -> None:
    said = warm.run(validated, "publish", HISTORY="mysql://nurse:secret@a/b").sentence(2)
    assert "HISTORY is no URL of Redis's" in said and "secret" not in said


def test_other_words_are_published_too(checkout: Checkout, warm: Warm) -> None:
    checkout.change(KNOBS, "area: neighbourhood}", "area: neighbourhood, kind: sex}")
    for step in ("ingest", "validate", "publish"):
        assert warm.run(checkout, step).well
    assert checkout.content("publish")["facts"]["entities"]["kind"] == 2
