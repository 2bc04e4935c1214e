from __future__ import annotations

import asyncio
import sys

import pytest
from reactivex import operators as rx

from rxwizard import fan_out, latest
from rxwizard.testing import run_in_virtual_time
from tests.benchmarks import flow, memory
from tests.benchmarks.measure import below, least

pytestmark = pytest.mark.benchmark

#: µs an item that a bare `asyncio.Queue` costs on the machine for which 1.5 µs is the bound.
_QUEUE = 0.83


async def test_reading_through_the_bounded_subscriber_is_not_slower_than_a_bare_queue() -> None:
    async def ratio() -> float:
        times = await flow.hand_over(8_000, rounds=3)
        return times["bounded subscriber"] / times["asyncio.Queue"]

    assert await below(1.0, ratio) <= 1.0


async def test_reading_batches_is_cheaper_still() -> None:
    async def ratio() -> float:
        times = await flow.hand_over(8_000, rounds=3)
        return times["bounded subscriber, batches"] / times["bounded subscriber"]

    assert await below(1.0, ratio) <= 1.0


@pytest.mark.parametrize("sinks", [10, 100])
async def test_a_further_sink_costs_at_most_one_and_a_half_microseconds_a_chunk(sinks: int) -> None:
    async def queues() -> float:
        times = await flow.fanned_out(500, 2, (1, sinks))
        return flow.beyond_the_first(times, sinks) / times["asyncio.Queue"]

    assert await below(1.5 / _QUEUE, queues) <= 1.5 / _QUEUE


@pytest.mark.parametrize("sinks", [1, 9])
def test_a_sink_at_a_hundredth_of_the_speed_leaves_the_delay_of_others_unchanged(
    sinks: int,
) -> None:
    async def delays(*, with_slow: bool) -> list[list[float]]:
        loop = asyncio.get_running_loop()
        sent = flow.ticks(400).pipe(rx.map(lambda _: loop.time()))
        seen: list[list[float]] = [[] for _ in range(sinks)]

        def note(into: list[float]) -> object:
            return lambda sent_at: into.append(loop.time() - sent_at)

        async def sleep(_item: float) -> None:
            await asyncio.sleep(100)

        branches = {f"s{n}": note(delayed) for n, delayed in enumerate(seen)}
        slow = {"slow": latest(sleep, deadline=None)} if with_slow else {}
        await fan_out(sent, **branches, **slow)
        return seen

    alone = run_in_virtual_time(delays(with_slow=False))
    assert run_in_virtual_time(delays(with_slow=True)) == alone == [[0.0] * 400] * sinks


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_flat_while_a_stream_of_100_mb_meets_a_sleeping_reader() -> None:
    assert least(5_000_000, memory.grown_while_asleep, attempts=3) <= 5_000_000
