"""One subscription for many readers: who governs, and who waits for whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.subject import Subject

from rxwizard import MissingBackpressureError
from rxwizard.demand import BoundedSubscriber, Overflow
from rxwizard.demand.share import sharing
from rxwizard.operators import batched, bounded, map_async
from rxwizard.stream import Stream
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, read_all, settle

Numeric = reactivex.Observable[int]


def attach(shared: Numeric, reader: BoundedSubscriber[Any]) -> None:
    reader.attach(shared)


def subscribe(shared: Numeric, reader: BoundedSubscriber[Any]) -> None:
    shared.subscribe(reader)


def subscribe_to_a_stream(shared: Numeric, reader: BoundedSubscriber[Any]) -> None:
    Stream(shared._subscribe_core).subscribe(reader)


WAYS = [attach, subscribe, subscribe_to_a_stream]


def three_readers(shared: Numeric, join: Any = attach) -> list[BoundedSubscriber[int]]:
    readers = [BoundedSubscriber[int](8, name=name) for name in "abc"]
    for reader in readers:
        join(shared, reader)
    return readers


@pytest.mark.parametrize("join", WAYS)
@pytest.mark.parametrize("slow", [0, 1, 2])
async def test_the_slowest_reader_governs(slow: int, join: Any) -> None:
    source = Numbers(200)
    readers = three_readers(source.pipe(sharing()), join)
    quick = [reader for n, reader in enumerate(readers) if n != slow]
    tasks = [asyncio.ensure_future(read_all(reader)) for reader in quick]
    await settle()
    assert [reader.statistics().delivered for reader in quick] == [8, 8]
    assert readers[slow].statistics().waiting == 8
    assert source.given <= 9

    everything = [await read_all(readers[slow]), *await asyncio.gather(*tasks)]
    assert everything == [list(range(200))] * 3
    assert [reader.statistics().peak for reader in readers] == [8, 8, 8]
    assert source.opened == 1
    assert source.is_closed


async def test_who_joins_while_it_is_paused_sets_the_pace_then() -> None:
    source = Numbers()
    shared = source.pipe(sharing())
    first = BoundedSubscriber[int](8).attach(shared)
    await settle()
    second = BoundedSubscriber[int](4).attach(shared)
    await settle()
    assert second.statistics().waiting == 0

    assert [await anext(first) for _ in range(8)] == list(range(8))
    reading = asyncio.ensure_future(anext(first))
    await settle()
    assert second.statistics().waiting == 4
    assert first.statistics().waiting == 3
    assert [await anext(second) for _ in range(4)] == [8, 9, 10, 11]
    assert await reading == 8
    first.cancel()
    second.cancel()


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "latest", "coalesce"])
async def test_a_reader_that_may_lose_or_merge_slows_nobody(policy: str) -> None:
    shared = Numbers(500).pipe(sharing())
    asleep = BoundedSubscriber[int](4, overflow=policy, merge=lambda a, b: a + b).attach(shared)

    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == list(range(500))
    counted = asleep.statistics()
    assert counted.waiting + counted.dropped + counted.merged == 500
    assert counted.pauses == 0
    if policy == "coalesce":
        assert sum(await read_all(asleep)) == sum(range(500))


async def test_the_policy_error_ends_its_reader_alone() -> None:
    shared = Numbers(500).pipe(sharing())
    asleep = BoundedSubscriber[int](4, overflow=Overflow.ERROR).attach(shared)

    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == list(range(500))
    assert asleep.statistics().waiting == 4
    got = list[int]()
    with pytest.raises(Exception, match="more than 4 items"):
        await read_all(asleep, got)
    assert got == [0, 1, 2, 3]


async def test_one_that_is_cancelled_while_full_lets_the_others_go_on() -> None:
    readers = three_readers(Numbers(200).pipe(sharing()))
    tasks = [asyncio.ensure_future(read_all(reader)) for reader in readers[1:]]
    await settle()
    assert not any(task.done() for task in tasks)
    readers[0].cancel()

    assert await asyncio.gather(*tasks) == [list(range(200))] * 2


@pytest.mark.parametrize("capacity", [1, 3, 8])
@pytest.mark.parametrize(
    ("through", "expected"),
    [
        (rx.filter(lambda n: n % 3 == 0), list(range(0, 99, 3))),
        (rx.map(lambda n: n + 1), list(range(1, 100))),
        (rx.scan(lambda a, b: a + b), [n * (n + 1) // 2 for n in range(99)]),
        (rx.take(17), list(range(17))),
        (rx.flat_map(lambda n: Numbers(2, start=2 * n)), sorted(range(198))),
    ],
)
async def test_any_operators_may_stand_behind_it(
    through: Any, expected: list[int], capacity: int
) -> None:
    source = Numbers(99)
    shared = source.pipe(rx.map(lambda n: n), sharing())
    behind = BoundedSubscriber[int](capacity).attach(shared.pipe(through))
    beside = asyncio.ensure_future(read_all(BoundedSubscriber[int](8).attach(shared)))
    await settle()
    assert behind.statistics().waiting == behind.statistics().peak == capacity

    assert sorted(await read_all(behind)) == expected
    assert await beside == list(range(99))
    assert behind.statistics().peak == capacity


async def test_what_one_branch_subscribes_to_is_held_by_its_reader_alone() -> None:
    inner = Numbers(50)
    shared = Numbers(4).pipe(sharing())
    branch = BoundedSubscriber[int](4).attach(shared.pipe(rx.concat_map(lambda _: inner)))
    asleep = BoundedSubscriber[int](1).attach(shared)
    got = [await anext(branch) for _ in range(50)]

    assert got == list(range(50))
    assert asleep.statistics().waiting == 1
    rest, slow = await asyncio.gather(read_all(branch), read_all(asleep))
    assert (len(rest), slow) == (150, [0, 1, 2, 3])


async def test_what_a_timer_of_one_branch_subscribes_to_is_held_by_its_reader_alone() -> None:
    search = rx.flat_map(lambda _: Numbers(50))
    shared = Numbers(1).pipe(rx.concat(reactivex.never()), sharing())
    branch = BoundedSubscriber[int](4).attach(shared.pipe(rx.debounce(0.0), search))
    asleep = BoundedSubscriber[int](1).attach(shared)
    async with asyncio.timeout(10):
        got = [await anext(branch) for _ in range(50)]

    assert got == list(range(50))
    assert branch.statistics().peak == 4
    branch.cancel()
    asleep.cancel()


@pytest.mark.parametrize(
    "through",
    [
        rx.buffer_with_time(1.0),
        rx.debounce(0.1),
        batched(5, 1.0),
        bounded(5),
        map_async(lambda n: asyncio.sleep(0.1, n), concurrency=2),
    ],
)
def test_a_branch_with_a_clock_of_its_own_pauses_too(through: Any) -> None:
    async def run() -> None:
        source = Numbers(200).pipe(map_async(lambda n: asyncio.sleep(0.2, n), concurrency=1))
        shared = source.pipe(sharing())
        branch = BoundedSubscriber[Any](2).attach(shared.pipe(through))
        beside = BoundedSubscriber[int](8).attach(shared)
        reading = asyncio.ensure_future(read_all_slowly(beside))
        await asyncio.sleep(50)
        assert beside.statistics().delivered < 100  # of the 200 that had time to come
        assert branch.statistics().waiting >= 2  # RxPY's own ticks while it is full, too

        async for _ in branch:
            pass
        assert await reading == list(range(200))

    async def read_all_slowly(reader: BoundedSubscriber[int]) -> list[int]:
        return [item async for item in reader]

    run_in_virtual_time(run())


async def test_a_shared_stream_may_be_shared_again() -> None:
    source = Numbers(200)
    outer = source.pipe(rx.map(lambda n: n), sharing())
    inner = outer.pipe(rx.filter(lambda n: n % 2 == 0), sharing())
    readers = [BoundedSubscriber[int](4).attach(each) for each in (outer, inner, inner)]
    tasks = [asyncio.ensure_future(read_all(reader)) for reader in readers[:2]]
    await settle()
    assert readers[2].statistics().waiting == 4
    assert readers[0].statistics().delivered <= 8

    last = await read_all(readers[2])
    assert await tasks[0] == list(range(200))
    assert await tasks[1] == last == list(range(0, 200, 2))
    assert source.opened == 1
    assert source.is_closed


async def test_one_that_is_subscribed_to_inside_a_push_does_not_hold_the_pusher() -> None:
    shared = Numbers().pipe(sharing())
    readers = list[BoundedSubscriber[int]]()

    def share(number: int) -> int:
        if number == 0:
            shared.subscribe(lambda _: None)
            readers.append(BoundedSubscriber[int](2).attach(shared))
        return number

    outer = BoundedSubscriber[int](8).attach(Numbers(100).pipe(rx.map(share)))

    assert await read_all(outer) == list(range(100))
    assert readers[0].statistics().waiting == 2
    readers[0].cancel()


async def test_gates_of_shared_sources_that_are_over_are_forgotten() -> None:
    outer = Numbers().pipe(sharing())
    stays = BoundedSubscriber[int](1, overflow="latest").attach(outer)
    inner = reactivex.defer(lambda _: outer.pipe(rx.take(3), sharing()))
    reader = BoundedSubscriber[int](8).attach(inner.pipe(rx.repeat()))
    for _ in range(300):
        await anext(reader)

    assert len(reader.ring.group._gates) <= 3
    reader.cancel()
    stays.cancel()


async def test_a_flat_map_of_streams_in_front_is_held_for_every_reader() -> None:
    sources = [Numbers(100, start=1000 * n) for n in range(3)]
    shared = reactivex.of(*sources).pipe(rx.merge_all(), sharing())
    first = BoundedSubscriber[int](8).attach(shared)
    async with BoundedSubscriber[list[int]](2).attach(shared.pipe(rx.buffer_with_count(2))) as late:
        first.cancel()
        await settle()
        assert sum(source.given for source in sources) <= 8 + 3
        assert late.statistics().waiting == 2

    assert all(source.is_closed for source in sources)


async def test_a_source_behind_a_subject_is_held_too() -> None:
    subject: Subject[int] = Subject()
    readers = three_readers(subject.pipe(sharing()))
    first, second = Numbers(100), Numbers(start=1000)
    first.subscribe(subject)
    endless = second.subscribe(subject)
    await settle()
    assert first.given + second.given <= 8 + 2

    tasks = [asyncio.ensure_future(read_all(reader)) for reader in readers]
    got = await asyncio.gather(*tasks)
    assert got[0] == got[1] == got[2]
    assert [item for item in got[0] if item < 1000] == list(range(100))
    endless.dispose()


async def test_a_source_that_cannot_be_paused_ends_the_reader_that_is_too_slow() -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing())
    slow, quick = BoundedSubscriber[int](8).attach(shared), BoundedSubscriber[int](100)
    quick.attach(shared)
    for n in range(20):
        subject.on_next(n)
    subject.on_completed()

    assert await read_all(quick) == list(range(20))
    got = list[int]()
    with pytest.raises(MissingBackpressureError, match="cannot be paused"):
        await read_all(slow, got)
    assert got == list(range(9))
