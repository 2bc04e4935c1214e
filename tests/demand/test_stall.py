"""The watchdog of a shared source: who stands still is named, and by choice put out or let be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import wraps
from math import inf
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.subject import Subject

from rxwizard import ReaderDeadlineError
from rxwizard.demand import BoundedSubscriber, pushing, subscribe_with
from rxwizard.demand.gate import GateGroup, PumpGate
from rxwizard.demand.share import sharing
from rxwizard.operators import bounded
from rxwizard.testing import run_in_virtual_time

from .sources import Numbers, settle
from .test_share import WAYS

EVERYTHING = list(range(200))


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on a clock of its own, and see that it leaves no timer behind."""

    @wraps(test)
    def run(*args: Any, **options: Any) -> None:
        async def run_to_the_end() -> None:
            await test(*args, **options)
            await settle()
            assert timers() == 0

        run_in_virtual_time(run_to_the_end())

    return run


def timers() -> int:
    """Count the timers that are still to come."""
    loop: Any = asyncio.get_running_loop()
    return sum(not timer.cancelled() for timer in loop._scheduled)


async def read_at(
    reader: BoundedSubscriber[int], seconds: float = 0, into: list[int] | None = None
) -> list[int]:
    got = [] if into is None else into
    async for item in reader:
        got.append(item)
        if seconds:
            await asyncio.sleep(seconds)
    return got


class Two:
    """The branches `first`, which is read, and `second`, which is not."""

    def __init__(self, join: Any = None, **options: Any) -> None:
        self.source = Numbers(200)
        self.shared = self.source.pipe(sharing(**options))
        self.first = BoundedSubscriber[int](8, name="first").attach(self.shared)
        self.second = BoundedSubscriber[int](8, name="second")
        (join or WAYS[0])(self.shared, self.second)
        self.reading = asyncio.ensure_future(read_at(self.first))


# -- what is done ------------------------------------------------------------------------------


@pytest.mark.parametrize("join", WAYS)
@in_virtual_time
async def test_who_holds_the_source_is_named_once(
    caplog: pytest.LogCaptureFixture, join: Any
) -> None:
    two = Two(join)
    await asyncio.sleep(29)
    assert caplog.records == []
    await asyncio.sleep(2)
    (record,) = caplog.records
    assert "second has taken nothing for 30 s" in record.getMessage()
    assert (record.name, record.levelno) == ("rxwizard.demand.stall", logging.WARNING)
    await asyncio.sleep(1000)
    assert len(caplog.records) == 1
    assert not two.reading.done()

    assert await read_at(two.second) == await two.reading == EVERYTHING


@in_virtual_time
async def test_it_is_named_again_when_it_stands_still_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    two = Two(stall_timeout=5)
    await asyncio.sleep(100)
    assert [await anext(two.second) for _ in range(20)] == EVERYTHING[:20]
    assert len(caplog.records) == 1
    await asyncio.sleep(100)
    assert len(caplog.records) == 2

    assert await read_at(two.second) == EVERYTHING[20:]
    assert await two.reading == EVERYTHING


@pytest.mark.parametrize("join", WAYS)
@in_virtual_time
async def test_it_may_be_waited_for_no_more(caplog: pytest.LogCaptureFixture, join: Any) -> None:
    two = Two(join, on_stall="lossy")
    assert await two.reading == EVERYTHING
    assert 30 <= asyncio.get_running_loop().time() < 60
    assert "second has taken nothing for 30 s" in caplog.text
    assert "lossy" in caplog.text
    counted = two.second.statistics()
    assert (counted.waiting, counted.dropped) == (8, 192)

    assert await read_at(two.second) == EVERYTHING[:8]
    assert two.source.is_closed


@in_virtual_time
async def test_one_that_wakes_up_later_gets_what_comes_then_and_counts_what_it_lost() -> None:
    shared = Numbers(400).pipe(sharing(on_stall="lossy"))
    first = BoundedSubscriber[int](8).attach(shared)
    second = BoundedSubscriber[int](8).attach(shared)
    ahead = asyncio.ensure_future(read_at(first, 1))
    await asyncio.sleep(100)
    got = [await anext(second) for _ in range(8)]
    await asyncio.sleep(5)
    got += [item async for item in second]
    counted = second.statistics()

    assert await ahead == list(range(400))
    assert got == sorted(set(got))
    assert got[:8] == EVERYTHING[:8]
    assert len(got) > 200
    assert counted.delivered == len(got)
    assert counted.delivered + counted.dropped == 400


@pytest.mark.parametrize("join", WAYS)
@in_virtual_time
async def test_it_may_be_put_out_after_what_waited(join: Any) -> None:
    two = Two(join, on_stall="evict", stall_timeout=10)
    assert await two.reading == EVERYTHING
    assert 10 <= asyncio.get_running_loop().time() < 20
    got = list[int]()
    with pytest.raises(ReaderDeadlineError, match="second has taken nothing for 10 s") as caught:
        await read_at(two.second, into=got)

    assert got == EVERYTHING[:8]
    assert caught.value.seconds == 10
    assert not caught.value.retryable
    assert two.source.is_closed


@in_virtual_time
async def test_who_is_put_out_learns_what_had_arrived() -> None:
    def note(number: int) -> int:
        gate = pushing.get()
        assert gate is not None
        gate.evidence = lambda: evidence
        return number

    evidence: Any = object()
    shared = Numbers(200).pipe(rx.map(note), sharing(on_stall="evict"))
    second = BoundedSubscriber[int](8).attach(shared)

    assert await read_at(BoundedSubscriber[int](8).attach(shared)) == EVERYTHING
    with pytest.raises(ReaderDeadlineError) as caught:
        await read_at(second)
    assert caught.value.partial is evidence


@pytest.mark.parametrize("action", ["lossy", "evict"])
@in_virtual_time
async def test_several_may_stand_still(action: str, caplog: pytest.LogCaptureFixture) -> None:
    shared = Numbers(200).pipe(sharing(on_stall=action))
    asleep = [BoundedSubscriber[int](8, name=f"reader {n}").attach(shared) for n in range(3)]

    assert await read_at(BoundedSubscriber[int](8).attach(shared)) == EVERYTHING
    assert len(caplog.records) == 3
    assert [reader.statistics().waiting for reader in asleep] == [8, 8, 8]


@pytest.mark.parametrize("action", ["lossy", "evict"])
@in_virtual_time
async def test_one_that_stands_still_while_it_catches_up(action: str) -> None:
    shared = Numbers(200).pipe(sharing(replay="all", on_stall=action))
    first = BoundedSubscriber[int](8).attach(shared)
    assert [await anext(first) for _ in range(100)] == EVERYTHING[:100]
    late = BoundedSubscriber[int](8).attach(shared)

    assert await read_at(first) == EVERYTHING[100:]
    counted = late.statistics()
    assert counted.waiting == 8
    if action == "lossy":
        assert counted.dropped == 192
        assert await read_at(late) == EVERYTHING[:8]
    else:
        with pytest.raises(ReaderDeadlineError):
            await read_at(late)


@pytest.mark.parametrize("action", ["lossy", "evict"])
@in_virtual_time
async def test_one_with_credits_that_asks_for_nothing(action: str) -> None:
    class Subscriber:
        def __init__(self) -> None:
            self.got = list[Any]()

        def on_subscribe(self, subscription: Any) -> None:
            subscription.request(3)

        def on_next(self, item: int) -> None:
            self.got.append(item)

        def on_error(self, error: Exception) -> None:
            self.got.append(type(error))

        def on_completed(self) -> None:
            self.got.append(None)

    shared = Numbers(200).pipe(sharing(on_stall=action))
    subscriber = Subscriber()
    subscription = subscribe_with(shared, subscriber, 8)

    assert await read_at(BoundedSubscriber[int](8).attach(shared)) == EVERYTHING
    subscription.request(100)
    await settle()
    end = None if action == "lossy" else ReaderDeadlineError
    assert subscriber.got[:11] == EVERYTHING[:11]
    assert subscriber.got[-1] is end


# -- who is meant ------------------------------------------------------------------------------


@in_virtual_time
async def test_a_reader_that_is_slow_but_goes_on_is_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    two = Two(on_stall="evict", stall_timeout=5)

    assert await read_at(two.second, 4.9) == EVERYTHING
    assert await two.reading == EVERYTHING
    assert caplog.records == []


@pytest.mark.parametrize("join", WAYS)
@in_virtual_time
async def test_one_that_nobody_waits_for_is_left_alone(
    caplog: pytest.LogCaptureFixture, join: Any
) -> None:
    shared = Numbers(200).pipe(sharing(on_stall="evict", stall_timeout=5))
    sole = BoundedSubscriber[int](8)
    join(shared, sole)
    await asyncio.sleep(1000)

    assert await read_at(sole) == EVERYTHING
    assert caplog.records == []


@in_virtual_time
async def test_one_that_reads_two_branches_waits_for_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared = Numbers(200).pipe(sharing(on_stall="evict", stall_timeout=5))
    both = reactivex.merge(shared, shared.pipe(rx.filter(lambda n: n % 2 == 0)))
    sole = BoundedSubscriber[int](8).attach(both)
    await asyncio.sleep(1000)

    assert len(await read_at(sole)) == 300
    assert caplog.records == []


@in_virtual_time
async def test_where_all_are_asleep_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    shared = Numbers(200).pipe(sharing(on_stall="evict", stall_timeout=30))
    first, second = (BoundedSubscriber[int](8).attach(shared) for _ in range(2))
    await asyncio.sleep(1000)
    reading = asyncio.ensure_future(read_at(first))
    await asyncio.sleep(29)  # only now somebody waits
    assert caplog.records == []

    assert await read_at(second) == await reading == EVERYTHING


@in_virtual_time
async def test_the_time_begins_when_somebody_comes_who_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared = Numbers(200).pipe(sharing(stall_timeout=30))
    first = BoundedSubscriber[int](8, name="first").attach(shared)
    await asyncio.sleep(89)
    second = BoundedSubscriber[int](8).attach(shared)
    await asyncio.sleep(29)
    assert caplog.records == []
    await asyncio.sleep(31)
    assert "first has taken nothing" in caplog.text
    first.cancel()
    second.cancel()


@in_virtual_time
async def test_those_who_come_and_go_do_not_put_it_off(caplog: pytest.LogCaptureFixture) -> None:
    two = Two(on_stall="lossy")
    for _ in range(6):
        await asyncio.sleep(10)
        BoundedSubscriber[int](8).attach(two.shared).cancel()

    assert await two.reading == EVERYTHING
    assert asyncio.get_running_loop().time() <= 60


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "latest"])
@in_virtual_time
async def test_a_reader_that_may_lose_is_never_meant(
    policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    shared = Numbers(200).pipe(sharing(stall_timeout=5))
    asleep = BoundedSubscriber[int](8, overflow=policy).attach(shared)

    assert await read_at(BoundedSubscriber[int](8).attach(shared), 1) == EVERYTHING
    assert caplog.records == []
    asleep.cancel()


@in_virtual_time
async def test_one_behind_another_share_is_found(caplog: pytest.LogCaptureFixture) -> None:
    source = Numbers(200)
    outer = source.pipe(sharing(on_stall="evict"))
    inner = outer.pipe(rx.map(lambda n: n), sharing())
    second = BoundedSubscriber[int](8, name="second").attach(inner)

    assert await read_at(BoundedSubscriber[int](8).attach(outer)) == EVERYTHING
    assert "second has taken nothing" in caplog.text
    with pytest.raises(ReaderDeadlineError):
        await read_at(second)
    assert source.is_closed


@in_virtual_time
async def test_one_that_left_behind_another_share_is_not_meant(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outer = Numbers(200).pipe(sharing())
    inner = outer.pipe(rx.map(lambda n: n), sharing(stall_timeout=inf))
    leaves = BoundedSubscriber[int](8, name="leaves").attach(inner)
    stays = BoundedSubscriber[int](8, name="stays").attach(inner)
    reading = asyncio.ensure_future(read_at(BoundedSubscriber[int](8).attach(outer)))
    await asyncio.sleep(10)
    leaves.cancel()
    await asyncio.sleep(100)
    assert "stays has taken nothing" in caplog.text
    assert "leaves" not in caplog.text

    assert await read_at(stays) == await reading == EVERYTHING


@in_virtual_time
async def test_a_boundary_is_a_reader_with_a_name(caplog: pytest.LogCaptureFixture) -> None:
    shared = Numbers(200).pipe(sharing(on_stall="lossy"))
    second = BoundedSubscriber[int](8).attach(shared.pipe(bounded(4, name="screen")))

    assert await read_at(BoundedSubscriber[int](8).attach(shared)) == EVERYTHING
    assert "screen has taken nothing" in caplog.text
    assert (await read_at(second))[:12] == EVERYTHING[:12]


async def test_one_that_is_waited_for_no_more_holds_nothing_that_is_found_later() -> None:
    reader = BoundedSubscriber[int](2).attach(Numbers())
    await settle()
    group, gate = reader.ring.group, PumpGate()
    assert group.holding
    group.turn_lossy()
    group.attach(gate)
    group.hold()

    assert not gate.holders
    assert not group.holding
    reader.cancel()


async def test_that_a_source_could_be_paused_is_not_forgotten_with_it() -> None:
    group, gate = GateGroup(), PumpGate()
    group.attach(gate)
    gate.finish()
    group.attach(None)

    assert not group.gates
    assert group.linked


# -- timers ------------------------------------------------------------------------------------


@in_virtual_time
async def test_there_is_a_timer_only_while_somebody_holds() -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing())
    reader = BoundedSubscriber[int](2).attach(shared)
    BoundedSubscriber[int](8).attach(shared)
    subject.on_next(1)
    assert timers() == 0
    subject.on_next(2)
    assert timers() == 1
    assert [await anext(reader) for _ in range(2)] == [1, 2]
    await asyncio.sleep(31)
    assert timers() == 0
    subject.on_next(3)
    subject.on_next(4)
    assert timers() == 1
    subject.on_completed()
    assert timers() == 0


@in_virtual_time
async def test_a_time_without_end_needs_no_timer(caplog: pytest.LogCaptureFixture) -> None:
    two = Two(stall_timeout=inf)
    await settle()
    assert timers() == 0
    await asyncio.sleep(10**6)
    assert caplog.records == []

    assert await read_at(two.second) == await two.reading == EVERYTHING


async def test_a_source_on_another_thread_is_watched_too() -> None:
    asyncio.get_running_loop().set_debug(True)  # it then insists that its timers are its own
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing())
    reader = BoundedSubscriber[int](2).attach(shared)
    for number in range(2):
        await asyncio.to_thread(subject.on_next, number)
    assert timers() == 1
    await asyncio.to_thread(reader.cancel)
    await settle()

    assert timers() == 0
