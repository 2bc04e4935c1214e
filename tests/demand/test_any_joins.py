"""Readers that join a shared source at any time, with any pace, and leave when they like."""

from __future__ import annotations

import asyncio
from typing import Any

import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as rx

from rxwizard.demand import BoundedSubscriber
from rxwizard.demand.share import sharing
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, settle

parts = st.lists(
    st.tuples(
        st.integers(0, 30),  # turns of the loop until it joins, after the one before
        st.integers(1, 20),  # capacity
        st.lists(st.integers(0, 3), min_size=1, max_size=6),  # turns between two items
        st.one_of(st.none(), st.integers(0, 40)),  # items after which it leaves
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=60)
@given(
    parts=parts,
    replay=st.one_of(st.integers(0, 30), st.just("all")),
    batch=st.integers(1, 20),
    expansion=st.integers(1, 3),
)
def test_each_reader_gets_one_run_without_a_gap(
    parts: list[tuple[int, int, list[int], int | None]], replay: Any, batch: int, expansion: int
) -> None:
    source = Numbers(40, batch=batch)
    total = 40 * expansion
    subscribed, pushed = list[int](), list[int]()

    def subscribe(_: Any) -> reactivex.Observable[int]:
        subscribed.append(1)
        pushed.clear()
        return source

    shared = reactivex.defer(subscribe).pipe(
        rx.flat_map(lambda n: reactivex.range(n * expansion, (n + 1) * expansion)),
        rx.do_action(pushed.append),
        sharing(replay=replay),
    )

    async def take_part(turns: int, capacity: int, pace: list[int], most: int | None) -> None:
        await settle(turns)
        requests, came = len(subscribed), len(pushed)
        async with BoundedSubscriber[int](capacity).attach(shared) as reader:
            is_first = len(subscribed) > requests
            begins = 0 if is_first or replay == "all" else max(0, came - replay)
            got = list[int]()
            while most is None or len(got) < most:
                await settle(pace[len(got) % len(pace)])
                try:
                    got.append(await anext(reader))
                except StopAsyncIteration:
                    assert begins + len(got) == total
                    break
            assert got == list(range(begins, begins + len(got)))
            assert reader.statistics().peak <= capacity - 1 + expansion

    async def run() -> None:
        turns, tasks = 0, list[asyncio.Future[None]]()
        for wait, *rest in parts:
            turns += wait
            tasks.append(asyncio.ensure_future(take_part(turns, *rest)))
        async with asyncio.timeout(3600):
            await asyncio.gather(*tasks)
        assert source.opened == source.closed <= len(subscribed)  # one may leave at once

    run_in_virtual_time(run())
