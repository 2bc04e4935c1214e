"""Answers that say when they were asked for, and a line of requests in simulated time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from reactivex import Observable

from rxwizard import ChunkKind, ChunkSource, RateLimit, StreamChunk, TokenUsage
from rxwizard.demand import push_batches

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from rxwizard.admission import RateLimiter
    from rxwizard.admission.limiter import Ticket


def start(**limits: RateLimit) -> StreamChunk:
    source = ChunkSource(rate_limit=limits or None)
    return StreamChunk(kind=ChunkKind.START, source=source)


def final(tokens: int | None = None) -> StreamChunk:
    usage = None if tokens is None else TokenUsage(total_tokens=tokens)
    return StreamChunk(kind=ChunkKind.FINAL, is_final=True, usage=usage)


WORD = StreamChunk(text="word ")


class Answer(Observable[StreamChunk]):
    """Gives its chunks, one every so many seconds, and then its end. Like all of ours, it pauses.

    Args:
        chunks: What it gives; a number is so many words.
        error: How it ends, if not well.
        seconds: From one chunk to the next, and from the request to the first.
    """

    def __init__(
        self, *chunks: StreamChunk | int, error: Exception | None = None, seconds: float = 0.0
    ) -> None:
        super().__init__(self._push)
        self._chunks = chunks
        self._error = error
        self._seconds = seconds
        #: When it was asked for, in the loop's seconds, and how often it was closed.
        self.asked: list[float] = []
        self.closed = 0
        self.given = 0

    def _push(self, observer: Any, _scheduler: Any = None) -> Any:
        self.asked.append(asyncio.get_running_loop().time())
        return push_batches(self._open, observer)

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[AsyncGenerator[Iterator[StreamChunk]]]:
        try:
            yield self._batches()
        finally:
            self.closed += 1

    async def _batches(self) -> AsyncGenerator[Iterator[StreamChunk]]:
        for piece in self._chunks:
            chunks = [piece] if isinstance(piece, StreamChunk) else itertools.repeat(WORD, piece)
            await asyncio.sleep(self._seconds)
            yield self._read(chunks)
        await asyncio.sleep(self._seconds)
        if self._error is not None:
            raise self._error

    def _read(self, chunks: Any) -> Iterator[StreamChunk]:
        for chunk in chunks:
            self.given += 1
            yield chunk


class Line:
    """Requests that stand in a limiter's line, each with a timer of its own, in simulated time."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self.now = 0.0
        #: The time and the number of each that was admitted, in this order.
        self.admitted: list[tuple[float, int]] = []
        self.tickets: dict[int, Ticket] = {}
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._events, (seconds, next(self._count), action))

    def join(self, number: int, tokens: float = 0, *, at: float = 0.0) -> None:
        def look() -> None:
            ticket = self.tickets[number]
            if ticket.state != "waiting":
                return
            seconds = self.limiter.admit(ticket, self.now)
            if seconds:
                self.at(self.now + seconds, look)
            else:
                self.admitted.append((self.now, number))

        def begin() -> None:
            self.tickets[number] = self.limiter.join(tokens, lambda: self.at(self.now, look))
            look()

        self.at(at, begin)

    def leave(self, number: int, *, at: float) -> None:
        self.at(at, lambda: self.limiter.leave(self.tickets[number], self.now))

    def settle(self, number: int, tokens: float, *, at: float) -> None:
        self.at(at, lambda: self.limiter.settle(self.tickets[number], tokens, self.now))

    def run(self) -> list[tuple[float, int]]:
        """Let time run out; give who was admitted, and when."""
        for _ in range(100_000):
            if not self._events:
                return self.admitted
            self.now, _, action = heapq.heappop(self._events)
            action()
        raise AssertionError("somebody waits for ever")
