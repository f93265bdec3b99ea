"""Who looks into the store for a request: in threads of its own, so that a store that hangs holds up nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from rounds.errors import StoreError

FEW = 4  # at once
SECONDS = 10.0  # after which whoever asked is told that the store is slow

Given = ParamSpec("Given")
Found = TypeVar("Found")


class Clerk:
    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(FEW, "clerk")

    async def ask(self, look: Callable[Given, Found], *given: Given.args, **named: Given.kwargs) -> Found:
        """What the look finds; a StoreError where it takes too long, or waits too long for its turn."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self.work(look, *given, **named)
        except TimeoutError:
            raise StoreError(f"the store did not answer within {SECONDS:g} s.") from None

    async def work(self, look: Callable[Given, Found], *given: Given.args, **named: Given.kwargs) -> Found:
        """The same, for as long as the request may take."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: look(*given, **named))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
