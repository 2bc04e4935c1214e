"""The bounded subscriber: where push becomes pull."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import reactivex
from reactivex import abc

from rxwizard.demand.gate import downstream, pushing
from rxwizard.demand.overflow import (
    CoalesceRing,
    DropNewestRing,
    DropOldestRing,
    ErrorRing,
    Merge,
    Overflow,
    Weigh,
)
from rxwizard.demand.ring import Ring, Statistics
from rxwizard.demand.scheduler import LoopScheduler
from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

T = TypeVar("T")

#: Weight up to which COALESCE merges: some 64 screens of text that nobody has read yet.
MAX_MERGED_WEIGHT = 65_536


class BoundedSubscriber(abc.ObserverBase[T], AsyncIterator[T], Generic[T]):
    """Read an observable with ``async for``, with a bound on what may wait.

    Its rules, each with the tests that carry its number:

    1. Items come in the order they were pushed, none twice. None is lost but by policy, and then
       `statistics` counts it.
    2. At most ``capacity - 1 + k`` items wait, where one push of a source expands to k; with
       COALESCE one more, because it pauses only where merging ends.
    3. A reader that is full holds every source above it that can be paused, through any operators.
       It lets go when a quarter is left, when its source ends, and when it is cancelled.
    4. Completion and errors come after the items that were pushed before them.
    5. An error is raised to the reader as it is. After the end, reading gives the end again.
    6. It is attached to one source, once. (By ``observable.subscribe(reader)`` it pauses its
       sources too, but only what that returned can dispose of them. How often that is done cannot
       be seen, so it cannot be tested.)
    7. After `cancel` nothing more is delivered, every held source is released, and what `attach`
       subscribed is disposed of. Calling it again does nothing; any thread may.
    8. Leaving its ``async for``, and dropping it, cancels it: on CPython at once, when the last
       reference goes; elsewhere with ``async with``, which everywhere waits until the source is
       closed. A wait that is cancelled (polling, ``wait_for(anext(reader), 1)``) does not.
    9. A source that cannot be paused and outruns it is a MissingBackpressureError, never a growing
       queue.
    10. One task reads it at a time: a second one that has to wait gets a RuntimeError. Its sources
        push one at a time, as Rx demands of them; that they do cannot be tested.

    Args:
        capacity: Items that may wait, 1 or more.
        overflow: What happens to an item that finds it full.
        merge: With COALESCE: makes one item of two neighbours, or None where they must stay two.
        weigh: Gives an item's weight, in characters or bytes.
        max_weight: With COALESCE, the weight up to which items are merged; with ERROR, the weight
            that may wait.
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
        name: str = "reader",
    ) -> None:
        self._ring: Ring[T] = _make_ring(capacity, overflow, merge, weigh, max_weight, name)
        self._attached = False
        # RxPY takes the bound methods of an observer. They must be the ring's: the chain refers to
        # them, and if it referred to this object, dropping this object would go unnoticed.
        vars(self).update(
            on_next=self._ring.on_next,
            on_error=self._ring.on_error,
            on_completed=self._ring.on_completed,
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
        # A context of its own: neither leaks what is set here to the caller, nor takes the caller's
        # source for the parent of this one when called from inside a push.
        context = copy_context()
        context.run(downstream.set, self._ring.group)
        context.run(pushing.set, None)
        ring = self._ring
        ring.subscription.disposable = context.run(
            source.subscribe,
            ring.on_next,
            ring.on_error,
            ring.on_completed,
            scheduler=LoopScheduler(ring.loop),
        )
        return self

    def on_next(self, value: T) -> None:
        """Take an item that is pushed."""
        self._ring.on_next(value)

    def on_error(self, error: Exception) -> None:
        """Take the source's error; it is raised to the reader after what waits."""
        self._ring.on_error(error)

    def on_completed(self) -> None:
        """Take the source's completion; reading ends after what waits."""
        self._ring.on_completed()

    def __aiter__(self) -> AsyncIterator[T]:
        """Begin a loop; leaving it, however that happens, cancels this reader."""
        return _Loop(self._ring)

    def __anext__(self) -> Awaitable[T]:
        # The ring's own coroutine, without a frame that refers to this object: a traceback kept
        # after a cancellation would keep the source open.
        return self._ring.take()

    def end_with_its_task(self) -> None:
        """Have it cancelled with the task that waits for its next item."""
        self._ring.ends_with_its_task = True

    def statistics(self) -> Statistics:
        """Say what has happened so far."""
        return self._ring.statistics()

    def cancel(self) -> None:
        """Close the source at once and forget what waits. Idempotent, from any thread."""
        self._ring.cancel()

    async def aclose(self) -> None:
        """Cancel, and wait until the sources have freed what they held."""
        gates = self._ring.group.gates
        self._ring.cancel()
        for gate in gates:
            # One that is still open goes on for others: the reader had a branch of a shared source.
            if gate.closed:
                await gate.wait_finished()

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
        ring: Ring[Any] | None = getattr(self, "_ring", None)
        if ring is not None:
            ring.cancel()


class _Loop(AsyncIterator[T]):
    """One ``async for`` over a reader. Only the loop has it, so it goes when the loop ends."""

    __slots__ = ("_ring",)

    def __init__(self, ring: Ring[T]) -> None:
        self._ring = ring

    def __anext__(self) -> Awaitable[T]:
        return self._ring.take()

    def __del__(self) -> None:
        self._ring.cancel()


def _make_ring(
    capacity: int,
    overflow: Overflow | str,
    merge: Merge[T] | None,
    weigh: Weigh[T] | None,
    max_weight: int | None,
    name: str,
) -> Ring[T]:
    if capacity < 1:
        message = f"{name}: a capacity of {capacity} cannot work; it must be 1 or more"
        raise ConfigError(message)
    try:
        policy = Overflow(overflow)
    except ValueError:
        message = f"there is no overflow policy {overflow!r}; there are: {', '.join(Overflow)}"
        raise ConfigError(message) from None
    match policy:
        case Overflow.PAUSE:
            return Ring(capacity, name=name)
        case Overflow.DROP_OLDEST:
            return DropOldestRing(capacity, name=name)
        case Overflow.LATEST:
            return DropOldestRing(1, name=name)
        case Overflow.DROP_NEWEST:
            return DropNewestRing(capacity, name=name)
        case Overflow.ERROR:
            limit = sys.maxsize if max_weight is None else max_weight
            return ErrorRing(capacity, weigh=weigh, max_weight=limit, name=name)
        case Overflow.COALESCE:
            if merge is None:
                message = f"{name}: coalesce needs a merge function for items of this kind"
                raise ConfigError(message)
            limit = MAX_MERGED_WEIGHT if max_weight is None else max_weight
            return CoalesceRing(
                capacity, merge=merge, weigh=weigh or _unit_weight, max_weight=limit, name=name
            )


def _unit_weight(_item: object) -> int:
    return 1
