"""The hot path without HTTP: its answers are the bundle's own, by the definition's own features, to the last bit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rounds.answering import Bands
from rounds.errors import HistoryError
from rounds.pasts import open_pasts
from rounds.store import open_store
from serving.journal import JournalFull
from serving.metrics import Metrics
from serving.models import Live, Models
from serving.predict import ROWS, Answer, Predictor, Question
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


def test_questions_that_come_together_get_their_own_answers(live: Live) -> None:
    given = rows(live, 30)
    parts = [given[:1], given[1:20], given[20:]]
    found = asked(predictor(Kept()), *(Question(live, part) for part in parts))
    alone = [asked(predictor(Kept()), Question(live, part))[0] for part in parts]
    for together, apart in zip(found, alone, strict=True):
        assert [each.probability for each in together.predictions] == [each.probability for each in apart.predictions]


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
    from rounds.pasts import Pasts

    kept = Kept()
    made = predictor(kept)
    made.pasts = Pasts(Away())
    (found,) = asked(made, Question(live, rows(live, 2)))
    (alone,) = asked(predictor(Kept()), Question(live, rows(live, 2)))
    assert found.as_of is None
    assert [each.history for each in found.predictions] == ["down", "down"]
    assert [each.probability for each in found.predictions] == [each.probability for each in alone.predictions]
    assert {(record["history"], record["history_as_of"]) for record in kept.records} == {("down", None)}


def test_no_identifier_is_recorded_in_the_clear(live: Live) -> None:
    kept = Kept()
    row = live.inputs.read(json.dumps({**ONE, "patient_id": "someone", "appointment_id": "something"}).encode())
    asked(predictor(kept), Question(live, [row]))
    text = repr(kept.records)
    assert "someone" not in text
    assert "something" not in text
    assert kept.records[0]["who"]
