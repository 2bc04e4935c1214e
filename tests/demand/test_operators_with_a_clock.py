"""The bound through operators of RxPY that keep time; those that queue are elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx

from rxwizard.demand import BoundedSubscriber
from rxwizard.testing import run_in_virtual_time

from .sources import settle
from .timed import Paced

CAPACITY = 8

#: Operators that pass everything on.
FAITHFUL: dict[str, Any] = {
    "timeout": rx.timeout(10_000),
    "timestamp": rx.compose(rx.timestamp(), rx.map(lambda stamped: stamped.value)),
    "time_interval": rx.compose(rx.time_interval(), rx.map(lambda interval: interval.value)),
    "delay_subscription": rx.delay_subscription(3),
    "skip_with_time": rx.skip_with_time(0.5),
    "take_with_time": rx.take_with_time(10_000),
    "take_until_with_time": rx.take_until_with_time(10_000.0),
    "take_until a timer": rx.take_until(reactivex.timer(10_000)),
    "window_with_count": rx.compose(
        rx.window_with_count(5), rx.flat_map(rx.to_list()), rx.flat_map(reactivex.from_iterable)
    ),
}
#: Operators that choose by the clock what they pass on. One item may be with it, when the reader
#: becomes full.
CHOOSING: dict[str, Any] = {
    "debounce": rx.debounce(0.5),
    "throttle_first": rx.throttle_first(0.5),
    "throttle_with_mapper": rx.throttle_with_mapper(lambda _: reactivex.timer(0.5)),
    "sample": rx.sample(0.75),
    "sample by another": rx.sample(reactivex.interval(0.75)),
}


def run(operator: Any, most: int) -> list[int]:
    """Let a reader of three sources sleep, then read slowly, then fast; give what came."""

    async def read() -> list[int]:
        sources = [Paced(100, start=start, batch=3) for start in (0, 100, 200)]
        merged = reactivex.merge(*sources).pipe(operator)
        reader = BoundedSubscriber[int](CAPACITY).attach(merged)
        await asyncio.sleep(200)
        at_rest = [source.given for source in sources]
        assert reader.statistics().waiting >= CAPACITY
        await asyncio.sleep(200)
        assert [source.given for source in sources] == at_rest
        got: list[int] = []
        for _ in range(20):
            got.append(await anext(reader))
            await asyncio.sleep(7)
        got += [number async for number in reader]
        assert reader.statistics().peak <= most
        await settle()
        assert all(source.is_closed for source in sources)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return got

    return run_in_virtual_time(read())


@pytest.mark.parametrize("operator", FAITHFUL.values(), ids=FAITHFUL)
def test_the_bound_holds_and_everything_arrives(operator: Any) -> None:
    k = 5 if operator is FAITHFUL["window_with_count"] else 1
    got = run(operator, CAPACITY - 1 + k)

    for start in (0, 100, 200):
        assert [n for n in got if n // 100 == start // 100] == [*range(start, start + 100)]


@pytest.mark.parametrize("operator", CHOOSING.values(), ids=CHOOSING)
def test_the_bound_holds_where_the_clock_chooses_what_arrives(operator: Any) -> None:
    got = run(operator, CAPACITY + 1)

    assert len(got) >= 30
    for part in range(3):
        chosen = [n for n in got if n // 100 == part]
        assert chosen == sorted({*chosen})


@pytest.mark.parametrize("operator", {**FAITHFUL, **CHOOSING}.values(), ids=[*FAITHFUL, *CHOOSING])
def test_leaving_while_full_leaves_nothing(operator: Any) -> None:
    async def leave() -> None:
        source = Paced(batch=3)
        async with BoundedSubscriber[int](CAPACITY).attach(source.pipe(operator)) as reader:
            await asyncio.sleep(200)
            assert reader.statistics().waiting >= CAPACITY
        assert source.is_closed
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(leave())
