"""The reasons of predictions, in a thread of their own: TreeSHAP is slow beside a prediction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from rounds.answering import Serve
from rounds.bundle import Bundle
from rounds.reasons import strongest
from serving.batches import Batches
from serving.metrics import Metrics
from serving.predict import Told

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
ROWS = 64


@dataclass(frozen=True)
class Why:
    bundle: Bundle
    matrix: Array


class Explainer:
    """Answers the strongest reasons of each row: those features with the largest SHAP values."""

    def __init__(self, serve: Serve, metrics: Metrics) -> None:
        self.serve, self.metrics = serve, metrics
        self._thread = ThreadPoolExecutor(1, "reasons")
        self._batches: Batches[Why, list[list[Told]]] = Batches(self._work, lambda why: len(why.matrix), ROWS)

    async def reasons(self, bundle: Bundle, matrix: Array) -> list[list[Told]]:
        parts = []
        for start in range(0, len(matrix), ROWS):
            parts += await self._batches.ask(Why(bundle, matrix[start : start + ROWS]))
        return parts

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self, asked: Sequence[Why]) -> list[list[list[Told]]]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._explained, asked)

    def _explained(self, asked: Sequence[Why]) -> list[list[list[Told]]]:
        found: dict[int, list[list[Told]]] = {}
        for bundle in {id(each.bundle): each.bundle for each in asked}.values():
            mine = [(at, each.matrix) for at, each in enumerate(asked) if each.bundle is bundle]
            matrix = np.concatenate([rows for _, rows in mine])
            pushes = bundle.contributions(matrix)
            told = strongest(pushes, matrix, bundle.features, self.serve.words, self.serve.reasons)
            rows = [[Told(reason.text, reason.effect) for reason in row] for row in told]
            for at, part in mine:
                found[at], rows = rows[: len(part)], rows[len(part) :]
        self.metrics.explained.inc(sum(len(each.matrix) for each in asked))
        return [found[at] for at in range(len(asked))]
