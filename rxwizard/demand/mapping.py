"""Work that waits, on several items at a time: what `map_async` does between its two ends."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from contextvars import copy_context
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rxwizard.demand.boundary import is_left
from rxwizard.demand.gate import downstream, pushing, resolve
from rxwizard.errors import ConfigError, StreamInterruptedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator

    from rxwizard.demand.gate import Gate
    from rxwizard.demand.ring import Ring

A = TypeVar("A")
B = TypeVar("B")


async def mapped(
    gate: Gate,
    ring: Ring[A],
    function: Callable[[A], Awaitable[B]],
    concurrency: int,
    *,
    ordered: bool,
) -> AsyncGenerator[Iterable[B]]:
    """Give what `function` makes of the items, up to `concurrency` of them at work at a time.

    What is done and not given yet counts as at work, and a held gate stops new work.
    """
    crew = _Crew(function, concurrency, ordered=ordered)

    def results() -> Iterator[B]:
        while crew.has_result:
            yield crew.result()

    try:
        while True:
            if not gate.holders:
                crew.start(ring.take_waiting(crew.room))
            if crew.has_result or gate.holders:
                yield results()
            elif crew.is_idle:
                if not await is_left(ring):
                    return
            else:
                # Also where the source has failed: what is at work came before that.
                await crew.wait(ring)
    finally:
        await crew.cancel()


class _Crew(Generic[A, B]):
    """The tasks at work, and those that are done and whose results are not given yet."""

    def __init__(
        self, function: Callable[[A], Awaitable[B]], concurrency: int, *, ordered: bool
    ) -> None:
        self._function = function
        self._concurrency = concurrency
        self._ordered = ordered
        self._tasks: set[asyncio.Task[B]] = set()
        #: In the order of their results: that of the items, or of the tasks' ends.
        self._queue: deque[asyncio.Task[B]] = deque()
        self._has_failed = False
        self._arrived: asyncio.Future[None] | None = None
        # What the function reads is its own: not to be held by who reads its results.
        self._context = copy_context()
        self._context.run(downstream.set, None)
        self._context.run(pushing.set, None)

    @property
    def room(self) -> int:
        # Behind a failure nothing is given, so nothing need be begun.
        return 0 if self._has_failed else self._concurrency - len(self._tasks)

    @property
    def is_idle(self) -> bool:
        return not self._tasks

    @property
    def has_result(self) -> bool:
        return bool(self._queue) and self._queue[0].done()

    def result(self) -> B:
        task = self._queue.popleft()
        self._tasks.discard(task)
        if task.cancelled():
            # On its own account. Raised here as it is, it would cancel who asks.
            message = "map_async: the work on an item was cancelled"
            raise StreamInterruptedError(message)
        return task.result()

    def start(self, items: list[A]) -> None:
        loop = asyncio.get_running_loop()
        for item in items:
            task = loop.create_task(self._work(item), context=self._context.copy())
            self._tasks.add(task)
            if self._ordered:
                self._queue.append(task)
            task.add_done_callback(self._over)

    async def _work(self, item: A) -> B:
        work: Any = self._function(item)
        if not inspect.isawaitable(work):
            kind = type(work).__name__
            message = f"map_async needs an asynchronous function, and this one gave a {kind}"
            raise ConfigError(message)
        result: B = await work
        return result

    def _over(self, task: asyncio.Task[B]) -> None:
        if not self._ordered:
            self._queue.append(task)
        if not self._has_failed and (task.cancelled() or task.exception() is not None):
            self._give_up_behind(task)
        if self._arrived is not None:
            resolve(self._arrived)

    def _give_up_behind(self, task: asyncio.Task[B]) -> None:
        """Stop work whose results will not be given: it costs time, and perhaps money."""
        self._has_failed = True
        behind = self._tasks
        if self._ordered:
            behind = {*islice(self._queue, self._queue.index(task), None)}
        for other in behind:
            other.cancel()

    async def wait(self, ring: Ring[A]) -> None:
        """Wait until a task ends, or there is an item for which there is room."""
        self._arrived = asyncio.get_running_loop().create_future()
        wake = partial(resolve, self._arrived)
        if self.room and not ring.ended:
            ring.call_when_ready(wake)
        try:
            await self._arrived
        finally:
            ring.call_off(wake)
            self._arrived = None

    async def cancel(self) -> None:
        """Cancel what is at work, and wait until that has happened."""
        self._has_failed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
