"""The hot path: values, histories, features, booster, calibrator, journal; only then is anything answered."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np

from rounds import journal as lines
from rounds.answering import Bands
from rounds.errors import HistoryError, Refused
from rounds.evidence import key_id
from rounds.history import Past
from rounds.journal import Known
from rounds.pasts import Pasts
from serving import lists
from serving.batches import Batches
from serving.inputs import Asked
from serving.metrics import Metrics
from serving.models import Live

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
ROWS = 256  # at once; more of them are a long list, which has a thread to itself
LINES = 2048  # of a long list that are scored and brought to disk at once
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


@dataclass(frozen=True)
class Answer:
    predictions: list[Prediction]
    matrix: Array
    as_of: str | None


class Predictor:
    """Answers questions in batches; whatever was answered has been recorded before."""

    def __init__(self, bands: Bands, journal: Recorder, key: bytes, metrics: Metrics) -> None:
        self.bands, self.journal, self.metrics = bands, journal, metrics
        self.pasts: Pasts | None = None
        self.remote = False  # whether a look at the histories may block
        self._key, self._slow = key, 0.0
        self._key_id = key_id(key)
        self._list = asyncio.Lock()  # one list at a time, so that single questions wait for one thread and not for ten
        self._batches: Batches[Question, Answer] = Batches(self._work, lambda question: len(question.rows), ROWS)

    async def answer(self, question: Question) -> Answer:
        """A long list goes through in parts, all of them by one model."""
        rows, live = question.rows, question.live
        if len(rows) <= ROWS:
            return await self._batches.ask(question)
        predictions: list[Prediction] = []
        parts, as_of = [], None
        for start in range(0, len(rows), LINES):
            async with self._list:
                answer = await asyncio.to_thread(_uncollected, self._part, live, rows[start : start + LINES])
            self.metrics.answered(answer.predictions, live.card.version)
            if answer.as_of is None and live.definition.history:
                self.metrics.history_down.inc(len(answer.predictions))
            predictions += answer.predictions
            parts.append(answer.matrix)
            as_of = answer.as_of
        return Answer(predictions, np.concatenate(parts), as_of)

    def _part(self, live: Live, rows: Sequence[Any]) -> Answer:
        """Some rows of a long list, answered and on disk."""
        found = lists.score(live, rows, self.pasts)
        strange, there, who = lists.unknown(live, found), found.as_of is not None, live.inputs.word
        bands, line, none = self.bands.of, live.threshold, list[Any]()  # which is every row's, and nobody adds to it
        known = found.known.get(who, [False] * len(rows))
        predictions = [
            Prediction(
                id,
                score,
                bands(score),
                score >= line,
                seen(live, there, is_known),
                strange.get(at, none),
                none,
            )
            for at, (id, score, is_known) in enumerate(zip(_ids(len(rows)), found.scores, known, strict=True))
        ]
        name, hide = live.inputs.who, live.inputs.hidden
        given = lines.columns_given(found.values, hide, name, self._key)
        records = self._records(live, found.values[name], given, predictions, found.matrix, found.as_of)
        self.journal.append(records)
        return Answer(predictions, found.matrix, found.as_of)

    async def _work(self, questions: Sequence[Question]) -> list[Answer]:
        """A model at a time: while one takes over from another, both may have questions."""
        answers: dict[int, Answer] = {}
        waiting: list[dict[str, Any]] = []
        for live in dict.fromkeys(question.live for question in questions):
            mine = [(at, question) for at, question in enumerate(questions) if question.live is live]
            rows = [live.inputs.ready(row) for _, question in mine for row in question.rows]
            (answer, records), start = await self._rows(live, rows), 0
            waiting += records
            for at, question in mine:
                part = slice(start, start + len(question.rows))
                answers[at] = Answer(answer.predictions[part], answer.matrix[part], answer.as_of)
                start = part.stop
        await self._commit(waiting)
        return [answers[at] for at in range(len(questions))]

    async def _rows(self, live: Live, rows: list[Asked]) -> tuple[Answer, list[dict[str, Any]]]:
        """The answers, and their records, which are not on disk yet."""
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
        self.metrics.answered(predictions, live.card.version)
        name, hide = live.inputs.who, live.inputs.hidden
        given = [lines.given(row.values, hide, name, self._key) for row in rows]
        records = self._records(live, [row.values[name] for row in rows], given, predictions, matrix, as_of)
        return Answer(predictions, matrix, as_of), records

    async def _commit(self, records: list[dict[str, Any]]) -> None:
        """In a thread where the disk is slow, so that others are read meanwhile; where it is quick that costs more."""
        if self._slow > THREAD:
            await asyncio.to_thread(self._append, records)
        else:
            self._append(records)

    def _append(self, records: list[dict[str, Any]]) -> None:
        """What a thread has to wait for before and after is not the disk's time."""
        begun = time.perf_counter()
        self.journal.append(records)
        self._slow += (time.perf_counter() - begun - self._slow) / 16

    async def _look(self, live: Live, rows: list[Asked]) -> tuple[list[dict[str, Past]], str | None]:
        """The pasts of each row by word; when they cannot be had, as if nobody were known."""
        words = live.definition.history
        if not words:
            return [{}] * len(rows), None
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
        known = seen(live, there, bool(who in past and past[who].days))
        unknown = row.unknown
        if there and len(past) > 1:
            strange = [live.definition.history[word] for word, found in past.items() if word != who and not found.days]
            unknown = [*unknown, *(name for name in strange if row.values[name] is not None)]
        return Prediction(id, score, self.bands.of(score), score >= live.threshold, known, unknown, [])

    def _records(
        self,
        live: Live,
        whose: Iterable[str | None],
        given: Iterable[dict[str, Any]],
        predictions: list[Prediction],
        matrix: Array,
        as_of: str | None,
    ) -> list[dict[str, Any]]:
        at, key = datetime.now(UTC).isoformat(timespec="milliseconds"), self._key
        return [
            lines.record(
                live.answering,
                id=said.id,
                at=at,
                key=self._key_id,
                who=None if name is None else lines.keyed(name, key),
                input=input,
                features=features,
                score=said.probability,
                band=said.band,
                history_as_of=as_of,
                history=said.history,
            )
            for name, input, said, features in zip(whose, given, predictions, matrix.tolist(), strict=True)
        ]


def seen(live: Live, there: bool, is_known: bool) -> Known:
    """Whether the history of a row was looked up and found."""
    if not live.definition.history:
        return "none"
    if not there:
        return "down"
    return "known" if is_known else "unknown"


def _uncollected(work: Callable[[Live, Sequence[Any]], Answer], live: Live, rows: Sequence[Any]) -> Answer:
    """A part makes thousands of objects in no circle; walking over them again and again takes a quarter of its time."""
    gc.disable()
    try:
        return work(live, rows)
    finally:
        gc.enable()


def _ids(count: int) -> list[str]:
    """Ids that nobody guesses, the later the larger."""
    now, draw = f"{time.time_ns() // 1_000_000:012x}", os.urandom(10 * count).hex()
    return [now + draw[start : start + 20] for start in range(0, 20 * count, 20)]
