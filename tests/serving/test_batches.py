"""Batches: nobody waits for others to come, all who came meanwhile go together, and a fault reaches who asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from serving.batches import Batches


class Work:
    """Doubles; each batch waits for `go`."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()

    async def __call__(self, asked: Sequence[int]) -> list[int]:
        self.batches.append(list(asked))
        await self.go.wait()
        if 13 in asked:
            raise ValueError("thirteen")
        return [2 * each for each in asked]


async def turns(number: int = 10) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_what_comes_during_a_batch_forms_the_next() -> None:
    async def scene() -> None:
        work = Work()
        batches: Batches[int, int] = Batches(work, lambda _: 1, 100)
        first = batches.ask(1)
        await turns()
        later = [batches.ask(number) for number in (2, 3)]
        await turns()
        assert work.batches == [[1]]
        work.go.set()
        assert [await each for each in (first, *later)] == [2, 4, 6]
        assert work.batches == [[1], [2, 3]]

    asyncio.run(scene())


def test_who_asks_again_at_once_is_in_the_next_batch() -> None:
    """Its answer goes out in one turn of the event loop, its question is read in the second and put in the third."""

    async def scene() -> None:
        work = Work()
        batches: Batches[int, int] = Batches(work, lambda _: 1, 100)
        first = batches.ask(1)
        await turns()
        second = batches.ask(2)
        work.go.set()
        await first
        await turns(1)
        assert await asyncio.gather(batches.ask(3), second) == [6, 4]
        assert work.batches == [[1], [2, 3]]

    asyncio.run(scene())


def test_a_batch_holds_no_more_than_its_weight_but_always_one() -> None:
    async def scene() -> None:
        work = Work()
        work.go.set()
        batches: Batches[int, int] = Batches(work, lambda weight: weight, 5)
        await asyncio.gather(*(batches.ask(number) for number in (2, 3, 1, 9, 4)))
        assert work.batches == [[2, 3], [1], [9], [4]]

    asyncio.run(scene())


def test_a_fault_reaches_all_of_its_batch_and_nobody_else() -> None:
    async def scene() -> None:
        work = Work()
        work.go.set()
        batches: Batches[int, int] = Batches(work, lambda _: 1, 2)
        asked = [batches.ask(number) for number in (13, 1, 2)]
        for each in asked[:2]:
            with pytest.raises(ValueError, match="thirteen"):
                await each
        assert await asked[2] == 4
        assert await batches.ask(5) == 10

    asyncio.run(scene())


def test_who_went_away_is_not_worked_for() -> None:
    async def scene() -> None:
        work = Work()
        work.go.set()
        batches: Batches[int, int] = Batches(work, lambda _: 1, 10)
        gone, stays = batches.ask(1), batches.ask(2)
        gone.cancel()
        assert await stays == 4
        assert work.batches == [[2]]

    asyncio.run(scene())
