"""The clock that is lent to operators."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import reactivex
from reactivex import abc
from reactivex import operators as rx

from rxwizard.demand import BoundedSubscriber, LoopScheduler
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, read_all, settle


async def test_work_due_now_is_done_now() -> None:
    scheduler = LoopScheduler(asyncio.get_running_loop())
    done: list[str] = []

    def work(_: abc.SchedulerBase, state: str | None) -> None:
        done.append(state or "")

    scheduler.schedule(work, "at once")
    scheduler.schedule_relative(0, work, "without delay")
    scheduler.schedule_relative(-1, work, "belated")

    assert done == ["at once", "without delay", "belated"]


async def test_work_due_now_waits_for_the_work_that_asked_for_it() -> None:
    scheduler = LoopScheduler(asyncio.get_running_loop())
    done: list[str] = []

    def outer(_: abc.SchedulerBase, _state: object) -> None:
        scheduler.schedule(lambda *_: done.append("inner"))
        done.append("outer")

    scheduler.schedule(outer)

    assert done == ["outer", "inner"]


def test_work_that_goes_on_later_does_not_block_the_loop() -> None:
    async def repeat() -> list[tuple[float, int]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[float, int]] = []

        def again(scheduler: abc.SchedulerBase, count: Any = None) -> None:
            seen.append((loop.time(), count))
            if count:
                # The scheduler it is handed: RxPY's trampoline would sleep here.
                scheduler.schedule_relative(3600, again, count - 1)

        LoopScheduler(loop).schedule(again, 2)
        await asyncio.sleep(3 * 3600)
        return seen

    assert run_in_virtual_time(repeat()) == [(0, 2), (3600, 1), (7200, 0)]


def test_operators_that_keep_time_do_so_on_the_loop() -> None:
    async def read() -> tuple[list[int], set[str], float]:
        threads: set[str] = set()

        def note(number: int) -> int:
            threads.add(threading.current_thread().name)
            return number

        ticks = reactivex.interval(60).pipe(rx.take(3), rx.map(note), rx.delay(30))
        generated = reactivex.generate_with_relative_time(
            0, lambda n: n < 3, lambda n: n + 1, lambda n: 10.0 * (n + 1)
        ).pipe(rx.map(note))
        reader = BoundedSubscriber[int](8).attach(generated.pipe(rx.concat(ticks)))
        got = [item async for item in reader]
        return got, threads, asyncio.get_running_loop().time()

    got, threads, seconds = run_in_virtual_time(read())
    assert got == [0, 1, 2, 0, 1, 2]
    assert threads == {"MainThread"}
    assert seconds == pytest.approx(10 + 20 + 30 + 180 + 30)


def test_a_timer_above_a_cancelled_reader_is_gone() -> None:
    async def leave() -> int:
        fired: list[int] = []
        source = reactivex.interval(1).pipe(rx.do_action(fired.append))
        reader = BoundedSubscriber[int](8).attach(source)
        assert await anext(reader) == 0
        reader.cancel()
        await asyncio.sleep(1000)
        return len(fired)

    assert run_in_virtual_time(leave()) == 1


async def test_an_inner_source_that_is_due_now_keeps_the_bound() -> None:
    # With RxPY's AsyncIOScheduler this is 800.
    reader = BoundedSubscriber[int](8).attach(
        Numbers(100).pipe(rx.flat_map(lambda n: reactivex.from_iterable([n] * 50)))
    )
    await settle()

    assert reader.statistics().waiting == 50
    assert len(await read_all(reader)) == 5000
