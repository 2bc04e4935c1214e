"""Work on several items at a time: how many, in which order, and how it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.subject import Subject

from rxwizard import ConfigError, StreamInterruptedError
from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, read_all, settle
from .timed import play

both = pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])


class Work:
    """A function that takes its time, and counts what it does.

    Args:
        seconds: How long it takes; given the item, where it is a function.
        cleans_up: Turns of the loop its clean-up takes.
    """

    def __init__(self, seconds: Any = 1, cleans_up: int = 0) -> None:
        self._seconds = seconds
        self._cleans_up = cleans_up
        self.begun: list[int] = []
        self.running = 0
        self.most = 0
        self.cancelled = 0

    async def __call__(self, number: int) -> int:
        self.begun.append(number)
        self.running += 1
        self.most = max(self.most, self.running)
        seconds = self._seconds(number) if callable(self._seconds) else self._seconds
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            for _ in range(self._cleans_up):
                await asyncio.sleep(0)
            self.running -= 1
        return number


def read_mapped(work: Any, count: int, concurrency: int, ordered: bool = True) -> tuple[Any, float]:
    """Give the results, and the seconds it took."""

    async def read() -> tuple[Any, float]:
        operator = ops.map_async(work, concurrency=concurrency, ordered=ordered)
        reader = BoundedSubscriber[Any](8).attach(Numbers(count).pipe(operator))
        results = [number async for number in reader]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return results, asyncio.get_running_loop().time()

    return run_in_virtual_time(read())


@both
@pytest.mark.parametrize("concurrency", [1, 2, 3, 10, 64])
def test_so_many_are_at_work_and_never_more(concurrency: int, ordered: bool) -> None:
    work = Work(seconds=10)
    results, seconds = read_mapped(work, 30, concurrency, ordered)

    assert (results if ordered else sorted(results)) == [*range(30)]
    assert work.most == min(concurrency, 30)
    assert seconds == 10 * -(-30 // concurrency)  # nobody is ever idle


def test_a_result_that_waits_for_its_turn_counts_as_at_work() -> None:
    work = Work(seconds=lambda number: 100 if number == 0 else 1)
    results, seconds = read_mapped(work, 8, 4)

    assert results == [*range(8)]
    assert seconds == 101  # 1, 2 and 3 are done at once; 4 begins when 0 is given


def test_unordered_nothing_waits_for_a_slow_one() -> None:
    work = Work(seconds=lambda number: 100 if number == 0 else 1)
    results, seconds = read_mapped(work, 8, 2, ordered=False)

    assert results == [1, 2, 3, 4, 5, 6, 7, 0]
    assert seconds == 100


@both
async def test_a_held_reader_stops_new_work(ordered: bool) -> None:
    work = Work(seconds=0)
    stream = Numbers().pipe(ops.map_async(work, concurrency=3, ordered=ordered))
    async with BoundedSubscriber[int](8).attach(stream) as reader:
        await settle()
        begun = len(work.begun)
        await settle()
        assert len(work.begun) == begun <= 8 + 3
        assert [await anext(reader) for _ in range(8)] == [*range(8)]


async def test_work_is_not_begun_for_a_reader_that_another_source_has_filled() -> None:
    work = Work(seconds=0)
    late = Numbers(batch=1).pipe(rx.filter(lambda n: n > 50), ops.map_async(work, concurrency=3))
    reader = BoundedSubscriber[int](8).attach(reactivex.merge(Numbers(8), late))
    await settle(200)
    assert work.begun == []

    assert [await anext(reader) for _ in range(10)] == [*range(8), 51, 52]
    reader.cancel()


@both
async def test_leaving_cancels_what_is_at_work_and_waits_for_it(ordered: bool) -> None:
    work = Work(seconds=3600, cleans_up=20)
    source = Numbers(leaves_slowly=5)
    stream = source.pipe(ops.map_async(work, concurrency=3, ordered=ordered))
    async with BoundedSubscriber[int](8).attach(stream):
        await settle()
        assert work.running == 3

    assert (work.running, work.cancelled) == (0, 3)
    assert source.is_closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_work_that_fails_while_it_is_cancelled_disturbs_nobody() -> None:
    async def stubborn(_number: int) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise OSError from None

    async with BoundedSubscriber[Any](8).attach(
        Numbers().pipe(ops.map_async(stubborn, concurrency=3))
    ):
        await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@both
@pytest.mark.parametrize("how", ["in it", "when called", "cancelled"])
def test_a_failure_ends_the_stream_and_cancels_the_rest(how: str, ordered: bool) -> None:
    work = Work(seconds=lambda number: {0: 5, 1: 2}.get(number, 1000))

    async def in_it(number: int) -> int:
        if number == 2:
            await asyncio.sleep(3)
            raise {"in it": OSError("no"), "cancelled": asyncio.CancelledError()}[how]
        return await work(number)

    def when_called(number: int) -> Awaitable[int]:
        if number == 2:
            raise OSError("no")
        return work(number)

    async def read() -> None:
        function = when_called if how == "when called" else in_it
        source = Numbers()
        stream = source.pipe(ops.map_async(function, concurrency=4, ordered=ordered))
        got: list[int] = []
        with pytest.raises(StreamInterruptedError if how == "cancelled" else OSError):
            await read_all(BoundedSubscriber[int](8).attach(stream), got)
        if ordered:
            assert (got, asyncio.get_running_loop().time()) == ([0, 1], 5)
        else:
            at_once = how == "when called"
            assert got == ([] if at_once else [1])
            assert asyncio.get_running_loop().time() == (0 if at_once else 3)
        # Nothing is begun behind a failure: each may cost money.
        assert {*work.begun} <= {0, 1, 3, 4}
        assert (4 in work.begun) == (not ordered and how != "when called")
        await settle()
        assert work.running == 0
        assert source.is_closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(read())


def test_what_is_at_work_behind_a_failure_is_cancelled_at_once_and_no_more_is_begun() -> None:
    told: list[tuple[float, str]] = []

    async def work(letter: str) -> str:
        clock = asyncio.get_running_loop().time
        told.append((clock(), letter))
        try:
            await asyncio.sleep({"a": 10, "b": 2, "c": 99}[letter])
        except asyncio.CancelledError:
            told.append((clock(), letter + " is cancelled"))
            raise
        if letter == "b":
            raise OSError
        return letter

    # It is told in its place, behind `a`.
    played = play(ops.map_async(work, concurrency=9), "-(a,b,c)-d----|")
    assert [(at, what) for at, what, _ in played.messages] == [(11, "next"), (11, "error")]
    assert told == [(1, "a"), (1, "b"), (1, "c"), (3, "c is cancelled")]


def test_of_two_failures_the_first_items_is_told() -> None:
    async def fail(number: int) -> None:
        await asyncio.sleep(5 - number)
        raise OSError(str(number))

    with pytest.raises(OSError, match="0"):
        read_mapped(fail, 4, 4)
    with pytest.raises(OSError, match="3"):
        read_mapped(fail, 4, 4, ordered=False)


def test_a_function_that_is_not_asynchronous_is_named_as_the_mistake() -> None:
    with pytest.raises(ConfigError, match="asynchronous function, and this one gave a str"):
        read_mapped(str, 3, 2)


async def test_whatever_can_be_awaited_will_do() -> None:
    def future(number: int) -> asyncio.Future[int]:
        made: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        made.set_result(-number)
        return made

    stream = Numbers(5).pipe(ops.map_async(future, concurrency=2))
    assert await read_all(BoundedSubscriber[int](8).attach(stream)) == [0, -1, -2, -3, -4]


@pytest.mark.parametrize("nothing", [None, 0, ""])
async def test_a_result_may_be_nothing(nothing: object) -> None:
    stream = Numbers(3).pipe(ops.map_async(lambda _: asyncio.sleep(0, nothing), concurrency=2))

    assert await read_all(BoundedSubscriber[Any](8).attach(stream)) == [nothing] * 3


async def test_what_the_function_reads_is_not_held_by_who_reads_its_results() -> None:
    begun, full, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def count(number: int) -> int:
        begun.set()
        await full.wait()
        # To the end of a stream, by way of a plain subscription.
        Numbers(100).subscribe(on_completed=done.set)
        await done.wait()
        return number

    other: Subject[int] = Subject()
    mapped = Numbers(1).pipe(ops.map_async(count, concurrency=1))
    async with BoundedSubscriber[int](1).attach(reactivex.merge(other, mapped)) as reader:
        await begun.wait()
        other.on_next(-1)
        assert reader.ring.group.holding
        full.set()
        async with asyncio.timeout(5):
            await done.wait()


async def test_a_reader_that_the_function_leaves_behind_holds_only_its_own_source() -> None:
    left: list[BoundedSubscriber[int]] = []

    async def peek(number: int) -> int:
        reader = BoundedSubscriber[int](2)
        Numbers(start=number).subscribe(reader)
        left.append(reader)
        await settle(5)
        assert reader.ring.group.holding
        return await anext(reader)

    stream = Numbers(5).pipe(ops.map_async(peek, concurrency=2))
    assert await read_all(BoundedSubscriber[int](8).attach(stream)) == [*range(5)]
    for reader in left:
        reader.ring.group.gates[0].close()
    await settle()


tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


async def test_each_piece_of_work_has_a_context_of_its_own_with_the_subscribers_values() -> None:
    async def ask(number: int) -> str:
        before = tenant.get()
        tenant.set(str(number))
        await asyncio.sleep(0)
        return before + tenant.get()

    tenant.set("me")
    reader = BoundedSubscriber[str](8).attach(Numbers(3).pipe(ops.map_async(ask, concurrency=2)))

    assert await read_all(reader) == ["me0", "me1", "me2"]


def test_a_thousand_at_a_time_is_not_slow() -> None:
    work = Work(seconds=lambda number: (7919 * number) % 1000)
    results, seconds = read_mapped(work, 5000, 1000)

    assert results == [*range(5000)]
    assert work.most == 1000
    assert seconds < 10_000
