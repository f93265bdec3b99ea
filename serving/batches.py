"""Batching without waiting: what arrives while one batch is worked on forms the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

# Of the event loop, between two batches: in the first the answers are written, and after it they go out; in the second
# the questions that came meanwhile are read. With fewer the next batch begins with less, and holds up these answers.
TURNS = 3

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Batches(Generic[Question, Answer]):
    """`work` answers some questions at once; a batch holds questions up to a weight, and always one."""

    def __init__(
        self,
        work: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]],
        weight: Callable[[Question], int],
        most: int,
    ) -> None:
        self._work, self._weight, self._most = work, weight, most
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """The first question starts the work when the event loop has read all that has arrived by now."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, future))
        if self._task is None:
            self._task = loop.create_task(self._run())
        return future

    async def _run(self) -> None:
        while self._waiting:
            batch = self._next()
            try:
                answers = await self._work([question for question, _ in batch])
            except Exception as error:  # noqa: BLE001 - it is raised again where each question was asked
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
            for _ in range(TURNS):
                await asyncio.sleep(0)
        self._task = None

    def _next(self) -> list[tuple[Question, asyncio.Future[Answer]]]:
        batch: list[tuple[Question, asyncio.Future[Answer]]] = []
        weight = 0
        while self._waiting:
            question, future = self._waiting[0]
            if future.done():  # whoever asked is gone
                self._waiting.popleft()
                continue
            weight += self._weight(question)
            if batch and weight > self._most:
                break
            batch.append(self._waiting.popleft())
        return batch
