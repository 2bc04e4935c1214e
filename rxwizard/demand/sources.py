"""Sources that can be paused, made of what a program has at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from inspect import isasyncgen
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from reactivex import Observable

from rxwizard.demand.pump import push_batches

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reactivex import abc

    from rxwizard.demand.pump import Batches

T = TypeVar("T")

#: Most items that are pushed before others have their turn of the loop.
_TURN = 64


def from_iterable(items: Iterable[T]) -> Observable[T]:
    """Make an observable of an iterable, which is asked for an item when there is room for it.

    RxPY's pushes all of them at the moment of the subscription, and cannot be paused; here a
    million are as good as ten.

    Each subscription begins a new iteration, so an iterator serves one. An exception of the
    iterable ends the stream as an error. After disposing it is asked for nothing more.
    """

    @asynccontextmanager
    async def opened() -> AsyncGenerator[AsyncGenerator[Iterator[T]]]:
        async with aclosing(_turns(iter(items))) as turns:
            yield turns

    return _pumped(opened)


def from_async_iterable(items: AsyncIterable[T]) -> Observable[T]:
    """Make an observable of an asynchronous iterable, which is asked while there is room.

    Each subscription begins a new iteration, so an asynchronous generator serves one. An exception
    of the iterable ends the stream as an error. Disposing cancels the wait for an item and closes
    the iteration; an iterator that was handed over (other than a generator) is left as it is.
    """

    @asynccontextmanager
    async def opened() -> AsyncGenerator[AsyncGenerator[tuple[T]]]:
        iterator = aiter(items)
        is_ours = iterator is not items or isasyncgen(items)
        try:
            async with aclosing(_one_by_one(iterator)) as batches:
                yield batches
        finally:
            if is_ours:
                await _close(iterator)

    return _pumped(opened)


def _pumped(opened: Batches[T]) -> Observable[T]:
    def subscribe(
        observer: abc.ObserverBase[T], _scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return push_batches(opened, observer)

    return Observable(subscribe)


async def _close(iterator: object) -> None:
    # Left to the garbage collector, a generator would be closed at some later time.
    aclose: Callable[[], Awaitable[None]] | None = getattr(iterator, "aclose", None)
    if aclose is not None:
        await aclose()


async def _turns(iterator: Iterator[T]) -> AsyncGenerator[Iterator[T]]:
    is_left = True

    def turn() -> Iterator[T]:
        nonlocal is_left
        yield from islice(iterator, _TURN - 1)
        for item in iterator:
            yield item
            return
        is_left = False

    while is_left:
        yield turn()
        await asyncio.sleep(0)


async def _one_by_one(iterator: AsyncIterator[T]) -> AsyncGenerator[tuple[T]]:
    given = 0
    async for item in iterator:
        yield (item,)
        given += 1
        if given % _TURN == 0:
            # It may never wait itself: then it would keep the loop for itself.
            await asyncio.sleep(0)
