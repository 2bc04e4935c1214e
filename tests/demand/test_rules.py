"""The numbered rules of the bounded subscriber, by their numbers."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from pathlib import Path

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from rxwizard import MissingBackpressureError, ReaderDeadlineError
from rxwizard.demand import BoundedSubscriber, Overflow
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, read_all, settle


class Readers:
    def __init__(self, first: int = 8, second: int = 8) -> None:
        self.source = Numbers()
        shared = self.source.pipe(rx.share())
        self.first: BoundedSubscriber[int] = BoundedSubscriber(first).attach(shared)
        self.second: BoundedSubscriber[int] = BoundedSubscriber(second).attach(shared)


@pytest.mark.parametrize("capacity", [1, 2, 3, 64])
async def test_rule_1_items_come_once_and_in_order(capacity: int) -> None:
    reader = BoundedSubscriber[int](capacity).attach(Numbers(1000))

    assert await read_all(reader) == list(range(1000))


async def test_rule_1_nothing_is_lost_uncounted() -> None:
    for policy in (Overflow.DROP_OLDEST, Overflow.DROP_NEWEST, Overflow.LATEST):
        reader = BoundedSubscriber[int](8, overflow=policy).attach(Numbers(1000))
        got = [await anext(reader) for _ in range(3)]
        await settle(200)
        got += await read_all(reader)
        statistics = reader.statistics()

        assert got == sorted(set(got))
        assert statistics.delivered == len(got)
        assert statistics.delivered + statistics.dropped == 1000


@pytest.mark.parametrize("batch", [1, 5, 64])
@pytest.mark.parametrize("capacity", [1, 2, 8, 64])
async def test_rule_2_one_to_one_is_exactly_the_capacity(capacity: int, batch: int) -> None:
    source = Numbers(batch=batch)
    reader = BoundedSubscriber[int](capacity).attach(source)
    await settle()

    assert reader.statistics().waiting == capacity
    assert source.given <= capacity + 1
    for _ in range(1000):
        await anext(reader)
    assert reader.statistics().peak == capacity


@pytest.mark.parametrize("expansion", [2, 50, 1000])
async def test_rule_2_an_expansion_adds_what_one_item_becomes(expansion: int) -> None:
    def expand(number: int) -> reactivex.Observable[int]:
        return reactivex.from_iterable([number] * expansion)

    reader = BoundedSubscriber[int](8).attach(Numbers(60).pipe(rx.flat_map(expand)))
    await settle()
    items = await read_all(reader)

    assert items == [number for number in range(60) for _ in range(expansion)]
    assert 8 <= reader.statistics().peak <= 8 - 1 + expansion


async def test_rule_2_many_sources_are_still_the_capacity() -> None:
    sources = [Numbers(100) for _ in range(32)]
    reader = BoundedSubscriber[int](8).attach(reactivex.merge(*sources))
    await settle()

    assert reader.statistics().waiting == 8
    assert sorted(await read_all(reader)) == sorted(list(range(100)) * 32)
    assert reader.statistics().peak == 8


async def test_rule_3_it_lets_go_when_a_quarter_is_left() -> None:
    source = Numbers(batch=1)
    reader = BoundedSubscriber[int](8).attach(source)
    await settle()
    for _ in range(5):
        await anext(reader)
        await settle()
    assert reader.statistics().waiting == 3
    assert reader.statistics().pauses == 1

    await anext(reader)
    await settle()
    assert reader.statistics().waiting == 8
    assert reader.statistics().pauses == 2


async def test_rule_3_a_filter_that_passes_nothing_does_not_stall() -> None:
    source = Numbers(5000)
    reader = BoundedSubscriber[int](1).attach(source.pipe(rx.filter(lambda _: False)))

    assert await read_all(reader) == []
    assert source.given == 5000


async def test_rule_3_it_lets_go_of_a_shared_source_when_its_own_branch_ends() -> None:
    shared = Numbers(100).pipe(rx.publish())
    short = BoundedSubscriber[int](8).attach(shared.pipe(rx.take(8)))
    long = BoundedSubscriber[int](200).attach(shared)
    shared.connect()

    assert await read_all(long) == list(range(100))
    assert await read_all(short) == list(range(8))
    assert not short.ring.group.holding


async def test_rule_3_it_lets_go_of_a_shared_source_when_it_is_cancelled() -> None:
    readers = Readers(first=8, second=64)
    await settle()
    assert readers.second.statistics().waiting == 8

    readers.first.cancel()
    await settle()
    assert readers.second.statistics().waiting == 64
    readers.second.cancel()


async def test_rule_4_completion_comes_after_what_waits() -> None:
    reader = BoundedSubscriber[int](64).attach(Numbers(10))
    await settle()

    assert await read_all(reader) == list(range(10))


async def test_rule_4_an_error_comes_after_what_waits() -> None:
    reader = BoundedSubscriber[int](64).attach(Numbers(10, fails=1))
    await settle()
    got: list[int] = []
    with pytest.raises(OSError, match="reset"):
        await read_all(reader, got)

    assert got == list(range(10))


async def test_rule_5_an_error_is_raised_as_it_is_and_again() -> None:
    error = ValueError("mine")
    reader = BoundedSubscriber[int](8).attach(reactivex.throw(error))
    for _ in range(3):
        with pytest.raises(ValueError, match="mine") as caught:
            await anext(reader)
        assert caught.value is error


async def test_rule_5_the_end_is_given_again() -> None:
    reader = BoundedSubscriber[int](8).attach(Numbers(1))
    assert await read_all(reader) == [0]
    for _ in range(3):
        with pytest.raises(StopAsyncIteration):
            await anext(reader)


async def test_rule_6_it_is_attached_once() -> None:
    reader = BoundedSubscriber[int](8).attach(Numbers(1))
    with pytest.raises(RuntimeError, match="subscribed once"):
        reader.attach(Numbers(1))

    assert await read_all(reader) == [0]


async def test_rule_6_a_plain_subscription_is_disposed_of_by_what_it_returned() -> None:
    source = Numbers()
    reader = BoundedSubscriber[int](8)
    subscription = source.subscribe(reader)
    await settle()
    assert reader.statistics().waiting == 8
    reader.cancel()
    assert source.closed == 0

    subscription.dispose()
    await settle()
    assert source.is_closed


async def test_rule_7_nothing_is_delivered_after_cancel() -> None:
    source = Numbers()
    reader = BoundedSubscriber[int](8).attach(source)
    await anext(reader)
    reader.cancel()
    reader.cancel()
    with pytest.raises(StopAsyncIteration):
        await anext(reader)
    reader.on_next(1)  # a push that was on its way
    reader.on_error(OSError())
    reader.on_completed()
    with pytest.raises(StopAsyncIteration):
        await anext(reader)

    await settle()
    assert source.is_closed


async def test_rule_7_cancel_wakes_who_waits() -> None:
    reader = BoundedSubscriber[int](8).attach(reactivex.never())
    waiting = asyncio.ensure_future(read_all(reader))
    await settle()
    reader.cancel()

    assert await waiting == []


async def test_rule_7_cancel_from_another_thread() -> None:
    source = Numbers()
    reader = BoundedSubscriber[int](8).attach(source)
    await settle()
    thread = threading.Thread(target=reader.cancel)
    thread.start()
    await asyncio.to_thread(thread.join)
    await settle()

    assert source.is_closed
    assert await read_all(reader) == []


async def test_rule_8_a_loop_keeps_the_reader_that_nobody_else_has() -> None:
    got = [item async for item in BoundedSubscriber[int](8).attach(Numbers(100))]
    more: list[int] = []
    async for batch in BoundedSubscriber[int](8).attach(Numbers(100)).batches():
        more += batch

    assert got == more == list(range(100))


async def test_rule_8_dropping_it_closes_the_source() -> None:
    source = Numbers()
    reader = BoundedSubscriber[int](8).attach(source.pipe(rx.map(str)))
    await anext(reader)
    del reader  # and no collection of garbage, which would take the whole chain
    await settle()

    assert source.is_closed


async def test_rule_8_leaving_a_block_waits_until_the_source_is_closed() -> None:
    source = Numbers(leaves_slowly=20)
    async with BoundedSubscriber[int](8).attach(source) as reader:
        await anext(reader)

    assert source.is_closed


async def test_rule_8_leaving_a_block_waits_for_a_source_that_was_stopped_before() -> None:
    source = Numbers(leaves_slowly=20)
    async with BoundedSubscriber[int](8).attach(source.pipe(rx.take(3))) as reader:
        assert [item async for item in reader] == [0, 1, 2]
        assert not source.is_closed

    assert source.is_closed


async def test_rule_8_leaving_a_branch_does_not_wait_for_the_others() -> None:
    readers = Readers()
    await settle()
    async with asyncio.timeout(5):
        await readers.first.aclose()
    assert not readers.source.is_closed

    async with asyncio.timeout(5):
        await readers.second.aclose()
    assert readers.source.is_closed


async def test_rule_9_a_source_that_cannot_pause_is_an_error() -> None:
    reader = BoundedSubscriber[int](8, name="screen").attach(reactivex.range(0, 100))
    got = list[int]()
    with pytest.raises(MissingBackpressureError, match=r"screen: more than 8 items.*drop_oldest"):
        await read_all(reader, got)

    assert got == list(range(9))


async def test_rule_9_one_that_stays_within_the_capacity_is_none() -> None:
    reader = BoundedSubscriber[int](8).attach(reactivex.range(0, 8))

    assert await read_all(reader) == list(range(8))


async def test_rule_9_an_operator_without_measure_is_an_error() -> None:
    def expand(_: int) -> reactivex.Observable[int]:
        return reactivex.range(0, 10_000)

    reader = BoundedSubscriber[int](8).attach(Numbers().pipe(rx.flat_map(expand)))
    with pytest.raises(MissingBackpressureError, match="4,096 of one"):
        await read_all(reader)


async def test_rule_10_a_second_task_is_refused() -> None:
    subject: Subject[int] = Subject()
    reader = BoundedSubscriber[int](8).attach(subject)
    first = asyncio.ensure_future(anext(reader))
    await settle()
    with pytest.raises(RuntimeError, match="two tasks"):
        await anext(reader)
    subject.on_next(1)

    assert await first == 1


async def test_rule_8_a_wait_that_is_called_off_loses_nothing() -> None:
    subject: Subject[int] = Subject()
    reader = BoundedSubscriber[int](8).attach(subject)
    for number in range(5):
        waiting = asyncio.ensure_future(anext(reader))
        await settle()
        subject.on_next(number)
        waiting.cancel()  # it has been woken, and has not run yet
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert await anext(reader) == number


async def test_rule_2_coalesce_waits_for_one_more() -> None:
    reader = BoundedSubscriber[int](4, overflow="coalesce", merge=lambda _a, _b: None)
    reader.attach(Numbers())
    await settle()

    assert reader.statistics().peak == 5


@pytest.mark.parametrize("low", [0, 1, 5, 7])
async def test_rule_3_it_lets_go_at_the_low_mark_that_was_set(low: int) -> None:
    reader = BoundedSubscriber[int](8, low=low).attach(Numbers(batch=1))
    await settle()
    while reader.statistics().waiting > low + 1:
        await anext(reader)
        await settle()
        assert reader.statistics().pauses == 1

    await anext(reader)
    await settle()
    assert (reader.statistics().waiting, reader.statistics().pauses) == (8, 2)


async def test_rule_5_the_end_is_given_again_whatever_is_pushed_after_it() -> None:
    subject: Subject[int] = Subject()
    reader = BoundedSubscriber[int](8).attach(subject)
    reader.ring.fail(ValueError("ours"))
    for _ in range(2):
        with pytest.raises(ValueError, match="ours"):
            await anext(reader)
        reader.on_next(1)
        reader.on_error(OSError())


async def test_rule_7_cancel_releases_although_a_dispose_fails() -> None:
    def fail() -> None:
        message = "cannot close"
        raise OSError(message)

    source = reactivex.create(lambda _observer, _scheduler: Disposable(fail))
    reader = BoundedSubscriber[int](8).attach(source)
    waiting = asyncio.ensure_future(read_all(reader))
    await settle()
    with pytest.raises(OSError, match="cannot close"):
        reader.cancel()

    assert await waiting == []


async def test_rule_12_a_reader_that_nobody_waits_for_drops_what_has_no_room() -> None:
    readers = Readers(first=8, second=64)
    await settle()
    assert readers.second.statistics().waiting == 8
    held_for = readers.first.statistics().paused_seconds

    readers.first.ring.group.turn_lossy()
    await settle()
    first, second = readers.first.statistics(), readers.second.statistics()
    assert (first.waiting, second.waiting) == (8, 64)
    assert (first.dropped, first.pauses) == (64 - 8, 1)
    assert first.paused_seconds >= held_for

    got = [await anext(readers.first) for _ in range(8)]
    assert got == list(range(8))
    assert await anext(readers.second) == 0
    readers.first.cancel()
    readers.second.cancel()


def test_rule_12_a_reader_that_nobody_waits_for_is_not_paused() -> None:
    async def measure() -> float:
        readers = Readers(first=8, second=64)
        await settle()
        await asyncio.sleep(10)
        readers.first.ring.group.turn_lossy()
        await settle()
        await asyncio.sleep(1000)
        return readers.first.statistics().paused_seconds

    assert run_in_virtual_time(measure()) == 10


async def test_rule_12_a_reader_that_is_put_out_still_gives_what_waits() -> None:
    readers = Readers(first=8, second=64)
    await settle()
    readers.first.ring.fail(ReaderDeadlineError("stood still"))
    await settle()
    assert readers.second.statistics().waiting == 64

    got: list[int] = []
    with pytest.raises(ReaderDeadlineError, match="stood still"):
        await read_all(readers.first, got)
    assert got == list(range(8))
    readers.second.cancel()


@pytest.mark.parametrize("which", ["merge", "weigh"])
async def test_rule_13_a_function_that_fails_is_this_readers_error_alone(which: str) -> None:
    def fail(*_: object) -> int:
        message = "my fault"
        raise ValueError(message)

    shared = Numbers(100).pipe(rx.publish())
    functions = {"merge": lambda _a, _b: None, "weigh": lambda _: 1, which: fail}
    failing = BoundedSubscriber[int](2, overflow="coalesce", **functions).attach(shared)
    other = BoundedSubscriber[int](200).attach(shared)
    shared.connect()
    got: list[int] = []
    with pytest.raises(ValueError, match="my fault"):
        await read_all(failing, got)

    assert got == ([0, 1] if which == "merge" else [])
    assert await read_all(other) == list(range(100))


#: The rules of its docstring by their numbers.
RULES: dict[str, str] = dict(
    re.findall(
        r"^(\d+)\. (.*?)(?=^\d+\. |^Args:)",
        inspect.getdoc(BoundedSubscriber) or "",
        re.MULTILINE | re.DOTALL,
    )
)


def test_every_rule_has_a_test_that_carries_its_number() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    tested = set(re.findall(r"def test_rule_(\d+)_", tests))

    assert [*RULES] == [str(number) for number in range(1, len(RULES) + 1)]
    assert len(RULES) == 14
    assert tested == {*RULES}


@pytest.mark.parametrize(
    ("rule", "words"),
    [("6", "cannot be tested"), ("10", "cannot be tested"), ("14", "only tried")],
)
def test_a_rule_that_cannot_be_tested_whole_says_so(rule: str, words: str) -> None:
    assert words in " ".join(RULES[rule].split())
