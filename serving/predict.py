"""The hot path: values, histories, features, booster, calibrator, journal; only then is anything answered."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np

from rounds import journal as lines
from rounds.answering import Bands
from rounds.errors import HistoryError, Refused
from rounds.history import Past
from rounds.journal import Known
from rounds.pasts import Pasts
from serving.batches import Batches
from serving.inputs import Asked
from serving.metrics import Metrics
from serving.models import Live

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
ROWS = 256  # at once: a long list takes turns with the single questions of others
LINES = 4096  # of a long list that are brought to disk at once
THREAD = 0.001  # seconds that the disk takes, from which on it is waited for in a thread


class Told(msgspec.Struct, omit_defaults=True, gc=False):
    """Why, in words."""

    text: str
    effect: str


class Prediction(msgspec.Struct, gc=False):
    id: str
    probability: float
    band: str
    call: bool
    history: Known
    unknown: list[str]
    reasons: list[Told]


class Recorder(Protocol):
    def append(self, records: Sequence[dict[str, Any]]) -> None: ...


@dataclass(frozen=True)
class Question:
    """Some appointments of one request, and the model that answers all of it."""

    live: Live
    rows: Sequence[Any]  # as `Inputs.read` gives them
    part: bool = False  # of a long list, whose asker sees to the journal


@dataclass(frozen=True)
class Answer:
    predictions: list[Prediction]
    matrix: Array
    as_of: str | None
    records: Sequence[dict[str, Any]] = ()  # that are not on disk yet


class Predictor:
    """Answers questions in batches; whatever was answered has been recorded before."""

    def __init__(self, bands: Bands, journal: Recorder, key: bytes, metrics: Metrics) -> None:
        self.bands, self.journal, self.metrics = bands, journal, metrics
        self.pasts: Pasts | None = None
        self.remote = False  # whether a look at the histories may block
        self._key, self._slow = key, 0.0
        self._batches: Batches[Question, Answer] = Batches(self._work, lambda question: len(question.rows), ROWS)

    async def answer(self, question: Question) -> Answer:
        """A long list goes through in parts, all of them by one model, and to the disk in larger ones."""
        rows, live = question.rows, question.live
        if len(rows) <= ROWS:
            return await self._batches.ask(question)
        predictions: list[Prediction] = []
        waiting: list[dict[str, Any]] = []
        parts, as_of = [], None
        for start in range(0, len(rows), ROWS):
            answer = await self._batches.ask(Question(live, rows[start : start + ROWS], part=True))
            predictions += answer.predictions
            parts.append(answer.matrix)
            waiting += answer.records
            as_of = answer.as_of
            if len(waiting) >= LINES or len(predictions) == len(rows):
                await asyncio.to_thread(self.journal.append, waiting)
                waiting = []
        return Answer(predictions, np.concatenate(parts), as_of)

    async def _work(self, questions: Sequence[Question]) -> list[Answer]:
        """A model at a time: while one takes over from another, both may have questions."""
        answers: dict[int, Answer] = {}
        waiting: list[dict[str, Any]] = []
        for live in dict.fromkeys(question.live for question in questions):
            mine = [(at, question) for at, question in enumerate(questions) if question.live is live]
            rows = [live.inputs.ready(row) for _, question in mine for row in question.rows]
            answer, start = await self._rows(live, rows), 0
            for at, question in mine:
                part = slice(start, start + len(question.rows))
                mind = answer.records[part]
                if not question.part:
                    waiting += mind
                answers[at] = Answer(
                    answer.predictions[part], answer.matrix[part], answer.as_of, mind if question.part else ()
                )
                start = part.stop
        if waiting:
            await self._commit(waiting)
        return [answers[at] for at in range(len(questions))]

    async def _rows(self, live: Live, rows: list[Asked]) -> Answer:
        pasts, as_of = await self._look(live, rows)
        numbers = live.definition.numbers
        matrix = np.frombuffer(
            b"".join([numbers(row.values, past) for row, past in zip(rows, pasts, strict=True)]), np.float32
        ).reshape(len(rows), -1)
        scores = [live.calibrate(margin) for margin in live.margins(matrix)]
        predictions = [
            self._prediction(live, *each, as_of is not None)
            for each in zip(rows, pasts, scores, _ids(len(rows)), strict=True)
        ]
        self.metrics.answered(predictions)
        return Answer(predictions, matrix, as_of, self._records(live, rows, predictions, matrix, as_of))

    async def _commit(self, records: list[dict[str, Any]]) -> None:
        """In a thread where the disk is slow, so that others are read meanwhile; where it is quick that costs more."""
        begun = time.perf_counter()
        if self._slow > THREAD:
            await asyncio.to_thread(self.journal.append, records)
        else:
            self.journal.append(records)
        self._slow += (time.perf_counter() - begun - self._slow) / 16

    async def _look(self, live: Live, rows: list[Asked]) -> tuple[list[dict[str, Past]], str | None]:
        """The pasts of each row by word; when they cannot be had, as if nobody were known."""
        words = live.definition.history
        asked = {word: list(dict.fromkeys(row.entities[word] for row in rows)) for word in words}
        pasts = self.pasts
        try:
            if pasts is None:
                raise HistoryError("no history was published")
            pasts.want(words)
            found = await asyncio.to_thread(pasts.look, asked) if self.remote else pasts.look(asked)
        except (HistoryError, Refused):
            self.metrics.history_down.inc(len(rows))
            return [{}] * len(rows), None
        by = {word: dict(zip(asked[word], found[word], strict=True)) for word in words}
        return [{word: by[word][row.entities[word]] for word in words} for row in rows], pasts.as_of

    def _prediction(
        self, live: Live, row: Asked, past: dict[str, Past], score: float, id: str, there: bool
    ) -> Prediction:
        who = live.inputs.word
        known: Known = "down" if not there else "known" if who in past and past[who].days else "unknown"
        unknown = row.unknown
        if there and len(past) > 1:
            strange = [live.definition.history[word] for word, found in past.items() if word != who and not found.days]
            unknown = [*unknown, *(name for name in strange if row.values[name] is not None)]
        return Prediction(id, score, self.bands.of(score), score >= live.threshold, known, unknown, [])

    def _records(
        self, live: Live, rows: list[Asked], predictions: list[Prediction], matrix: Array, as_of: str | None
    ) -> list[dict[str, Any]]:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        who, hide, key = live.inputs.who, live.inputs.hidden, self._key
        return [
            lines.record(
                live.answering,
                id=said.id,
                at=at,
                who=None if (name := row.values[who]) is None else lines.keyed(name, key),
                input=lines.given(row.values, hide, who, key),
                features=features,
                score=said.probability,
                band=said.band,
                history_as_of=as_of,
                history=said.history,
            )
            for row, said, features in zip(rows, predictions, matrix.tolist(), strict=True)
        ]


def _ids(count: int) -> list[str]:
    """Ids that nobody guesses, the later the larger."""
    now, draw = f"{time.time_ns() // 1_000_000:012x}", os.urandom(10 * count).hex()
    return [now + draw[start : start + 20] for start in range(0, 20 * count, 20)]
