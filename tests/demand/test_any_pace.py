"""Any number of sources, any capacity, readers of any pace who leave at any time."""

from __future__ import annotations

import asyncio
from collections import Counter

import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as rx

from rxwizard.demand import BoundedSubscriber
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, settle

paces = st.lists(st.integers(0, 6), min_size=1, max_size=20)


async def read_at(reader: BoundedSubscriber[int], pace: list[int], most: int) -> list[int]:
    """Read, letting so many turns of the loop pass between two items, over and over."""
    got: list[int] = []
    while len(got) < most:
        await settle(pace[len(got) % len(pace)])
        try:
            got.append(await anext(reader))
        except StopAsyncIteration:
            break
    return got


@settings(deadline=None, max_examples=60)
@given(
    capacity=st.integers(1, 20),
    low=st.integers(1, 3),
    batches=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    pace=paces,
)
def test_everything_arrives_and_the_bound_holds(
    capacity: int, low: int, batches: list[int], pace: list[int]
) -> None:
    async def read() -> None:
        sources = [Numbers(60, start=100 * n, batch=size) for n, size in enumerate(batches)]
        merged = reactivex.merge(*sources).pipe(rx.filter(lambda n: n % low == 0))
        reader = BoundedSubscriber[int](capacity).attach(merged)
        async with asyncio.timeout(3600):
            got = await read_at(reader, pace, 10**6)

        everything = [n for source in sources for n in source._range if n % low == 0]
        assert Counter(got) == Counter(everything)
        for n in range(len(sources)):
            part = [item for item in got if item // 100 == n]
            assert part == sorted(part)
        assert reader.statistics().peak <= capacity

    run_in_virtual_time(read())


@settings(deadline=None, max_examples=60)
@given(
    capacities=st.lists(st.integers(1, 20), min_size=2, max_size=4),
    leaving=st.lists(st.integers(0, 60), min_size=4, max_size=4),
    pace=paces,
)
def test_readers_of_a_shared_source_may_leave_and_the_others_go_on(
    capacities: list[int], leaving: list[int], pace: list[int]
) -> None:
    async def read() -> None:
        source = Numbers(100, batch=7)
        shared = source.pipe(rx.publish(), rx.ref_count())
        stays = BoundedSubscriber[int](capacities[0]).attach(shared)
        others = [BoundedSubscriber[int](capacity).attach(shared) for capacity in capacities[1:]]

        async def leave(reader: BoundedSubscriber[int], after: int) -> list[int]:
            async with reader:
                return await read_at(reader, pace, after)

        async with asyncio.timeout(3600):
            everything, *parts = await asyncio.gather(
                read_at(stays, pace[::-1], 10**6), *map(leave, others, leaving)
            )
        assert everything == list(range(100))
        for part, after in zip(parts, leaving, strict=False):
            assert part == list(range(after))
        assert source.is_closed

    run_in_virtual_time(read())
