"""How a stream flows: shared by many readers, buffered, batched, worked on, within a bound.

Some operators of RxPY keep a queue or a clock of their own, which no reader can hold. Those here do
the same within a bound: they pull what is above them, and hold it while they are full. Each needs a
running event loop, on which it keeps time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from rxwizard.demand import OnStall, Overflow
from rxwizard.demand.batching import lists
from rxwizard.demand.boundary import Inlet, boundary, items, rows
from rxwizard.demand.mapping import mapped
from rxwizard.demand.overflow import checked_policy, make_ring
from rxwizard.demand.share import sharing
from rxwizard.errors import ConfigError
from rxwizard.operators.making import check_count
from rxwizard.operators.taps import check_callable
from rxwizard.operators.timing import check_over_zero
from rxwizard.stream import join_text, weight_in_characters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from reactivex import Observable

    from rxwizard.demand.gate import Gate
    from rxwizard.demand.ring import Ring
    from rxwizard.operators.making import Gathering, Operator, PassThrough

A = TypeVar("A")
B = TypeVar("B")

#: As many as wait for a reader by default.
_FEW = 64


def bounded(
    capacity: int = 64, overflow: Overflow | str = Overflow.PAUSE, **options: Any
) -> PassThrough:
    """Put an asynchronous boundary here, where at most `capacity` items wait.

    What is below runs in later turns of the loop than what is above; while it is slow, and this is
    full, the source is held. In place of RxPY's `observe_on`, whose queue has no bound.

    .. marble::
        -a-b-c---------|
        [  bounded(2)  ]
        -a-b-c---------|

    Emits the items as they came; with a lossy policy those that found room, with COALESCE merged
    ones (text is joined without being told how). The completion or error of the source comes after
    what waits. Disposing closes the source at once and forgets what waits.

    A source that cannot be paused and is further ahead is a MissingBackpressureError.

    Args:
        capacity: Items that may wait here, 1 or more.
        overflow: What happens to an item that finds no room.
        options: The others of `BoundedSubscriber`: merge, weigh, max_weight, low, name.

    Raises:
        ConfigError: The options cannot work.

    Example:
        >>> numbers = rxwizard.from_iterable(range(5))
        >>> list(numbers.pipe(ops.bounded(2)).to_iterable())
        [0, 1, 2, 3, 4]
    """
    options = {"merge": join_text, "weigh": weight_in_characters, "name": "bounded", **options}
    checked_policy(capacity, overflow, **options)

    def make() -> Ring[A]:
        return make_ring(capacity, overflow, **options)

    def between(gate: Gate, ring: Ring[A]) -> AsyncGenerator[Iterable[A]]:
        return items(gate, ring)

    return lambda source: boundary([source], make, between)


def batched(count: int, seconds: float) -> Gathering:
    """Gather items into lists of `count`, or of what has come when `seconds` have passed.

    The time begins with a list's first item, so no list is empty, and nothing happens while nothing
    comes. In place of RxPY's `buffer_with_time`, which ticks also while its reader is full, and
    `buffer_with_time_or_count`.

    .. marble::
        -a-b-c----d------|
        [ batched(3, 5)  ]
        -----x---------y-|

    Emits lists of 1 to `count` items. The completion or error of the source comes after a last list
    of what waits. Disposing closes the source at once and forgets what waits.

    At most `count` items wait here, or 64 where that is more; then the source is held. One that
    cannot be paused may be 4,096 ahead; after that it is a MissingBackpressureError.

    Args:
        count: Most items of a list, 1 or more.
        seconds: Longest time to wait for more of them, over 0.

    Raises:
        ConfigError: A number cannot work.

    Example:
        >>> numbers = rxwizard.from_iterable(range(5))
        >>> list(numbers.pipe(ops.batched(2, seconds=1)).to_iterable())
        [[0, 1], [2, 3], [4]]
    """
    check_count("batched", count=count)
    check_over_zero("batched", seconds=seconds)

    def make() -> Ring[A]:
        # A pause costs some 6 µs, so one should not come with each short list.
        return Inlet(max(count, _FEW), name="batched")

    def between(gate: Gate, ring: Ring[A]) -> AsyncGenerator[Iterable[list[A]]]:
        return lists(gate, ring, count, seconds)

    return lambda source: boundary([source], make, between)


def map_async(
    function: Callable[[A], Awaitable[B]], *, concurrency: int, ordered: bool = True
) -> Operator[A, B]:
    """Give what an asynchronous function makes of each item, with so many at work at a time.

    In place of RxPY's `flat_map` of futures, which starts them all, and of `delay`, which keeps all
    that came: ``map_async(lambda x: asyncio.sleep(1, x), concurrency=n)`` delays within a bound.

    .. marble::
        -a-b-c---------------|
        [map_async(f, concurrency=2)]
        -------A-B---C-------|

    Emits the results in the order of the items, or with ``ordered=False`` as they are done. The
    completion or error of the source comes after what is at work. An exception of the function is
    an error in its item's place; what is at work behind it is cancelled at once. Disposing cancels
    all that is at work, and closes the source.

    At most `concurrency` items are at work, or done and waiting to be taken, and as many wait for
    their turn; then the source is held. One that cannot be paused may be 4,096 ahead; after that it
    is a MissingBackpressureError (`rxwizard.from_iterable` makes one that can).

    Args:
        function: Called with an item in a task of its own; what it reads is its own affair, and
            not held by who reads its results.
        concurrency: Items at work at a time, 1 or more.
        ordered: Whether the results keep the order of the items.

    Raises:
        ConfigError: A number cannot work; as an error of the stream: the function gives nothing
            that can be awaited.

    Example:
        >>> async def double(number):
        ...     return 2 * number
        >>> numbers = rxwizard.from_iterable(range(3))
        >>> list(numbers.pipe(ops.map_async(double, concurrency=2)).to_iterable())
        [0, 2, 4]
    """
    check_count("map_async", concurrency=concurrency)
    check_callable("map_async", "function", function)

    def make() -> Ring[A]:
        return Inlet(concurrency, name="map_async")

    def between(gate: Gate, ring: Ring[A]) -> AsyncGenerator[Iterable[B]]:
        return mapped(gate, ring, function, concurrency, ordered=ordered)

    return lambda source: boundary([source], make, between)


def zip_with(*others: Observable[Any], capacity: int = 64) -> Operator[Any, tuple[Any, ...]]:
    """Pair each item with those of other sources that have the same place.

    In place of RxPY's `zip`, which keeps all that a faster source is ahead: here it is held.

    .. marble::
        -a-b-c---------|
        [ zip_with(d)  ]
        ---x---y---z---|

    Emits tuples while each source has an item, and completion as soon as one of them has no more.
    The error of a source comes after its items, and at once where one of them is waited for.
    Disposing closes all sources at once.

    At most `capacity` items of each source wait; one that cannot be paused and is further ahead is
    a MissingBackpressureError. Two branches of one shared source that are further apart than that
    stand still: one of them holds what the other waits for.

    Args:
        others: The other sources, one or more.
        capacity: Items of each source that may wait, 1 or more.

    Raises:
        ConfigError: The capacity is below 1, or there is no other source.

    Example:
        >>> letters, numbers = rxwizard.from_iterable("ab"), rxwizard.from_iterable(range(9))
        >>> list(letters.pipe(ops.zip_with(numbers)).to_iterable())
        [('a', 0), ('b', 1)]
    """
    checked_policy(capacity, name="zip_with")
    if not others:
        message = "zip_with needs another source"
        raise ConfigError(message)

    def make() -> Ring[Any]:
        return make_ring(capacity, name="zip_with")

    return lambda source: boundary([source, *others], make, rows)


def share(
    *,
    replay: int | Literal["all"] = 0,
    stall_timeout: float = 30.0,
    on_stall: OnStall | str = OnStall.WARN,
) -> PassThrough:
    """Let many readers have one subscription to the source: one request, one answer.

    The source is subscribed to when the first reader comes, and closed when the last one leaves;
    who comes after that begins a new one. It waits for the slowest reader that loses nothing; one
    with a lossy policy slows nobody. An observer that raises is let go alone.

    .. marble::
        -a-b-c---------|
        [   share()    ]
        -a-b-c---------|

    Emits the items, from a reader's joining on. One that joins late gets first what `replay` keeps,
    and the source waits until it has caught up. Completion and errors go to all readers. After
    completion, what is kept is still given to who joins; after an error, who joins begins anew.
    Disposing leaves.

    Reading one branch to its end before another is read at all would stall for ever: the other one
    is full and holds the source. So who holds it and takes nothing for `stall_timeout` seconds,
    while others wait, is named in a warning (logger ``rxwizard.demand.stall``), and by choice put
    out or waited for no more.

    Args:
        replay: Items kept for late readers: none, the last n, or all, up to 131,072; who comes
            after there were more gets a BufferOverflowError.
        stall_timeout: Seconds until a reader counts as standing still, over 0.
        on_stall: What happens then: "warn", "lossy" (it drops what it has no room for) or "evict"
            (it gets a ReaderDeadlineError).

    Raises:
        ConfigError: An option cannot work.

    Example:
        >>> async def read_twice():
        ...     shared = rxwizard.from_iterable(range(3)).pipe(ops.share())
        ...     return await asyncio.gather(shared, shared.pipe(rx.count()))
        >>> asyncio.run(read_twice())
        [2, 3]
    """
    return sharing(replay=replay, stall_timeout=stall_timeout, on_stall=on_stall)
