"""Boundaries: what may wait on either side, and that nothing is lost or left between them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import reactivex
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as rx
from reactivex.scheduler import NewThreadScheduler

from rxwizard import BufferOverflowError
from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber
from rxwizard.demand.gate import pushing
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, read_all, settle


def work(number: int) -> Any:
    return asyncio.sleep(0, number)


#: Each with a reader of 8 that sleeps, and how many items then wait in all, its own included. One
#: more is in the hand of the source, which finds itself held.
BOUNDS = {
    "bounded": (ops.bounded(4), 8 + 4),
    "bounded 1": (ops.bounded(1), 8 + 1),
    "two of them": (lambda s: s.pipe(ops.bounded(4), ops.bounded(5)), 8 + 4 + 5),
    "batched": (ops.batched(10, 1), 8 * 10 + 64),
    "batched 20": (ops.batched(20, 1), 8 * 20 + 64),
    "batched, as many as wait": (ops.batched(64, 1), 8 * 64 + 64),
    "batched long": (ops.batched(100, 1), 8 * 100 + 100),
    # At work, or done: as many as may be. And as many wait.
    "map_async": (ops.map_async(work, concurrency=3), 8 + 3 + 3),
    "map_async unordered": (ops.map_async(work, concurrency=3, ordered=False), 8 + 3 + 3),
    "zip_with": (ops.zip_with(Numbers(), capacity=4), 8 + 4),
    "zip_with 1": (ops.zip_with(Numbers(), capacity=1), 8 + 1),
    "zip_with 9": (ops.zip_with(Numbers(), capacity=9), 8 + 9),
    "zip_with a slow one": (ops.zip_with(reactivex.never(), capacity=4), 4),
}


@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.parametrize(("operator", "most"), BOUNDS.values(), ids=BOUNDS)
async def test_a_sleeping_reader_holds_the_source(operator: Any, most: int, batch: int) -> None:
    source = Numbers(batch=batch)
    async with BoundedSubscriber[Any](8).attach(source.pipe(operator)) as reader:
        await settle(2000 if batch == 1 else 300)
        at_rest = source.given
        assert at_rest <= most + 1
        assert at_rest > most // 2  # and it is not held for nothing
        await settle()
        assert source.given == at_rest
        assert reader.statistics().peak <= 8
    assert source.is_closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_leaves_a_boundary_for_a_reader_that_another_source_has_filled() -> None:
    # The first fills the reader in one go; the second finds it full, whatever comes to it.
    full, behind = Numbers(8, start=100), Numbers(batch=1)
    merged = reactivex.merge(full, behind.pipe(ops.bounded(4)))
    reader = BoundedSubscriber[int](8).attach(merged)
    await settle()
    assert behind.given <= 4 + 1

    got = [await anext(reader) for _ in range(20)]
    assert [n for n in got if n < 100] == [*range(12)]
    assert reader.statistics().peak == 8
    reader.cancel()


async def test_one_push_that_expands_keeps_its_bound_behind_a_boundary() -> None:
    source = Numbers()
    expanded = source.pipe(ops.bounded(4), rx.flat_map(lambda n: reactivex.from_iterable([n] * 50)))
    reader = BoundedSubscriber[int](8).attach(expanded)
    await settle()

    assert reader.statistics().waiting == 50
    assert source.given <= 1 + 4 + 1
    reader.cancel()


async def test_a_fast_source_waits_for_a_slow_one_and_not_for_its_end() -> None:
    slow, fast = Numbers(100, batch=1), Numbers(batch=50)
    ahead = 0

    def look(pair: tuple[int, int]) -> tuple[int, int]:
        nonlocal ahead
        ahead = max(ahead, fast.given - slow.given)
        return pair

    stream = slow.pipe(ops.zip_with(fast, capacity=4), rx.map(look))
    assert await read_all(BoundedSubscriber[Any](8).attach(stream)) == [(n, n) for n in range(100)]
    await settle()

    assert ahead <= 4 + 1
    assert fast.is_closed


async def test_a_boundary_in_front_of_a_share_and_behind_it() -> None:
    source = Numbers(200)
    shared = source.pipe(ops.bounded(4), ops.share())
    readers = [
        BoundedSubscriber[int](2).attach(shared.pipe(ops.bounded(3))),
        BoundedSubscriber[int](5).attach(shared),
    ]
    await settle()
    assert source.given <= 5 + 4 + 1

    assert await asyncio.gather(*map(read_all, readers)) == [[*range(200)]] * 2
    assert source.is_closed


async def test_a_reader_that_is_cancelled_behind_a_boundary_lets_the_others_go_on() -> None:
    source = Numbers(200)
    shared = source.pipe(ops.share())
    asleep = BoundedSubscriber[int](2).attach(shared.pipe(ops.bounded(3)))
    goes_on = BoundedSubscriber[int](8).attach(shared)
    await settle()
    got = [await anext(goes_on) for _ in range(3)]
    await settle()
    assert source.given < 2 + 3 + 1
    await asleep.aclose()

    assert got + await read_all(goes_on) == [*range(200)]
    assert source.is_closed


async def test_an_operator_below_that_raises_closes_what_is_above() -> None:
    source = Numbers()
    stream = source.pipe(ops.bounded(4), rx.map(lambda n: 1 / (3 - n)))
    with pytest.raises(ZeroDivisionError):
        await read_all(BoundedSubscriber[float](8).attach(stream))
    await settle()

    assert source.is_closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_a_source_knows_of_itself_is_known_below() -> None:
    class Known(Numbers):
        async def _batches(self, fails: bool) -> Any:
            gate = pushing.get()
            assert gate is not None
            gate.evidence = lambda: "what had arrived"
            async for batch in super()._batches(fails):
                yield batch

    stream = Known().pipe(
        ops.bounded(4), ops.batched(2, 1), ops.map_async(work, concurrency=1), ops.bounded(1)
    )
    reader = BoundedSubscriber[Any](1, overflow="error").attach(stream)
    await settle()
    with pytest.raises(BufferOverflowError) as caught:
        await read_all(reader)

    assert caught.value.partial == "what had arrived"


async def test_a_source_may_push_from_another_thread() -> None:
    def count(observer: Any, _scheduler: Any = None) -> None:
        for number in range(100):
            observer.on_next(number)
        observer.on_completed()

    source = reactivex.create(count).pipe(rx.subscribe_on(NewThreadScheduler()))
    stream = source.pipe(ops.bounded(100), ops.batched(7, 1), ops.map_async(work, concurrency=2))
    lists = await read_all(BoundedSubscriber[Any](2).attach(stream))

    assert [n for numbers in lists for n in numbers] == [*range(100)]


async def test_dropping_the_reader_closes_everything() -> None:
    source = Numbers()
    stream = source.pipe(ops.bounded(4), ops.map_async(work, concurrency=2), ops.batched(2, 1))
    async for _ in BoundedSubscriber[Any](8).attach(stream):
        break
    await settle()

    assert source.is_closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_leaving_waits_until_the_source_is_closed() -> None:
    source = Numbers(leaves_slowly=20)
    stream = source.pipe(ops.bounded(4), ops.batched(2, 1))
    async with BoundedSubscriber[Any](8).attach(stream):
        await settle(20)

    assert source.is_closed


stages = st.lists(
    st.one_of(
        st.builds(ops.bounded, st.integers(1, 9)),
        st.builds(
            lambda concurrency, pace: ops.map_async(
                lambda n: asyncio.sleep(pace[n % len(pace)], n), concurrency=concurrency
            ),
            st.integers(1, 9),
            st.lists(st.integers(0, 3), min_size=1, max_size=5),
        ),
        st.builds(
            lambda count, seconds: (
                lambda s: s.pipe(ops.batched(count, seconds), rx.flat_map(reactivex.from_iterable))
            ),
            st.integers(1, 9),
            st.integers(1, 3),
        ),
        st.builds(
            lambda capacity, batch: (
                lambda s: s.pipe(
                    ops.zip_with(Numbers(batch=batch), capacity=capacity),
                    rx.map(lambda pair: pair[0]),
                )
            ),
            st.integers(1, 9),
            st.integers(1, 9),
        ),
        st.just(ops.share()),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=60)
@given(
    stages=stages,
    capacity=st.integers(1, 9),
    batch=st.integers(1, 30),
    pace=st.lists(st.integers(0, 2), min_size=1, max_size=9),
    leaves=st.one_of(st.none(), st.integers(0, 60)),
)
def test_through_any_boundaries_at_any_pace_everything_arrives_in_order(
    stages: list[Any], capacity: int, batch: int, pace: list[int], leaves: int | None
) -> None:
    async def read() -> None:
        source = Numbers(60, batch=batch)
        reader = BoundedSubscriber[int](capacity).attach(source.pipe(*stages))
        got: list[int] = []
        async with asyncio.timeout(3600), reader:
            async for number in reader:
                got.append(number)
                if len(got) == leaves:
                    break
                await asyncio.sleep(pace[len(got) % len(pace)])
        assert got == [*range(60)][: leaves or None]
        await settle()
        assert source.is_closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(read())
