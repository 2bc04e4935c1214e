"""The bounded subscriber: where push becomes pull."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from reactivex import abc

from rxwizard.demand.gate import runs_here
from rxwizard.demand.overflow import Overflow, make_ring
from rxwizard.demand.ring import Ring
from rxwizard.demand.statistics import Statistics
from rxwizard.demand.weighed import Merge, Weigh
from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

    import reactivex

    from rxwizard.demand.gate import Gate

T = TypeVar("T")

#: Seconds after which one who waits for another thread's loop looks whether that still runs.
_LOOK_AGAIN = 0.1


class BoundedSubscriber(abc.ObserverBase[T], AsyncIterator[T], Generic[T]):
    """Read an observable with ``async for``, with a bound on what may wait.

    Its rules, each with the tests that carry its number:

    1. Items come in the order they were pushed, none twice. None is lost but by policy, and then
       `statistics` counts it.
    2. At most ``capacity - 1 + k`` items wait, where one push of a source expands to k; with
       COALESCE one more, because it pauses only where merging ends. With `max_weight`, their weight
       is below that plus the weight of one push. DROP_OLDEST, DROP_NEWEST, LATEST and ERROR stay
       within both bounds. An item that alone is over `max_weight` waits alone.
    3. A reader that is full holds every source above it that can be paused, through any operators.
       It lets go when `low` items are left and a quarter of the weight, when its source ends, and
       when it is cancelled.
    4. Completion and errors come after the items that were pushed before them.
    5. An error is raised to the reader as it is. After the end, reading gives the end again.
    6. It is attached to one source, once. (By ``observable.subscribe(reader)`` it pauses its
       sources too, but only what that returned can dispose of them. How often that is done cannot
       be seen, so it cannot be tested.)
    7. After `cancel` no item is delivered, every held source is released, and what `attach`
       subscribed is disposed of. Calling it again does nothing; any thread may.
    8. Leaving its ``async for``, and dropping it, cancels it: on CPython at once, when the last
       reference goes; elsewhere with ``async with``, which everywhere waits until the source is
       closed. A wait that is cancelled (polling, ``wait_for(anext(reader), 1)``) does not, and
       loses nothing.
    9. A source that cannot be paused and outruns it is a MissingBackpressureError, never a growing
       queue.
    10. One task reads it at a time: a second one that has to wait gets a RuntimeError. Its sources
        push one at a time, as Rx demands of them; that they do cannot be tested.
    11. `batches` gives the same items as reading one by one, in the same order: what waits, never
        an empty list, and the end after it.
    12. A source shared with others may stop to wait for it, when `share` was told so: then it drops
        what it has no room for and counts it, or ends with a ReaderDeadlineError after what waits.
    13. A function of the user's that fails (`merge`, `weigh`) is this reader's error alone, after
        what waits. The item that it failed for is lost.
    14. Sources may push from any thread, and any thread's loop may read. That no interleaving of
        threads breaks the other rules cannot be tested, only tried.

    Args:
        capacity: Items that may wait, 1 or more.
        overflow: What happens to an item that finds it full.
        merge: With COALESCE: makes one item of two neighbours, or None where they must stay two.
        weigh: Gives an item's weight, in characters or bytes, 0 or more. What is merged weighs what
            its parts did.
        max_weight: Weight that may wait in all, 1 or more; None: no bound by weight, and with
            COALESCE 65,536. LATEST has none.
        low: Waiting items at which a held source is released, from 0 to below the capacity; None: a
            quarter of it, which spreads the cost of a pause over three quarters of the capacity.
        name: What it is called where a message names it.

    Raises:
        ConfigError: The capacity is below 1, or the policy misses what it needs.
    """

    def __init__(
        self,
        capacity: int = 64,
        *,
        overflow: Overflow | str = Overflow.PAUSE,
        merge: Merge[T] | None = None,
        weigh: Weigh[T] | None = None,
        max_weight: int | None = None,
        low: int | None = None,
        name: str = "reader",
    ) -> None:
        #: What waits, for those who build on it.
        self.ring: Ring[T] = make_ring(
            capacity,
            overflow,
            merge=merge,
            weigh=weigh,
            max_weight=max_weight,
            low=low,
            name=name,
        )
        self._attached = False
        # RxPY takes the bound methods of an observer. They must be the ring's: the chain refers to
        # them, and if it referred to this object, dropping this object would go unnoticed.
        vars(self).update(
            on_next=self.ring.on_next,
            on_error=self.ring.on_error,
            on_completed=self.ring.on_completed,
        )

    def attach(self, source: reactivex.Observable[T]) -> Self:
        """Subscribe to `source`, such that its sources know for whom they work.

        Raises:
            RuntimeError: It has a source already.
        """
        if self._attached:
            message = "a bounded subscriber is subscribed once; make another one"
            raise RuntimeError(message)
        self._attached = True
        self.ring.attach(source)
        return self

    def on_next(self, value: T) -> None:
        """Take an item that is pushed."""
        self.ring.on_next(value)

    def on_error(self, error: Exception) -> None:
        """Take the source's error; it is raised to the reader after what waits."""
        self.ring.on_error(error)

    def on_completed(self) -> None:
        """Take the source's completion; reading ends after what waits."""
        self.ring.on_completed()

    def __aiter__(self) -> AsyncIterator[T]:
        """Begin a loop; leaving it, however that happens, cancels this reader."""
        return _Loop(self, self.ring.take)

    def __anext__(self) -> Awaitable[T]:
        # The ring's own coroutine, without a frame that refers to this object: a traceback kept
        # after a cancellation would keep the source open.
        return self.ring.take()

    def batches(self, most: int = sys.maxsize) -> AsyncIterator[list[T]]:
        """Begin a loop over all that waits at a time, up to `most` items; leaving it cancels.

        ``async for batch in reader.batches()`` costs less than an item at a time, and suits what is
        cheaper done in one go: a write to disk, a repaint.

        Raises:
            ConfigError: `most` is below 1.
        """
        if most < 1:
            message = f"batches of {most} items cannot work; it must be 1 or more"
            raise ConfigError(message)
        ring = self.ring
        return _Loop(self, lambda: ring.take_batch(most))

    def end_with_its_task(self) -> None:
        """Have it cancelled with the task that waits for its next item."""
        self.ring.ends_with_its_task = True

    def statistics(self) -> Statistics:
        """Say what has happened so far."""
        return self.ring.statistics()

    def cancel(self) -> None:
        """Close the source at once and forget what waits. Idempotent, from any thread."""
        self.ring.cancel()

    async def aclose(self) -> None:
        """Cancel, and wait until the sources have freed what they held. From any loop."""
        gates = self.ring.group.gates
        loop = self.ring.loop
        self.ring.cancel()
        if runs_here(loop):
            await _wait_closed(gates)
        elif loop.is_running():
            await _wait_elsewhere(_wait_closed(gates), loop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        ring: Ring[Any] | None = getattr(self, "ring", None)
        if ring is not None:
            ring.cancel()


class _Loop(AsyncIterator[T]):
    """One ``async for`` over a reader. Only the loop has it, so it goes when the loop ends.

    It keeps the reader: in ``async for item in stream.bounded()`` nobody else does.
    """

    __slots__ = ("_reader", "_take")

    def __init__(self, reader: BoundedSubscriber[Any], take: Callable[[], Awaitable[T]]) -> None:
        self._reader = reader
        self._take = take

    def __anext__(self) -> Awaitable[T]:
        return self._take()

    def __del__(self) -> None:
        self._reader.cancel()


async def _wait_closed(gates: Iterable[Gate]) -> None:
    for gate in gates:
        # One that is still open goes on for others: the reader had a branch of a shared source.
        if gate.closed:
            await gate.wait_finished()


async def _wait_elsewhere(
    waiting: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> None:
    """Wait in another thread's loop, for as long as that runs."""
    try:
        waited = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(waiting, loop))
    except RuntimeError:  # closed meanwhile
        waiting.close()
        return
    while loop.is_running() and not waited.done():
        # A loop that ends forgets what it was asked last, without a word.
        await asyncio.wait([waited], timeout=_LOOK_AGAIN)
