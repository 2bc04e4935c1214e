"""What flow control and fan-out cost, beside a bare `asyncio.Queue` in the same run."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from reactivex import Observable

from rxwizard import fan_out, lossless
from rxwizard.demand import BoundedSubscriber, push_batches
from tests.benchmarks.measure import Way, cpu_per_event

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

#: Items one read of a socket gives.
BATCH = 32
CAPACITY = 64


def numbers(count: int) -> Observable[int]:
    """Push so many numbers, a batch a turn of the loop, under a gate."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[AsyncGenerator[range]]:
        async def batches() -> AsyncGenerator[range]:
            for start in range(0, count, BATCH):
                await asyncio.sleep(0)
                yield range(start, min(start + BATCH, count))

        yield batches()

    return Observable(lambda observer, _scheduler: push_batches(opened, observer))


def ticks(count: int) -> Observable[int]:
    """Push so many numbers, one a second of the loop's clock."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[AsyncGenerator[range]]:
        async def batches() -> AsyncGenerator[range]:
            for number in range(count):
                await asyncio.sleep(1)
                yield range(number, number + 1)

        yield batches()

    return Observable(lambda observer, _scheduler: push_batches(opened, observer))


async def queue(count: int) -> int:
    """Hand over by a bare queue: what people write who have no backpressure."""
    waiting: asyncio.Queue[int | None] = asyncio.Queue(CAPACITY)

    async def produce() -> None:
        for start in range(0, count, BATCH):
            await asyncio.sleep(0)
            for number in range(start, min(start + BATCH, count)):
                await waiting.put(number)
        await waiting.put(None)

    producing = asyncio.ensure_future(produce())
    got = 0
    while await waiting.get() is not None:
        got += 1
    await producing
    assert got == count
    return count


async def bounded(count: int) -> int:
    """Hand over by a bounded subscriber."""
    got = 0
    async for _ in BoundedSubscriber[int](CAPACITY).attach(numbers(count)):
        got += 1
    assert got == count
    return count


async def batches(count: int) -> int:
    """The same, all that waits at a time."""
    got = 0
    async for batch in BoundedSubscriber[int](CAPACITY).attach(numbers(count)).batches():
        got += len(batch)
    assert got == count
    return count


class _Nothing:
    """A sink that does nothing."""

    async def write(self, item: Any) -> None:
        pass

    async def close(self, error: BaseException | None = None) -> None:
        pass


async def sinks(count: int, number: int) -> int:
    """Fan out to so many sinks that do nothing."""
    branches = {f"s{n}": lossless(_Nothing(), capacity=CAPACITY) for n in range(number)}
    report = await fan_out(numbers(count), **branches)
    assert all(report[name].delivered == count for name in branches)
    return count


async def hand_over(count: int, rounds: int) -> dict[str, float]:
    """Measure the hand-over from a source to a reader, in µs of CPU an item."""
    ways: dict[str, Way] = {
        "asyncio.Queue": partial(queue, count),
        "bounded subscriber": partial(bounded, count),
        "bounded subscriber, batches": partial(batches, count),
    }
    return await cpu_per_event(ways, rounds)


async def fanned_out(chunks: int, rounds: int, numbers_of_sinks: tuple[int, ...]) -> dict[str, Any]:
    """Measure fan-outs, in µs of CPU a chunk, and the queue beside them."""
    ways: dict[str, Way] = {"asyncio.Queue": partial(queue, chunks)}
    for number in numbers_of_sinks:
        ways[f"{number} sinks"] = partial(sinks, chunks, number)
    return await cpu_per_event(ways, rounds)


def beyond_the_first(times: dict[str, float], number: int) -> float:
    """Give the CPU time of each (chunk, sink) beyond the first sink, in µs."""
    return (times[f"{number} sinks"] - times["1 sinks"]) / (number - 1)
