"""Published histories answer what training saw, to the last bit, from the file and from Redis alike."""

from __future__ import annotations

import datetime
import gzip
import os
import random
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds import tables
from rounds.decoding import tidy, value
from rounds.errors import HistoryError, Refused, RoundsError
from rounds.history import NOTHING, Past
from rounds.history import past as plain
from rounds.knobs import Problem
from rounds.pasts import Pasts, copies, open_pasts, pieces, redis, sqlite
from rounds.places import last_path
from tests.checkout import ROOT
from tests.jobs.appointments import appointments
from tests.keeper import Keeper
from tests.rounds.pasts.published import DEFINITION, NOSHOW, in_redis, published
from tests.rounds.shelf import Shelf

# Another process, which has a copy open until its input ends.
OPEN = """
import sys
from pathlib import Path
from rounds.pasts import sqlite
published = sqlite.Published(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def real() -> pl.DataFrame:
    if "ROUNDS_DATA" not in os.environ:
        pytest.skip("ROUNDS_DATA names no folder with the public table noshow.csv.gz")
    raw = pl.read_csv(
        gzip.decompress((Path(os.environ["ROUNDS_DATA"]) / "noshow.csv.gz").read_bytes()), infer_schema=False
    )
    found = [
        value(tidy(pl.col(column.raw), column, outcome), column, outcome).alias(name)
        for name, column in NOSHOW.columns.items()
        for outcome in [NOSHOW.outcome if name == NOSHOW.outcome.column else None]
    ]
    booked, happens = pl.col("scheduled_day").cast(pl.Date), pl.col("appointment_day")
    return raw.select(found).filter((booked <= happens) & (pl.col("age") >= 0))


def simulated() -> pl.DataFrame:
    return appointments(4000)


@pytest.mark.data_safety
@pytest.mark.parametrize("bring", [simulated, real])
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_ten_thousand_rows_are_answered_as_training_saw_them(
    bring: object, kind: str, tmp_path: Path, server: Keeper
) -> None:
    table = bring()  # type: ignore[operator]
    file = published(table, tmp_path / "history.sqlite")
    if kind == "redis":
        redis.fill(server.url, "noshow", file, lambda: None)
    pasts = Pasts(file if kind == "sqlite" else in_redis(server.url))
    matrix, _ = tables.build_features(table, DEFINITION)
    chosen = random.Random(7).sample(range(table.height), 10_000)
    rows = table[chosen].to_dicts()
    asked = {word: [row[column] for row in rows] for word, column in DEFINITION.history.items()}
    found = pasts.look(asked)
    answered = [
        DEFINITION.numbers(row, {word: found[word][at] for word in asked}).tobytes() for at, row in enumerate(rows)
    ]
    assert answered == [row.tobytes() for row in matrix[chosen]]
    assert matrix[chosen][:, DEFINITION.names.index("patient_visits")].max() > 1, "somebody has a history"


@pytest.mark.data_safety
@given(
    rows=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-5, 30), st.integers(0, 1)), max_size=30),
    asked=st.lists(st.tuples(st.sampled_from("abcdx"), st.integers(-10, 40)), max_size=20),
)
def test_many_rows_at_once_are_answered_like_each_alone(
    rows: list[tuple[str, int, int]], asked: list[tuple[str, int]]
) -> None:
    table = pl.DataFrame(
        rows, schema={pieces.ENTITY: pl.String, pieces.DAY: pl.Int32, pieces.MISSED: pl.Int64}, orient="row"
    )
    cut = dict(pieces.cut(table.lazy()))
    assert list(cut) == sorted(cut)
    wanted = {who: plain((day, missed) for one, day, missed in rows if one == who) for who in "abcdx"}
    found = [pieces.past(cut.get(who)) for who in "abcdx"]
    assert [tuple(map(list, one)) for one in found] == [tuple(map(list, wanted[who])) for who in "abcdx"]
    entity, cutoff = np.array(["abcdx".index(who) for who, _ in asked], np.int64), np.array([day for _, day in asked])
    together = pieces.before([cut.get(who) for who in "abcdx"], entity, cutoff.astype(np.int64))
    assert [tuple(row) for row in together.tolist()] == [wanted[who].before(day) for who, day in asked]


@pytest.mark.data_safety
def test_many_entities_and_few_are_answered_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = published(appointments(300), tmp_path / "history.sqlite")
    asked = {"patient": [*appointments(300)["patient_id"], "nobody", None], "area": ["CENTRO", None]}
    in_memory = Pasts(file).look(asked)
    monkeypatch.setattr(sqlite, "FEW", 0)
    assert Pasts(sqlite.Published(file.path)).look(asked) == in_memory


@pytest.mark.data_safety
def test_equal_tables_are_equal_files(tmp_path: Path) -> None:
    table = appointments(200)
    one, other = (
        published(table, tmp_path / "one"),
        published(table.sample(fraction=1, shuffle=True, seed=3), tmp_path / "b"),
    )
    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.version == other.version


def test_who_is_not_known_has_no_past(tmp_path: Path, server: Keeper) -> None:
    file = published(appointments(50), tmp_path / "history.sqlite")
    redis.fill(server.url, "noshow", file, lambda: None)
    for kind in (file, in_redis(server.url)):
        assert Pasts(kind).of("patient", ["nobody", None, ""]) == [Past()] * 3
        assert Pasts(kind).of("patient", []) == []
        assert Pasts(kind).of("patient", ["nobody"])[0].before(10**6) == NOTHING
        with pytest.raises(Refused, match=r"holds?|has no 'doctor' \(found: area, patient\)"):
            Pasts(kind).want({"doctor": "doctor_id"})


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_text("no database at all" * 100)
    with pytest.raises(Refused, match="is no published history"):
        sqlite.Published(tmp_path / "history.sqlite")


ENDLESS = """
drop table past;
create view past as with recursive each(n) as (select 1 union all select n + 1 from each)
select 'patient' as word, n as entity, x'' as piece from each;
"""
SET = "update about set value = '{}' where name = '{}'"


@pytest.mark.parametrize(
    "change",
    [ENDLESS, SET.format(5, "words"), SET.format('{"patient": "a"}', "words"), SET.format("never", "as_of")],
    ids=["a view without end", "no words", "no counts", "no day"],
)
def test_a_file_that_an_attacker_made_is_refused(tmp_path: Path, change: str) -> None:
    path = published(appointments(20), tmp_path / "history.sqlite").path
    with sqlite3.connect(path) as file:
        file.executescript(change)
    with pytest.raises(Refused, match="is no published history"):
        sqlite.Published(path)


def test_a_publish_without_the_file_is_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "store")
    made = shelf.put("a", "publish", name="other.sqlite")
    shelf.store.write(last_path("noshow", "publish"), made.to_json())
    with pytest.raises(Refused, match=r"names no history\.sqlite"):
        open_pasts("", shelf.store, "noshow", tmp_path / "cache")


@pytest.mark.parametrize("piece", ["x'00'", "12", "'text'", "zeroblob(20000000)"])
@pytest.mark.parametrize("few", [0, 5000])
@pytest.mark.parametrize("many", [1, 500])
def test_a_piece_that_is_none_ends_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: str, few: int, many: int
) -> None:
    path = published(appointments(20), tmp_path / "history.sqlite").path
    monkeypatch.setattr(sqlite, "FEW", few)
    with sqlite3.connect(path) as file:
        [[entity]] = file.execute("select min(entity) from past where word = 'patient'").fetchall()
        file.execute(f"update past set piece = {piece} where word = 'patient'")
    with pytest.raises(HistoryError, match="Run 'publish' again"):
        Pasts(sqlite.Published(path)).of("patient", [entity] * many)


def test_a_file_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    newer = published(appointments(20), tmp_path / "newer").path
    with sqlite3.connect(newer) as file:
        file.execute("update about set value = '2' where name = 'format'")
    with pytest.raises(Refused, match=r"newer has format 2; this release knows 1.*upgrade"):
        sqlite.Published(newer)


def put(shelf: Shelf, tmp_path: Path, run: str, as_of: str, seed: int) -> sqlite.Published:
    """A publish in the store, as the step leaves one."""
    file = published(appointments(100, seed=seed), tmp_path / run, as_of=as_of)
    made = shelf.put(run, "publish", name="history.sqlite", facts={"as_of": as_of})
    place = made.circumstances.places["history.sqlite"].replace(
        made.content.files["history.sqlite"].sha256[:12], file.version[:12]
    )
    shelf.store.upload(file.path, place)
    content = made.content.model_copy(
        update={
            "files": {
                "history.sqlite": made.content.files["history.sqlite"].model_copy(update={"sha256": file.version})
            }
        }
    )
    circumstances = made.circumstances.model_copy(update={"places": {"history.sqlite": place}})
    done = made.model_copy(update={"content": content, "circumstances": circumstances})
    shelf.store.write(last_path("noshow", "publish"), done.to_json())
    return file


def test_the_service_finds_the_newest_and_keeps_it(tmp_path: Path) -> None:
    shelf, cache = Shelf(tmp_path / "store"), tmp_path / "cache"
    with pytest.raises(Refused, match="no history of noshow was published yet"):
        open_pasts("", shelf.store, "noshow", cache)
    put(shelf, tmp_path, "one", "2026-03-10", 1)
    first = open_pasts("", shelf.store, "noshow", cache)
    assert open_pasts("", shelf.store, "noshow", cache, first) is first
    put(shelf, tmp_path, "two", "2026-03-11", 2)
    second = open_pasts("", shelf.store, "noshow", cache, first)
    assert (first.as_of, second.as_of) == ("2026-03-10", "2026-03-11")
    (tmp_path / "store").rename(tmp_path / "away")
    again = open_pasts("", shelf.store, "noshow", cache)
    assert (again.version, again.as_of) == (second.version, "2026-03-11")
    whole = sorted(cache.glob("*.sqlite"))[0]
    whole.write_bytes(b"altered")
    (tmp_path / "away").rename(tmp_path / "store")
    assert sqlite3.connect(open_pasts("", shelf.store, "noshow", cache).published.path)  # type: ignore[attr-defined]


def kept(cache: Path) -> set[str]:
    return {path.stem for path in cache.glob("*.sqlite")}


def test_copies_do_not_pile_up(tmp_path: Path) -> None:
    """The one in use stays, the one before, and what another process has open."""
    shelf, cache = Shelf(tmp_path / "store"), tmp_path / "cache"
    versions, half = [], cache / f".{uuid.uuid4().hex}"
    half.mkdir(parents=True)
    (half / "whole").write_bytes(b"half of a download")
    os.utime(half, (time.time() - 90_000,) * 2)
    pasts: Pasts | None = None
    for at in range(4):
        put(shelf, tmp_path, f"run-{at}", f"2026-03-1{at}", at)
        pasts = open_pasts("", shelf.store, "noshow", cache, pasts)
        versions.append(pasts.version)
    assert kept(cache) == set(versions[-2:])
    assert not half.exists()
    assert open_pasts("", shelf.store, "noshow", cache, pasts) is pasts


def test_a_copy_that_is_open_elsewhere_stays_until_it_is_not(tmp_path: Path) -> None:
    shelf, cache = Shelf(tmp_path / "store"), tmp_path / "cache"
    put(shelf, tmp_path, "run-0", "2026-03-10", 0)
    slow = open_pasts("", shelf.store, "noshow", cache)
    copy = cache / f"{slow.version}.sqlite"
    command = [sys.executable, "-c", OPEN, str(copy)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, cwd=ROOT, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        first = slow.version
        del slow
        for at in range(1, 4):
            put(shelf, tmp_path, f"run-{at}", f"2026-03-1{at}", at)
            open_pasts("", shelf.store, "noshow", cache)
        assert first in kept(cache) and len(kept(cache)) == 3
    copies.sweep(cache)
    assert first not in kept(cache) and len(kept(cache)) == 2


def test_a_copy_that_is_removed_while_it_is_opened_is_fetched_again(tmp_path: Path, monkeypatch: Any) -> None:
    shelf, cache = Shelf(tmp_path / "store"), tmp_path / "cache"
    put(shelf, tmp_path, "one", "2026-03-10", 1)
    hold, removed = copies.hold, []

    def late(path: Path) -> int:
        if not removed:
            removed.append(path)
            path.unlink()  # as a sweep of another process would, just before
        return hold(path)

    monkeypatch.setattr(copies, "hold", late)
    assert open_pasts("", shelf.store, "noshow", cache).as_of == "2026-03-10"
    assert removed


def test_a_download_that_fails_leaves_no_half(tmp_path: Path) -> None:
    shelf, cache = Shelf(tmp_path / "store"), tmp_path / "cache"
    put(shelf, tmp_path, "one", "2026-03-10", 1)
    for path in (tmp_path / "store").rglob("history.*.sqlite"):
        path.write_bytes(b"altered")
    for _ in range(3):
        with pytest.raises(RoundsError):
            open_pasts("", shelf.store, "noshow", cache)
    assert [path.name for path in cache.iterdir()] == ["noshow-publish.json"]


def test_histories_that_are_open_are_read_although_their_file_is_removed(tmp_path: Path) -> None:
    shelf, cache = Shelf(tmp_path / "store"), tmp_path / "cache"
    put(shelf, tmp_path, "one", "2026-03-10", 1)
    pasts = open_pasts("", shelf.store, "noshow", cache)
    before = pasts.of("patient", appointments(100, seed=1)["patient_id"].to_list())
    (copy,) = cache.glob("*.sqlite")
    copy.unlink()
    assert copy.stem == pasts.version
    assert pasts.of("patient", appointments(100, seed=1)["patient_id"].to_list()) == before


@pytest.mark.data_safety
def test_the_file_holds_days_and_no_dates(tmp_path: Path) -> None:
    file = published(appointments(20), tmp_path / "history.sqlite")
    (one,) = Pasts(file).of("patient", [appointments(20)["patient_id"][0]])
    assert min(one.days) >= (datetime.date(2026, 1, 5) - datetime.date(1970, 1, 1)).days


def test_a_problem_without_sections_publishes_daily() -> None:
    assert Problem.model_fields["publish"].default.schedule == "@daily"
