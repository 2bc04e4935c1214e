"""The stream: an Observable that can also be iterated, awaited and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Literal, TypeVar, cast, overload

from reactivex import ConnectableObservable, Observable, abc
from reactivex.disposable import Disposable
from reactivex.internal.exceptions import SequenceContainsNoElementsError

from rxwizard.chunks import ChunkKind, StreamChunk
from rxwizard.config import StreamingConfig
from rxwizard.demand import (
    BlockingIterator,
    BoundedSubscriber,
    LoopScheduler,
    OnStall,
    Overflow,
    Subscriber,
    Subscription,
    sharing,
    subscribe_with,
)

T_co = TypeVar("T_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")

Subscribe = Callable[[abc.ObserverBase[Any], abc.SchedulerBase | None], abc.DisposableBase]

#: What a chunk counts beside its text where a bound is in bytes: the measured size of the object.
_CHUNK_BYTES = 1024


class Stream(Observable[T_co]):
    """A cold observable of an answer, and an async iterable of the same.

    Nothing is sent before it is subscribed to or iterated, and each time is a request of its own::

        async for chunk in stream: ...                      # pull: a slow body pauses the socket
        async for item in stream.pipe(ops.text()): ...      # compose: still pulls, still bounded
        stream.subscribe(print)                             # push: as with any Observable

    `pipe`, and with it the fluent methods, give a Stream again. Leaving the loop by ``break``,
    ``return``, an exception or cancellation, or disposing of the subscription, closes the
    connection at once. Subscribe where an event loop is running.

    Raises while iterating:
        WizardError: The stream failed; `partial` is what had arrived.
    """

    def __init__(self, subscribe: Subscribe, config: StreamingConfig | None = None) -> None:
        super().__init__(cast("Any", subscribe))
        self._config = config or StreamingConfig()

    @classmethod
    def of(cls, source: Observable[A], config: StreamingConfig | None = None) -> Stream[A]:
        """Make a stream of any Observable: the same, but it can be iterated and awaited.

        Args:
            source: What it gives; one that cannot be paused can outrun its reader.
            config: How much may wait; None: the defaults.
        """
        if isinstance(source, Stream):
            return source
        # Its core rather than its subscribe(): a layer less for each item.
        core: Subscribe = cast("Any", source)._subscribe_core  # noqa: SLF001
        return Stream[A](core, config)

    # -- reading -------------------------------------------------------------------------------

    def __aiter__(self) -> BoundedSubscriber[T_co]:
        reader = self._reader()
        reader.end_with_its_task()
        return reader

    def bounded(
        self,
        capacity: int | None = None,
        overflow: Overflow | str = Overflow.PAUSE,
        *,
        merge: Callable[[Any, Any], Any] | None = None,
        weigh: Callable[[Any], int] | None = None,
        max_weight: int | None = None,
        low: int | None = None,
        name: str = "reader",
    ) -> BoundedSubscriber[T_co]:
        """Subscribe now, and read with ``async for`` under a bound and a policy of its own.

        Args:
            capacity: Items that may wait; None: the stream's `StreamingConfig.buffer_size`.
            overflow: What happens to an item that finds the reader full.
            merge: With COALESCE: makes one item of two neighbours; by default, text is joined.
            weigh: Gives an item's weight; by default, its characters.
            max_weight: Weight that may wait in all; None: no bound by weight, and with COALESCE
                65,536.
            low: Waiting items at which a held source is released; None: a quarter.
            name: What the reader is called where a message names it.

        Raises:
            ConfigError: The capacity is below 1, or there is no such policy.
        """
        reader: BoundedSubscriber[T_co] = BoundedSubscriber(
            self._config.buffer_size if capacity is None else capacity,
            overflow=overflow,
            merge=merge or join_text,
            weigh=weigh or weight_in_characters,
            max_weight=max_weight,
            low=low,
            name=name,
        )
        return reader.attach(self)

    @asynccontextmanager
    async def open(
        self, capacity: int | None = None, overflow: Overflow | str = Overflow.PAUSE, **options: Any
    ) -> AsyncGenerator[BoundedSubscriber[T_co]]:
        """Do as `bounded`, and on leaving wait until the connection is closed.

        The way to go where it matters on other Pythons than CPython, too.
        """
        async with self.bounded(capacity, overflow, **options) as reader:
            yield reader

    def subscribe_with(
        self,
        subscriber: Subscriber[T_co],
        capacity: int | None = None,
        overflow: Overflow | str = Overflow.PAUSE,
        **options: Any,
    ) -> Subscription:
        """Subscribe with credits: `subscriber` gets what it requests, and no more.

        What is not requested yet waits, up to the capacity, and then pauses the socket.

        Args:
            subscriber: Gets the signals of Reactive Streams; see `Subscriber`.
            capacity: Items that may wait; None: the stream's `StreamingConfig.buffer_size`.
            overflow: What happens to an item that finds no room.
            options: The others of `bounded`.

        Raises:
            ConfigError: The options cannot work.
        """
        options = {"merge": join_text, "weigh": weight_in_characters, **options}
        waiting = self._config.buffer_size if capacity is None else capacity
        return subscribe_with(self, subscriber, waiting, overflow, **options)

    # RxPY's gives an Observable of one list, which `to_list` does as well.
    def to_iterable(  # type: ignore[override]
        self, capacity: int | None = None, overflow: Overflow | str = Overflow.PAUSE, **options: Any
    ) -> BlockingIterator[T_co]:
        """Read from plain synchronous code: a ``for`` loop that blocks while there is nothing.

        The stream runs in a thread of its own; otherwise it is as `bounded`: a slow body pauses the
        socket, and leaving the loop closes the connection.

        Raises:
            ConfigError: The options cannot work.
            RuntimeError: An event loop runs in this thread, which this would block.
        """
        return BlockingIterator(lambda: self.bounded(capacity, overflow, **options))

    # RxPY's knows no gates: one that holds the source behind a clock would not be heard.
    def share(
        self,
        *,
        replay: int | Literal["all"] = 0,
        stall_timeout: float = 30.0,
        on_stall: OnStall | str = OnStall.WARN,
    ) -> Stream[T_co]:
        """Let many readers have one request and its answer; `rxwizard.operators.share` says how.

        Args:
            replay: Items kept for those who join late: none, the last n, or all.
            stall_timeout: Seconds until a reader that keeps the others waiting is stepped in on.
            on_stall: How: "warn", "lossy" or "evict".

        Raises:
            ConfigError: An option cannot work.
        """
        operator = sharing(replay=replay, stall_timeout=stall_timeout, on_stall=on_stall)
        return self.pipe(cast("Callable[[Observable[T_co]], Observable[T_co]]", operator))

    def _reader(self) -> BoundedSubscriber[T_co]:
        if self._config.backpressure:
            return self.bounded()
        reader: BoundedSubscriber[T_co] = BoundedSubscriber(
            _UNBOUNDED,
            overflow=Overflow.ERROR,
            weigh=weight_in_bytes,
            max_weight=self._config.max_ahead,
        )
        return reader.attach(self)

    def __await__(self) -> Generator[Any, None, T_co]:
        """Read to the end and give the last item.

        Raises:
            SequenceContainsNoElementsError: There was none.
        """
        return self._last().__await__()

    async def _last(self) -> T_co:
        last: Any = _NOTHING
        async with self._reader() as reader:
            async for item in reader:
                last = item
        if last is _NOTHING:
            raise SequenceContainsNoElementsError
        return cast("T_co", last)

    # -- being an Observable -------------------------------------------------------------------

    def subscribe(
        self,
        on_next: abc.ObserverBase[T_co] | abc.OnNext[T_co] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Subscribe as to any Observable; a `BoundedSubscriber` is wired to the sources as well.

        Without a scheduler, operators get one that keeps time on the running loop: RxPY's own
        default are threads.
        """
        if isinstance(on_next, BoundedSubscriber):
            reader = cast("BoundedSubscriber[T_co]", on_next)
            return Disposable(reader.attach(self).cancel)
        if scheduler is None:
            try:
                scheduler = LoopScheduler(asyncio.get_running_loop())
            except RuntimeError:
                scheduler = None
        return super().subscribe(on_next, on_error, on_completed, scheduler=scheduler)

    # Narrower than RxPY's on purpose: what is composed of a stream is a Stream.
    @overload  # type: ignore[override]
    def pipe(self) -> Stream[T_co]: ...
    @overload
    def pipe(self, op1: Callable[[Observable[T_co]], Observable[A]], /) -> Stream[A]: ...
    @overload
    def pipe(
        self,
        op1: Callable[[Observable[T_co]], Observable[A]],
        op2: Callable[[Observable[A]], Observable[B]],
        /,
    ) -> Stream[B]: ...
    @overload
    def pipe(
        self,
        op1: Callable[[Observable[T_co]], Observable[A]],
        op2: Callable[[Observable[A]], Observable[B]],
        op3: Callable[[Observable[B]], Observable[C]],
        /,
    ) -> Stream[C]: ...
    @overload
    def pipe(
        self,
        op1: Callable[[Observable[T_co]], Observable[A]],
        op2: Callable[[Observable[A]], Observable[B]],
        op3: Callable[[Observable[B]], Observable[C]],
        op4: Callable[[Observable[C]], Observable[D]],
        /,
    ) -> Stream[D]: ...
    @overload
    def pipe(
        self,
        op1: Callable[[Observable[T_co]], Observable[A]],
        op2: Callable[[Observable[A]], Observable[B]],
        op3: Callable[[Observable[B]], Observable[C]],
        op4: Callable[[Observable[C]], Observable[D]],
        op5: Callable[[Observable[D]], Observable[E]],
        /,
    ) -> Stream[E]: ...
    @overload
    def pipe(
        self,
        op1: Callable[[Observable[T_co]], Observable[A]],
        op2: Callable[[Observable[A]], Observable[B]],
        op3: Callable[[Observable[B]], Observable[C]],
        op4: Callable[[Observable[C]], Observable[D]],
        op5: Callable[[Observable[D]], Observable[E]],
        op6: Callable[[Observable[E]], Observable[F]],
        /,
        *operators: Callable[[Any], Any],
    ) -> Stream[F]: ...
    @overload
    def pipe(self, *operators: Callable[[Any], Any]) -> Stream[Any]: ...
    def pipe(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *operators: Callable[[Any], Any]
    ) -> Any:
        """Compose operators left to right: ours, RxPY's or your own; gives a Stream again."""
        result: Any = super().pipe(*operators)
        composed = result
        if not isinstance(result, Observable) or isinstance(result, Stream | ConnectableObservable):
            return composed
        return Stream.of(composed, self._config)

    # -- in a notebook -------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        """Be shown while it grows, as the last value of a cell; this subscribes to it."""
        import_module(_REPRS).show_here(self)

    def _repr_mimebundle_(self, **_options: object) -> dict[str, Any]:
        bundle: dict[str, Any] = import_module(_REPRS).stream_bundle()
        return bundle


# By its name: whatever shows streams imports this module.
_REPRS = "rxwizard.notebook.reprs"


class _Nothing:
    """Stands for no item, since None may be one."""


_NOTHING = _Nothing()

#: No bound by number, because one by weight is set.
_UNBOUNDED = 2**63 - 1


def join_text(first: Any, second: Any) -> Any:
    """Make one of two neighbouring items: strings, or chunks that bring only text or reasoning.

    Gives None for others: a tool call, a new epoch, another attempt or the final chunk stays what
    it is. The joined chunk has the place and time of the second.
    """
    if isinstance(first, str) and isinstance(second, str):
        return first + second
    if not (isinstance(first, StreamChunk) and isinstance(second, StreamChunk)):
        return None
    same = (
        first.kind is second.kind
        and first.kind in _JOINABLE
        and (first.choice, first.index, first.epoch) == (second.choice, second.index, second.epoch)
        and first.data is second.data is None
        and first.raw is second.raw is None
        and first.finish_reason is second.finish_reason is None
        and (first.source is second.source or first.source == second.source)
    )
    if not same:
        return None
    joined = {
        "text": first.text + second.text,
        "reasoning": first.reasoning + second.reasoning,
        "usage": second.usage or first.usage,
    }
    return second.model_copy(update=joined)


_JOINABLE = {ChunkKind.TEXT, ChunkKind.REASONING, ChunkKind.REFUSAL}


def weight_in_characters(item: Any) -> int:
    """Count the characters of a string or of a chunk; anything else counts one."""
    if isinstance(item, str):
        return len(item)
    if not isinstance(item, StreamChunk):
        return 1
    call = item.tool_call
    return len(item.text) + len(item.reasoning) + (len(call.arguments) if call else 0)


def weight_in_bytes(item: Any) -> int:
    """Estimate an item's memory: its text, four bytes a character, its data, and 1 KiB."""
    own = 4 * weight_in_characters(item)
    if isinstance(item, StreamChunk) and (item.data is not None or item.raw is not None):
        own += len(repr(item.data)) + len(repr(item.raw))
    return _CHUNK_BYTES + own
