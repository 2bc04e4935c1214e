"""Sources that can be paused, and what tests ask of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import reactivex
from reactivex import abc

from rxwizard.demand import BoundedSubscriber, push_batches

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

T = TypeVar("T")


class Numbers(reactivex.Observable[int]):
    """Counts from `start`, a batch a turn of the loop, as a socket would give it.

    Args:
        count: How many numbers; None: without end.
        start: The first one.
        batch: Numbers in one read.
        fails: How many of the first subscriptions end in an OSError rather than in completion.
        leaves_slowly: Turns of the loop that closing it takes.
    """

    def __init__(
        self,
        count: int | None = None,
        *,
        start: int = 0,
        batch: int = 8,
        fails: int = 0,
        leaves_slowly: int = 0,
    ) -> None:
        super().__init__(self._push)
        self._range = range(start, start + (10**9 if count is None else count))
        self._batch = batch
        self._fails = fails
        self._leaves_slowly = leaves_slowly
        #: Numbers given out, subscriptions, and those of them that are closed again.
        self.given = 0
        self.opened = 0
        self.closed = 0

    @property
    def is_closed(self) -> bool:
        return self.opened == self.closed > 0

    def _push(
        self, observer: abc.ObserverBase[int], _scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return push_batches(self._open, observer)

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[AsyncGenerator[Iterator[int]]]:
        self.opened += 1
        try:
            yield self._batches(self.opened <= self._fails)
        finally:
            for _ in range(self._leaves_slowly):
                await asyncio.sleep(0)
            self.closed += 1

    async def _batches(self, fails: bool) -> AsyncGenerator[Iterator[int]]:
        for at in range(0, len(self._range), self._batch):
            await asyncio.sleep(0)
            yield self._read(self._range[at : at + self._batch])
        if fails:
            message = "reset"
            raise OSError(message)

    def _read(self, numbers: range) -> Iterator[int]:
        for number in numbers:
            self.given += 1
            yield number


async def settle(turns: int = 100) -> None:
    """Let every source go as far as it is let: reading a batch takes one turn of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def read_all(reader: BoundedSubscriber[T], into: list[T] | None = None) -> list[T]:
    """Read to the end; a hang is an error after seconds rather than minutes.

    `into` has what came before an error.
    """
    got = [] if into is None else into
    async with asyncio.timeout(10):
        async for item in reader:
            got.append(item)
    return got
