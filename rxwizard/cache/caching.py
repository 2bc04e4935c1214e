"""Where a stream meets a cache: it is looked up first, and stored in the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from rxwizard.cache.entries import Entry
from rxwizard.cache.replaying import Replay
from rxwizard.cache.writing import EntryWriter
from rxwizard.chunks import StreamChunk
from rxwizard.demand.gate import run_on, running_loop

if TYPE_CHECKING:
    from rxwizard.cache.protocol import Cache
    from rxwizard.stream import Stream

_log = logging.getLogger(__name__)

#: The tasks that run, which the loop itself does not keep.
_running: set[asyncio.Task[None]] = set()


def cached(
    cache: Cache, key: str | Callable[[], str], source: Stream[StreamChunk]
) -> Stream[StreamChunk]:
    """Make a stream that is played from the cache where its answer is there, else from `source`.

    Each subscription looks it up. Where the answer is there, nothing is asked for: its chunks come
    again, at the cache's pace, and can be paused as those of a socket. `seq` counts from 0, `at` is
    now, `chunk.source` has `from_cache` and the provider's ids of that time; `usage` is what was
    reported, and paid, then.

    Where it is not, `source` is subscribed to and passes through as it is. With its final chunk the
    answer is stored, unless the cache finds it too large: as one epoch, without warnings,
    retractions and heartbeats. Completion waits until it is stored, so that who asks next finds it.
    Not stored is what failed, was left before its final chunk, was not `complete`, or was ended by
    a filter, a pause or a failure of the provider's.

    The same request twice at the same time is two requests: the second one does not wait for what
    the first one may bring. For that there is `share`.

    A cache that fails is logged, and then it is as if there were none.

    Args:
        cache: Where to look, and to store.
        key: What stands for the request, as `request_key` makes it; or what makes it, which is
            called at each subscription.
        source: Asks the provider.
    """

    def caching(source: Observable[StreamChunk]) -> Observable[StreamChunk]:
        def subscribe(
            observer: abc.ObserverBase[StreamChunk], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return Disposable(_Answer(cache, key, source, observer, scheduler).leave)

        return Observable(subscribe)

    return source.pipe(caching)


class _Answer:
    """One subscription."""

    def __init__(
        self,
        cache: Cache,
        key: str | Callable[[], str],
        source: Observable[StreamChunk],
        observer: abc.ObserverBase[StreamChunk],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._cache = cache
        self._key = key
        self._source = source
        self._observer = observer
        self._scheduler = scheduler
        self._loop = running_loop()
        self._giver = SingleAssignmentDisposable()
        # It inherits for whom this is, as whatever is subscribed in it does.
        self._task = _start(self._loop, self._begin())

    def leave(self) -> None:
        run_on(self._loop, self._leave)

    def _leave(self) -> None:
        self._giver.dispose()
        # Left by who was given something inside of it, it is at its end anyway.
        if asyncio.current_task() is not self._task:
            self._task.cancel()

    async def _begin(self) -> None:
        observer = self._observer
        try:
            found = await self._found()
            if isinstance(found, Replay):
                self._giver.disposable = found.push(observer)
                return
            if found is not None:
                observer = found
            self._giver.disposable = self._source.subscribe(
                observer.on_next,
                observer.on_error,
                observer.on_completed,
                scheduler=self._scheduler,
            )
        except Exception as error:  # a source's own, at its subscription
            observer.on_error(error)

    async def _found(self) -> Replay | _Storing | None:
        """Give what plays the answer, or what stores it; None where the cache does not work."""
        requested_at = self._loop.time()
        cache = self._cache
        try:
            key = self._key if isinstance(self._key, str) else self._key()
            data = await cache.get(key)
            if data is not None and (entry := Entry.load(data)) is not None:
                return Replay(entry, cache.pace, requested_at)
            return _Storing(cache, key, self._observer)
        except Exception as error:  # whatever a user's own cache may raise
            _log.warning("an answer cannot be looked up in the cache: %s", error)
            return None


class _Storing(abc.ObserverBase[StreamChunk]):
    """Passes an answer on, and stores it when it is whole."""

    def __init__(self, cache: Cache, key: str, observer: abc.ObserverBase[StreamChunk]) -> None:
        self._cache = cache
        self._key = key
        self._observer = observer
        self._emit = observer.on_next
        self._writer = EntryWriter(cache.max_entry_bytes)
        self._write = self._writer.add
        self._stored: asyncio.Task[None] | None = None

    def on_next(self, value: StreamChunk) -> None:
        self._write(value)
        # First, because who reads it may leave with it, and close the cache.
        if value.is_final and (entry := self._writer.finish()) is not None:
            self._store(entry)
        self._emit(value)

    def on_error(self, error: Exception) -> None:
        self._observer.on_error(error)

    def on_completed(self) -> None:
        if self._stored is None or self._stored.done():
            self._observer.on_completed()
        else:
            self._stored.add_done_callback(lambda _: self._observer.on_completed())

    def _store(self, entry: bytes) -> None:
        try:
            storing = self._cache.put(self._key, entry)
        except Exception as error:  # whatever a user's own cache may raise
            _cannot_store(error)
        else:
            self._stored = _start(running_loop(), _wait_for(storing))


async def _wait_for(storing: Awaitable[None]) -> None:
    try:
        await storing
    except Exception as error:
        _cannot_store(error)


def _cannot_store(error: Exception) -> None:
    _log.warning("an answer cannot be stored in the cache: %s", error)


def _start(
    loop: asyncio.AbstractEventLoop, work: Coroutine[object, object, None]
) -> asyncio.Task[None]:
    task = loop.create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
