"""The hub behind `share`: beginnings and ends, who leaves, who raises."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.disposable import SerialDisposable
from reactivex.subject import Subject

from rxwizard import ConfigError
from rxwizard.demand import BoundedSubscriber, Gate, pushing
from rxwizard.demand import share as module
from rxwizard.demand.hub import Hub, TooLateError
from rxwizard.demand.share import sharing

from .sources import Numbers, read_all, settle

# -- beginning and end -------------------------------------------------------------------------


async def test_nothing_is_subscribed_to_before_somebody_comes() -> None:
    source = Numbers(3)
    shared = source.pipe(sharing())
    await settle()

    assert source.opened == 0
    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == [0, 1, 2]


async def test_the_last_one_leaving_closes_and_the_next_one_begins_anew() -> None:
    source = Numbers()
    shared = source.pipe(sharing())
    first, second = (BoundedSubscriber[int](8).attach(shared) for _ in range(2))
    assert await anext(first) == await anext(second) == 0
    first.cancel()
    await settle()
    assert not source.is_closed
    second.cancel()
    await settle()
    assert source.is_closed

    third = BoundedSubscriber[int](8).attach(shared)
    assert await anext(third) == 0
    assert source.opened == 2
    third.cancel()
    await settle()
    assert source.closed == 2


async def test_the_first_one_may_leave_and_the_source_stays() -> None:
    source = Numbers(100)
    shared = source.pipe(sharing())
    async with BoundedSubscriber[int](8).attach(shared) as first:
        second = BoundedSubscriber[int](8).attach(shared)
        await anext(first)
    await settle()

    assert await read_all(second) == list(range(100))
    assert source.opened == 1


async def test_after_completion_the_next_one_begins_anew() -> None:
    source = Numbers(3)
    shared = source.pipe(sharing())

    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == [0, 1, 2]
    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == [0, 1, 2]
    assert source.opened == 2


async def test_an_error_goes_to_all_after_what_waits_and_the_next_one_begins_anew() -> None:
    source = Numbers(10, fails=1)
    shared = source.pipe(sharing(replay=5))
    readers = [BoundedSubscriber[int](64).attach(shared) for _ in range(3)]
    for reader in readers:
        got = list[int]()
        with pytest.raises(OSError, match="reset"):
            await read_all(reader, got)
        assert got == list(range(10))

    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == list(range(10))
    assert source.opened == 2


async def test_a_branch_may_retry_the_shared_source() -> None:
    source = Numbers(10, fails=2)
    shared = source.pipe(sharing())
    branch = BoundedSubscriber[int](4).attach(shared.pipe(rx.retry(3)))

    assert await read_all(branch) == list(range(10)) * 3
    assert source.opened == source.closed == 3
    assert branch.statistics().peak == 4


async def test_a_source_that_pushes_while_it_is_subscribed_to() -> None:
    opened = list[int]()
    source = reactivex.defer(lambda _: (opened.append(1), reactivex.of(1, 2, 3))[1])
    shared = source.pipe(sharing())

    assert await read_all(BoundedSubscriber[int](8).attach(shared)) == [1, 2, 3]
    assert await read_all(BoundedSubscriber[int](8).attach(shared.pipe(rx.take(2)))) == [1, 2]
    assert len(opened) == 2


async def test_an_endless_source_that_pushes_while_it_is_subscribed_to_is_stopped() -> None:
    def count() -> Any:
        number = 0
        while True:
            yield (number := number + 1)

    shared = reactivex.from_iterable(count()).pipe(sharing())

    assert await read_all(BoundedSubscriber[int](8).attach(shared.pipe(rx.take(3)))) == [1, 2, 3]


async def test_two_applications_share_nothing() -> None:
    source = Numbers(100)
    share = sharing()
    first = BoundedSubscriber[int](8).attach(source.pipe(share))
    second = BoundedSubscriber[int](8).attach(source.pipe(share))

    assert await read_all(first) == list(range(100))
    assert source.opened == 2
    assert second.statistics().waiting == 8
    second.cancel()


# -- leaving -----------------------------------------------------------------------------------


async def test_leaving_last_waits_until_the_source_is_closed() -> None:
    source = Numbers(leaves_slowly=20)
    shared = source.pipe(sharing(), rx.map(str), sharing())
    async with asyncio.timeout(5), BoundedSubscriber[str](8).attach(shared) as last:
        async with BoundedSubscriber[str](8).attach(shared):
            pass
        assert source.closed == 0
        await anext(last)

    assert source.is_closed


async def test_leaving_a_branch_does_not_wait_for_the_source() -> None:
    outer = Numbers().pipe(sharing())
    stays = BoundedSubscriber[int](8).attach(outer)
    async with asyncio.timeout(5), BoundedSubscriber[int](8).attach(outer.pipe(sharing())):
        pass

    assert await anext(stays) == 0
    stays.cancel()


async def test_dropping_the_readers_closes_the_source() -> None:
    source = Numbers()
    shared = source.pipe(sharing(replay=3), rx.map(str))
    readers = [BoundedSubscriber[str](8).attach(shared) for _ in range(3)]
    await settle()
    readers.append(BoundedSubscriber[str](8).attach(shared))
    await settle()
    gc.disable()
    try:
        while readers:
            assert not source.is_closed
            del readers[0]
            await settle(10)
    finally:
        gc.enable()

    assert source.is_closed


async def test_a_reader_kept_for_its_statistics_keeps_nothing_that_was_shared() -> None:
    class Item:
        alive = 0

        def __init__(self) -> None:
            Item.alive += 1

        def __del__(self) -> None:
            Item.alive -= 1

    reader = BoundedSubscriber[Item](8)
    reader.attach(Numbers(20).pipe(rx.map(lambda _: Item()), sharing(replay="all")))
    async for _ in reader:
        pass
    await settle()
    gc.collect()

    assert reader.statistics().delivered == 20
    assert Item.alive <= 1  # the loop's own variable


async def test_leaving_from_other_threads_closes_the_source() -> None:
    source = Numbers()
    shared = source.pipe(sharing(replay=5))
    readers = [BoundedSubscriber[int](8).attach(shared) for _ in range(8)]
    await settle()
    readers += [BoundedSubscriber[int](8).attach(shared) for _ in range(8)]
    threads = [threading.Thread(target=reader.cancel) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await settle()

    assert source.is_closed


def test_joining_and_leaving_on_many_threads_ends_with_nobody() -> None:
    subject: Subject[int] = Subject()
    subscribed, disposed = list[int](), list[int]()

    def subscribe(observer: Any, _scheduler: Any = None) -> Any:
        subscribed.append(1)
        inner = subject.subscribe(observer)
        return SerialDisposableWith(inner, lambda: disposed.append(1))

    shared = reactivex.Observable(subscribe).pipe(sharing())
    got = [list[int]() for _ in range(8)]
    stop = threading.Event()

    def come_and_go(into: list[int]) -> None:
        for _ in range(200):
            shared.subscribe(into.append).dispose()
        shared.subscribe(into.append)

    def push() -> None:
        number = 0
        while not stop.is_set():
            subject.on_next(number := number + 1)

    threads = [threading.Thread(target=come_and_go, args=(into,)) for into in got]
    pusher = threading.Thread(target=push)
    for thread in [*threads, pusher]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    pusher.join()
    for into in got:
        into.clear()
    subject.on_next(-1)

    assert got == [[-1]] * 8
    assert len(subscribed) == len(disposed) + 1


class SerialDisposableWith(SerialDisposable):
    def __init__(self, inner: Any, then: Callable[[], object]) -> None:
        super().__init__()
        self.disposable = inner
        self._then = then

    def dispose(self) -> None:
        super().dispose()
        self._then()


# -- observers that raise ----------------------------------------------------------------------


async def test_an_observer_that_raises_is_let_go_alone_and_the_loop_is_told() -> None:
    told = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    mine = ValueError("mine")

    def fail(number: int) -> None:
        seen.append(number)
        if number == 3:
            raise mine

    seen = list[int]()
    shared = Numbers(50).pipe(sharing())
    reader = BoundedSubscriber[int](8).attach(shared)
    shared.subscribe(fail)
    after = BoundedSubscriber[int](8).attach(shared)
    other = asyncio.ensure_future(read_all(after))

    assert await read_all(reader) == await other == list(range(50))
    assert seen == [0, 1, 2, 3]
    assert [context["exception"] for context in told] == [mine]


async def test_an_observer_that_takes_its_error_gets_what_it_raised() -> None:
    mine, errors = ValueError("mine"), list[Exception]()

    def fail(_: int) -> None:
        raise mine

    source = Numbers()
    source.pipe(sharing()).subscribe(fail, errors.append)
    await settle()

    assert errors == [mine]
    assert source.is_closed


@pytest.mark.parametrize("fails", [0, 1])
async def test_an_observer_that_raises_at_the_end_keeps_it_from_nobody(fails: int) -> None:
    told = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    mine = ValueError("mine")

    def fail(*_: Exception) -> None:
        raise mine

    shared = Numbers(5, fails=fails).pipe(sharing())
    shared.subscribe(lambda _: None, fail, fail)
    reader = BoundedSubscriber[int](8).attach(shared)
    ended = list[Exception | None]()
    shared.subscribe(lambda _: None, ended.append, lambda: ended.append(None))
    await settle()

    assert len(ended) == 1
    assert reader.ring.ended
    assert [context["exception"] for context in told] == [mine]


def test_without_a_loop_what_an_observer_raises_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: int) -> None:
        raise ValueError("mine")

    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing())
    got = list[int]()
    shared.subscribe(fail)
    shared.subscribe(got.append)
    subject.on_next(1)
    subject.on_next(2)

    assert got == [1, 2]
    assert "mine" in caplog.text


async def test_an_observer_may_feed_what_it_reads() -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing())
    got = list[int]()

    def feed(number: int) -> None:
        got.append(number)
        if number < 5:
            subject.on_next(number + 1)
        else:
            subject.on_completed()

    ended = list[int]()
    shared.subscribe(feed, on_completed=lambda: ended.append(1))
    subject.on_next(0)

    assert got == [0, 1, 2, 3, 4, 5]
    assert ended == [1]


async def test_an_observer_may_leave_or_come_during_a_push() -> None:
    subject: Subject[int] = Subject()
    shared = subject.pipe(sharing())
    first, second, third = list[int](), list[int](), list[int]()

    def change(number: int) -> None:
        first.append(number)
        if number == 1:
            leaving.dispose()
            shared.subscribe(third.append)

    shared.subscribe(change)
    leaving = shared.subscribe(second.append)
    for n in range(3):
        subject.on_next(n)

    assert (first, second, third) == ([0, 1, 2], [0], [2])


# -- the rest ----------------------------------------------------------------------------------


async def test_an_error_of_a_reader_knows_what_had_arrived() -> None:
    def note(number: int) -> int:
        gate: Gate | None = pushing.get()
        assert gate is not None
        gate.evidence = lambda: evidence
        return number

    evidence: Any = object()
    shared = Numbers(100).pipe(rx.map(note), sharing(), rx.map(lambda n: n), sharing())
    strict = BoundedSubscriber[int](4, overflow="error").attach(shared)
    await settle()
    with pytest.raises(Exception, match="more than 4 items") as caught:
        await read_all(strict)

    assert getattr(caught.value, "partial", None) is evidence


@pytest.mark.parametrize(
    "options",
    [
        {"replay": -1},
        {"replay": "some"},
        {"stall_timeout": 0},
        {"stall_timeout": float("nan")},
        {"stall_timeout": -float("inf")},
        {"on_stall": "panic"},
    ],
)
def test_options_that_cannot_work_are_refused_when_it_is_made(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        sharing(**options)


async def test_the_hub_pushes_no_more_to_an_observer_that_raised() -> None:
    class Raising(reactivex.abc.ObserverBase[int]):
        got = 0

        def on_next(self, value: int) -> None:
            self.got += 1
            raise ValueError

        def on_error(self, error: Exception) -> None:
            """Taken."""

        def on_completed(self) -> None:
            """Never comes."""

    hub, raising, other = Hub(reactivex.of(1, 2, 3)), Raising(), list[int]()
    hub.join(raising)
    hub.join(reactivex.Observer(other.append))
    hub.connect()

    assert (raising.got, other) == (1, [1, 2, 3])


async def test_the_hub_refuses_who_comes_too_late() -> None:
    hub = Hub(reactivex.of(1))
    ended = list[int]()
    hub.join(reactivex.Observer(on_completed=lambda: ended.append(1)))
    hub.connect()
    assert ended == [1]
    assert not hub.joinable
    with pytest.raises(RuntimeError):
        hub.join(reactivex.Observer())


async def test_who_comes_when_the_last_one_is_leaving_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    join, tries = Hub.join, list[int]()

    def too_late_at_first(hub: Hub[int], observer: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise TooLateError
        return join(hub, observer)

    monkeypatch.setattr(Hub, "join", too_late_at_first)
    reader = BoundedSubscriber[int](8).attach(Numbers(3).pipe(sharing()))

    assert await read_all(reader) == [0, 1, 2]
    assert len(tries) == 2


def test_the_bound_of_everything_is_said_where_it_is_set() -> None:
    assert module.MAX_REPLAY == 131_072
