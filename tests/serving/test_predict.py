"""The hot path without HTTP: its answers are the bundle's own, by the definition's own features, to the last bit."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from rounds.answering import Bands
from rounds.errors import HistoryError
from rounds.journal import FIELDS
from rounds.pasts import Pasts, open_pasts, sqlite
from rounds.store import open_store
from serving.journal import JournalFull
from serving.metrics import Metrics
from serving.models import Live, Models
from serving.predict import ROWS, THREAD, Answer, Prediction, Predictor, Question
from serving.settings import wanted
from tests import tracked
from tests.serving.running import ONE, Clinic

KEY = b"secret"


class Kept:
    """Records in memory; `full` takes none."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.full = False

    def append(self, records: Sequence[dict[str, Any]]) -> None:
        if self.full:
            raise JournalFull("no room")
        self.records += records


@pytest.fixture(scope="module")
def live(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Live:
    url, cache = tracked.url(clinic.registry), tmp_path_factory.mktemp("cache")
    return Models("noshow", wanted("models:/NoShowXGBoost@champion"), url, cache).newest(None)


def predictor(kept: Kept) -> Predictor:
    return Predictor(Bands(), kept, KEY, Metrics())


def rows(live: Live, count: int) -> list[Any]:
    return [
        live.inputs.read(json.dumps({**ONE, "age": at % 121, "patient_id": str(at)}).encode()) for at in range(count)
    ]


def asked(predictor: Predictor, *questions: Question) -> list[Answer]:
    async def all_at_once() -> list[Answer]:
        return list(await asyncio.gather(*(predictor.answer(each) for each in questions)))

    return asyncio.run(all_at_once())


@pytest.mark.data_safety
def test_a_batch_answers_what_the_bundle_says_of_each_row(clinic: Clinic, live: Live, tmp_path: Path) -> None:
    kept = Kept()
    made = predictor(kept)
    made.pasts = open_pasts("", open_store(clinic.checkout.store.as_uri()), "noshow", tmp_path)
    given = rows(live, 2 * ROWS + 7)
    (found,) = asked(made, Question(live, given))
    ready = [live.inputs.ready(row) for row in given]
    pasts = [{word: made.pasts.of(word, [row.entities[word]])[0] for word in row.entities} for row in ready]
    numbers = [live.definition.numbers(row.values, past) for row, past in zip(ready, pasts, strict=True)]
    matrix = np.array(numbers, np.float32)
    assert np.array_equal(found.matrix, matrix)
    assert [each.probability for each in found.predictions] == live.bundle.score(matrix).tolist()
    assert [record["id"] for record in kept.records] == [each.id for each in found.predictions]
    assert [record["features"] for record in kept.records] == matrix.tolist()
    assert len({record["id"] for record in kept.records}) == len(given)
    assert {tuple(record) for record in kept.records} == {FIELDS}


@pytest.mark.data_safety
@pytest.mark.parametrize("away", [False, True])
def test_a_long_list_answers_what_each_row_gives_alone(clinic: Clinic, live: Live, tmp_path: Path, away: bool) -> None:
    """Over patients and areas that are known and that are not, values that are missing, and every kind of day."""
    pasts = open_pasts("", open_store(clinic.checkout.store.as_uri()), "noshow", tmp_path)
    given = [live.inputs.read(json.dumps(row).encode()) for row in varied(pasts, 2000)]
    lists, singles = Kept(), Kept()
    long, short = predictor(lists), predictor(singles)
    long.pasts = short.pasts = Pasts(Away()) if away else pasts
    (found,) = asked(long, Question(live, given))
    alone = asked(short, *(Question(live, [row]) for row in given))
    assert found.matrix.tobytes() == b"".join(each.matrix.tobytes() for each in alone)
    changing = {"id", "at"}
    told = [plain(each, changing) for each in found.predictions]
    assert told == [plain(each.predictions[0], changing) for each in alone]
    assert {each.as_of for each in alone} == {found.as_of}
    assert [said["id"] for said in lists.records] == [each.id for each in found.predictions]
    bare = [[{**said, **dict.fromkeys(changing)} for said in kept.records] for kept in (lists, singles)]
    assert msgspec.json.encode(bare[0]) == msgspec.json.encode(bare[1])
    assert {each.history for each in found.predictions} == ({"down"} if away else {"known", "unknown"})
    assert any(each.unknown for each in found.predictions) and not all(each.unknown for each in found.predictions)


def plain(said: Prediction, without: set[str]) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(said).items() if name not in without}


def varied(pasts: Pasts, count: int) -> list[dict[str, Any]]:
    """Appointments of which hardly two have the same features."""
    draw = random.Random(7)
    assert isinstance(pasts.published, sqlite.Published)
    entities = [(word, entity) for word, entity, _ in pasts.published.everything()]
    by = {word: [entity for of, entity in entities if of == word] for word in ("patient", "area")}
    found = []
    for at in range(count):
        booked = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=draw.randrange(90 * 86400), microseconds=at)
        zone = draw.choice(["+00:00", "Z", "", "-03:00", "+05:30"])
        row: dict[str, Any] = {
            "patient_id": draw.choice([draw.choice(by["patient"]), str(at), at, None, "NULL", "12.0"]),
            "appointment_id": str(at),
            "sex": draw.choice(["F", "M", "F", "M", "?", None]),
            "scheduled_day": booked.strftime("%Y-%m-%dT%H:%M:%S.%f") + zone,
            "appointment_day": (booked + timedelta(days=draw.randrange(2, 60))).date().isoformat(),
            "age": draw.choice([None, draw.randrange(121)]),
            "neighbourhood": draw.choice([draw.choice(by["area"]), "ATLANTIS", None]),
            "hypertension": draw.choice([True, False, 0, 1, None]),
            "handicap": draw.randrange(5),
            "reminded": draw.choice([0, 1]),
        }
        found.append({name: value for name, value in row.items() if value is not None or draw.random() < 0.5})
    return found


@pytest.mark.data_safety
def test_questions_that_come_together_get_their_own_answers(live: Live) -> None:
    given = rows(live, 30)
    parts = [given[:1], given[1:20], given[20:]]
    found = asked(predictor(Kept()), *(Question(live, part) for part in parts))
    alone = [asked(predictor(Kept()), Question(live, part))[0] for part in parts]
    for together, apart in zip(found, alone, strict=True):
        assert [each.probability for each in together.predictions] == [each.probability for each in apart.predictions]


def test_a_loop_that_is_busy_makes_no_disk_slow(live: Live) -> None:
    class Busy(Kept):
        def append(self, records: Sequence[dict[str, Any]]) -> None:
            loop.call_soon_threadsafe(time.sleep, 2000 * THREAD)
            super().append(records)

    made = predictor(Busy())
    made._slow = slow = 400 * THREAD
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        runner.run(made.answer(Question(live, rows(live, 1))))
    assert made._slow < slow


@pytest.mark.data_safety
@pytest.mark.parametrize("count", [1, ROWS, ROWS + 1])
def test_a_journal_that_is_full_answers_nobody(live: Live, count: int) -> None:
    kept = Kept()
    kept.full = True
    with pytest.raises(JournalFull):
        asked(predictor(kept), Question(live, rows(live, count)))


class Away:
    """Histories that cannot be had."""

    as_of, version, words = "2026-03-28", "", {"patient": 1, "area": 1}

    def pieces(self, asked: Any) -> Any:
        raise HistoryError("not just now")


def test_histories_that_fail_are_none_and_it_is_said(live: Live) -> None:
    kept = Kept()
    made = predictor(kept)
    made.pasts = Pasts(Away())
    (found,) = asked(made, Question(live, rows(live, 2)))
    (alone,) = asked(predictor(Kept()), Question(live, rows(live, 2)))
    assert found.as_of is None
    assert [each.history for each in found.predictions] == ["down", "down"]
    assert [each.probability for each in found.predictions] == [each.probability for each in alone.predictions]
    assert {(record["history"], record["history_as_of"]) for record in kept.records} == {("down", None)}


@pytest.mark.data_safety
def test_no_identifier_is_recorded_in_the_clear(live: Live) -> None:
    kept = Kept()
    row = live.inputs.read(json.dumps({**ONE, "patient_id": "someone", "appointment_id": "something"}).encode())
    asked(predictor(kept), Question(live, [row]))
    text = repr(kept.records)
    assert "someone" not in text
    assert "something" not in text
    assert kept.records[0]["who"]
