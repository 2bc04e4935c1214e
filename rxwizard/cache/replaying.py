"""A stored answer, played again as a source that can be paused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from rxwizard.chunks import StreamChunk, WizardResponse
from rxwizard.demand import push_batches, pushing
from rxwizard.fold import ResponseBuilder

if TYPE_CHECKING:
    from reactivex import abc

    from rxwizard.cache.entries import Entry
    from rxwizard.cache.protocol import Pace

#: Most chunks that are pushed before others have their turn of the loop.
_TURN = 64


class Replay:
    """One playing of a stored answer: its chunks are pushed while they are asked for.

    At the original pace none comes before its time, which counts from the first one. Those whose
    time came while the reader held them are given when it lets go, as a socket would give them.

    Args:
        entry: The answer.
        pace: How fast.
        requested_at: When it was asked for, in seconds of the loop's clock.
    """

    def __init__(self, entry: Entry, pace: Pace, requested_at: float) -> None:
        self._steps = entry.steps(requested_at)
        self._has_pace = pace == "original"
        self._next = next(self._steps, None)
        self._seq = 0
        self._given = ResponseBuilder()

    def push(self, observer: abc.ObserverBase[StreamChunk]) -> abc.DisposableBase:
        """Push the chunks, and complete; to be called once.

        Returns:
            What stops it, at once and from any thread.
        """
        return push_batches(self._opened, observer)

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[AsyncGenerator[Iterator[StreamChunk]]]:
        if (gate := pushing.get()) is not None:
            gate.evidence = self._partial
        async with aclosing(self._batches()) as batches:
            yield batches

    async def _batches(self) -> AsyncGenerator[Iterator[StreamChunk]]:
        clock = asyncio.get_running_loop().time
        began = clock()
        while self._next is not None:
            due = self._next.after
            if self._has_pace and (wait := began + due - clock()) > 0:
                await asyncio.sleep(wait)
            else:
                # It may never wait itself: then it would keep the loop for itself.
                await asyncio.sleep(0)
            at = clock()
            # A timer may ring a moment too early; the one that was waited for is due.
            yield self._turn(max(due, at - began), at)

    def _turn(self, due: float, at: float) -> Iterator[StreamChunk]:
        """Give the chunks that are due, up to a turn's."""
        end = self._seq + _TURN
        while (step := self._next) is not None and self._seq < end:
            if self._has_pace and step.after > due:
                return
            chunk = step.chunk(self._seq, at)
            self._given.add(chunk)
            self._seq += 1
            self._next = next(self._steps, None)
            yield chunk

    def _partial(self) -> WizardResponse | None:
        return self._given.build() if self._seq else None
