"""What waits for a slow reader, and when it holds its source, over time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from reactivex import Observable, abc

from rxwizard.demand import BoundedSubscriber, Overflow
from rxwizard.errors import ConfigError
from rxwizard.notebook.axis import check_width, seconds
from rxwizard.notebook.backpressure_drawn import draw_backpressure
from rxwizard.notebook.samples import Hold, Sample, Samples
from rxwizard.notebook.svg import Picture
from rxwizard.notebook.words import cut, one_line
from rxwizard.operators.making import check_count
from rxwizard.operators.taps import check_callable
from rxwizard.operators.timing import check_over_zero
from rxwizard.stream import Stream, join_text, weight_in_characters


@dataclass(frozen=True, kw_only=True, repr=False)
class Backpressure(Picture):
    """How a reader got along with its source. Times are seconds since the subscription."""

    capacity: int
    """Items that may wait."""
    low: int
    """Waiting items at which a held source is let go."""
    overflow: Overflow
    """What happened to an item that found it full."""
    pushed: int = 0
    """Items the source gave."""
    delivered: int = 0
    """Items the reader took."""
    dropped: int = 0
    """Items lost by policy."""
    merged: int = 0
    """Items that became part of the one before."""
    peak: int = 0
    """Most items that ever waited."""
    pauses: int = 0
    """How often the source was held."""
    paused_seconds: float = 0.0
    """How long the source was held in all."""
    duration: float = 0.0
    """From the subscription to the end, or to where reading was stopped."""
    samples: tuple[Sample, ...] = ()
    """How many waited, after each push and each take; neighbours are one where there were many."""
    holds: tuple[Hold, ...] = ()
    """When the source was held; the first ones, up to the limit."""
    error: Exception | None = None
    """What the stream failed with."""
    stopped: bool = False
    """Whether reading was stopped because its time was up."""
    width: float = 880
    """Pixels of the picture."""

    @property
    def ending(self) -> str:
        """How it ended, in a few words."""
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}".removesuffix(": ")
        return "reading was stopped" if self.stopped else "completed"

    @property
    def held(self) -> str:
        """How often and how long the source was held, in words."""
        if not self.pauses:
            return "source never held"
        times = "once" if self.pauses == 1 else f"{self.pauses:,} times"
        share = self.paused_seconds / self.duration if self.duration else 0.0
        return f"source held {times}, {seconds(self.paused_seconds)} ({share:.0%})"

    def svg(self) -> str:
        """Draw it: how many waited over time, and in bands when the source was held."""
        return draw_backpressure(self)

    def __repr__(self) -> str:
        taken = f"{self.delivered:,} of {self.pushed:,} items taken in {seconds(self.duration)}"
        lines = [
            f"backpressure: {self.overflow}, capacity {self.capacity:,}; {taken}",
            f"  waiting  {self.peak:,} at most",
            f"  pauses   {self.held}",
            f"  lost     {self.dropped:,} dropped, {self.merged:,} merged",
            f"  ended    {cut(one_line(self.ending), 100)}",
        ]
        return "\n".join(lines)


async def backpressure(
    source: Observable[Any],
    *,
    pace: float = 0.05,
    consumer: Callable[[Any], Awaitable[object]] | None = None,
    capacity: int = 64,
    overflow: Overflow | str = Overflow.PAUSE,
    seconds: float | None = None,
    width: float = 880,
    limit: int = 4000,
    **options: Any,
) -> Backpressure:
    """Read a stream slowly, and show what waits meanwhile and when the source is held.

    It is subscribed to once, through a bounded reader as `Stream.bounded` makes it. A stream that
    fails is shown up to there; its error is not raised. One of the consumer is raised, and closes
    the stream, as cancelling does.

    Args:
        source: What is read.
        pace: Seconds that the reader takes for an item; 0: it lets only others go first.
        consumer: Called with each item and waited for, instead of the pace.
        capacity: Items that may wait.
        overflow: What happens to an item that finds the reader full.
        seconds: When to stop reading; None: at the end. Endless streams need it.
        width: Pixels of the picture.
        limit: Samples and pauses that are kept, some 150 bytes each. Of more samples, neighbours
            become one that knows the least and the most; further pauses are only counted.
        options: The others of `Stream.bounded`.

    Raises:
        ConfigError: An option cannot work.
    """
    check_width("backpressure", width)
    check_count("backpressure", 2, limit=limit)
    check_callable("backpressure", "consumer", consumer)
    _check_pace(pace)
    if seconds is not None:
        check_over_zero("backpressure", seconds=seconds)
    if not isinstance(cast("object", source), Observable):
        raise ConfigError(f"backpressure: takes a stream, not a {type(source).__name__}")

    async def wait(_item: Any) -> None:
        await asyncio.sleep(pace)

    options = {"merge": join_text, "weigh": weight_in_characters, **options}
    reader: BoundedSubscriber[Any] = BoundedSubscriber(capacity, overflow=overflow, **options)
    samples = Samples(reader.ring, asyncio.get_running_loop().time, limit)
    error: Exception | None = None
    stopped = False
    clock = asyncio.timeout(seconds)
    async with reader.attach(Stream.of(source).pipe(_noting(samples))):
        try:
            async with clock:
                error = await _read(reader, consumer or wait, samples)
        except TimeoutError:
            if not clock.expired():
                raise
            stopped = True
        samples.end()
        counted = reader.statistics()
    return Backpressure(
        capacity=counted.capacity,
        low=reader.ring.low,
        overflow=Overflow(overflow),
        pushed=samples.pushed,
        delivered=counted.delivered,
        dropped=counted.dropped,
        merged=counted.merged,
        peak=counted.peak,
        pauses=counted.pauses,
        paused_seconds=counted.paused_seconds,
        duration=samples.duration,
        samples=samples.samples,
        holds=samples.holds,
        error=error,
        stopped=stopped,
        width=width,
    )


async def _read(
    reader: BoundedSubscriber[Any],
    consumer: Callable[[Any], Awaitable[object]],
    samples: Samples,
) -> Exception | None:
    """Read to the end; gives the stream's error, and raises the consumer's."""
    while True:
        try:
            item = await anext(reader)
        except StopAsyncIteration:
            return None
        except Exception as error:
            return error
        samples.note()
        await consumer(item)


def _noting(samples: Samples) -> Callable[[Observable[Any]], Observable[Any]]:
    """Make an operator that changes nothing, and has a sample taken when the reader has an item."""

    def operator(source: Observable[Any]) -> Observable[Any]:
        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            def on_next(item: Any) -> None:
                observer.on_next(item)
                samples.note_push()

            def on_error(error: Exception) -> None:
                observer.on_error(error)
                samples.note()

            def on_completed() -> None:
                observer.on_completed()
                samples.note()

            return source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return operator


def _check_pace(pace: Any) -> None:
    # True is a number to Python, and never meant as one.
    is_number = isinstance(pace, int | float) and not isinstance(pace, bool)
    if not is_number or not 0 <= pace < math.inf:
        raise ConfigError(f"backpressure: pace={pace!r} cannot work; it must be 0 or more seconds")
