"""Sources on other threads, readers in other loops, cancelled at any moment."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import reactivex
from reactivex import abc
from reactivex import operators as rx
from reactivex.disposable import Disposable
from reactivex.scheduler import NewThreadScheduler
from reactivex.subject import Subject
from streaming import client, numbered, places

from rxwizard import BufferOverflowError, MissingBackpressureError
from rxwizard.demand import BoundedSubscriber, Gate, Overflow, Subscription, subscribe_with
from rxwizard.demand.gate import GateGroup, downstream
from rxwizard.testing import Script, Simulator

from .sources import Numbers, read_all, settle

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Let threads meet at every step."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class ThreadGate(Gate):
    """The gate of a source that runs on a thread of its own."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        super().__init__()
        self._event = threading.Event()

    @property
    def finished(self) -> bool:
        return self.closed

    @property
    def pausable(self) -> bool:
        return True

    async def wait_finished(self) -> None:
        """It has nothing to free."""

    def _opened(self) -> None:
        self._event.set()

    def wait_open(self) -> bool:
        while True:
            # Cleared first: it may be closed or released right after one has looked.
            self._event.clear()
            if self.closed:
                return False
            if not self.holders:
                return True
            assert self._event.wait(10), f"held for ever by {self.holders}"


class Threaded(reactivex.Observable[int]):
    """Counts on a thread of its own, as fast as its gate lets it."""

    def __init__(self, count: int | None = None) -> None:
        super().__init__(self._subscribe_on_thread)
        self._count = 10**9 if count is None else count
        self.threads: list[threading.Thread] = []
        self.given = 0
        self.error: BaseException | None = None

    def _subscribe_on_thread(
        self, observer: abc.ObserverBase[int], _scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        gate = ThreadGate()
        if (reader := downstream.get()) is not None:
            reader.attach(gate)
        thread = threading.Thread(target=self._run, args=(gate, observer))
        self.threads.append(thread)
        thread.start()
        return Disposable(gate.close)

    def _run(self, gate: ThreadGate, observer: abc.ObserverBase[int]) -> None:
        try:
            for number in range(self._count):
                if gate.holders and not gate.wait_open():
                    return
                self.given += 1
                observer.on_next(number)
            gate.close()
            observer.on_completed()
        except BaseException as error:
            self.error = error
            raise

    async def join(self) -> None:
        for thread in self.threads:
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()
        assert self.error is None


async def test_rule_14_a_source_on_another_thread() -> None:
    def push() -> None:
        for number in range(64):
            subject.on_next(number)
        subject.on_completed()

    subject: Subject[int] = Subject()
    reader = BoundedSubscriber[int](64).attach(subject)
    thread = threading.Thread(target=push)
    thread.start()

    assert await read_all(reader) == list(range(64))
    await asyncio.to_thread(thread.join)


async def test_rule_14_a_reader_in_another_threads_loop() -> None:
    source = Numbers(1000, leaves_slowly=20)
    reader = BoundedSubscriber[int](8).attach(source)

    async def read() -> tuple[list[int], bool]:
        async with reader:
            got = [await anext(reader) for _ in range(500)]
        return got, source.is_closed

    got, was_closed = await asyncio.to_thread(asyncio.run, read())

    assert got == list(range(500))
    assert was_closed
    assert reader.statistics().peak == 8


ALONE = {"merge": lambda _a, _b: None}
JOINED = {"merge": lambda a, b: f"{a} {b}"}
WEIGHED = {"weigh": lambda item: len(item), "max_weight": 40}


@pytest.mark.parametrize(
    ("overflow", "options"),
    [
        ("pause", {}),
        ("pause", {"low": 0}),
        ("pause", WEIGHED),
        ("coalesce", ALONE),
        ("coalesce", JOINED | WEIGHED),
        ("drop_oldest", {}),
        ("drop_oldest", WEIGHED),
        ("drop_newest", {}),
        ("drop_newest", WEIGHED),
        ("latest", {}),
    ],
)
@pytest.mark.parametrize("capacity", [1, 2, 7])
async def test_no_policy_loses_count_under_threads(
    overflow: str, options: dict[str, Any], capacity: int
) -> None:
    count = 1500
    options = {name: value for name, value in options.items() if name != "low" or capacity > 1}
    source = Threaded(count)
    reader = BoundedSubscriber[str](capacity, overflow=overflow, **options)
    reader.attach(source.pipe(rx.map(str)))
    got = await read_all(reader)
    await source.join()
    seen = reader.statistics()

    numbers = [int(number) for item in got for number in item.split()]
    assert numbers == sorted(set(numbers))
    assert len(numbers) + seen.dropped == count
    assert seen.delivered == len(got)
    assert seen.delivered + seen.dropped + seen.merged == count
    assert (seen.waiting, seen.weight) == (0, 0)
    assert seen.peak <= capacity + (overflow == "coalesce")
    if overflow in ("pause", "coalesce"):
        assert seen.dropped == 0
    else:
        assert seen.pauses == 0


@pytest.mark.parametrize("overflow", ["pause", "coalesce", "drop_oldest"])
async def test_both_sides_on_threads_of_their_own(overflow: str) -> None:
    source = Threaded(2000)
    reader = BoundedSubscriber[int](3, overflow=overflow, merge=lambda _a, _b: None)
    reader.attach(source)
    got = await asyncio.to_thread(asyncio.run, read_all(reader))
    await source.join()

    assert got == sorted(set(got))
    assert len(got) + reader.statistics().dropped == 2000


@pytest.mark.parametrize("batched", [False, True])
async def test_a_pump_in_this_loop_and_a_reader_in_another(batched: bool) -> None:
    source = Numbers(2000, batch=5)
    reader = BoundedSubscriber[int](4).attach(source)

    async def read() -> list[int]:
        if batched:
            return [item async for batch in reader.batches(3) for item in batch]
        return await read_all(reader)

    assert await asyncio.to_thread(asyncio.run, read()) == list(range(2000))
    assert reader.statistics().peak == 4
    await settle()
    assert source.is_closed


POLICIES = ["pause", "drop_oldest", "drop_newest", "latest"]


async def read_until(reader: BoundedSubscriber[int], most: int, reached: threading.Event) -> Any:
    """Read to the end; give what came, and the error if that is the end."""
    got: list[int] = []
    try:
        async with asyncio.timeout(10):
            async for item in reader:
                got.append(item)
                if len(got) == most:
                    reached.set()
    except ValueError as error:
        return got, error
    return got, None


@pytest.mark.parametrize("seed", range(40))
async def test_ended_at_any_moment_from_another_thread(seed: int) -> None:
    """By who cancels, or by the watchdog of a shared source."""
    chance = random.Random(seed)
    reached = threading.Event()
    put_out = chance.choice([None, ValueError("put out")])
    source = Threaded()
    reader = BoundedSubscriber[int](chance.choice([1, 2, 8]), overflow=chance.choice(POLICIES))
    reader.attach(source)

    def end() -> None:
        assert reached.wait(10)
        if put_out is None:
            reader.cancel()
            assert reader.statistics().waiting == 0
        else:
            reader.ring.fail(put_out)

    ending = asyncio.ensure_future(asyncio.to_thread(end))
    most = chance.randrange(1, 40)
    got, error = await read_until(reader, most, reached)
    await ending
    await source.join()

    assert error is put_out
    assert len(got) >= most
    assert got == sorted(set(got))
    for _ in range(2):
        with pytest.raises(StopAsyncIteration if put_out is None else ValueError):
            await anext(reader)


async def test_a_reader_that_turns_lossy_at_any_moment() -> None:
    for capacity in (1, 2, 8) * 5:
        source = Threaded(300)
        reader = BoundedSubscriber[int](capacity).attach(source)
        turning = asyncio.ensure_future(asyncio.to_thread(reader.ring.group.turn_lossy))
        got = await read_all(reader)
        await turning
        await source.join()

        assert got == sorted(set(got))
        assert len(got) + reader.statistics().dropped == 300
        assert reader.statistics().peak <= capacity + 1


async def test_a_reader_dropped_at_any_moment_stops_its_thread() -> None:
    for count in range(30):
        source = Threaded()
        async for item in BoundedSubscriber[int](2).attach(source):
            if item >= count:
                break
        await source.join()


class Asking:
    """Asks for one item after another, from other threads."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.ended = asyncio.Event()

    def on_subscribe(self, subscription: Subscription) -> None:
        self.subscription = subscription

    def on_next(self, item: int) -> None:
        self.items.append(item)

    def on_error(self, error: Exception) -> None:
        raise error

    def on_completed(self) -> None:
        self.ended.set()


async def test_requests_of_many_threads_to_a_source_on_another() -> None:
    source, asking = Threaded(800), Asking()
    subscription = subscribe_with(source, asking, 4)

    def ask() -> None:
        for _ in range(200):
            subscription.request(1)

    await asyncio.gather(*[asyncio.to_thread(ask) for _ in range(4)])
    async with asyncio.timeout(10):
        await asking.ended.wait()
    await source.join()

    assert asking.items == list(range(800))


async def test_a_subscription_cancelled_at_any_moment_from_another_thread() -> None:
    for _ in range(40):
        source, asking = Threaded(), Asking()
        subscription = subscribe_with(source, asking, 4)
        subscription.request(10**6)
        while len(asking.items) < 5:
            await asyncio.sleep(0)
        await asyncio.to_thread(subscription.cancel)
        await source.join()
        await settle(3)
        before = len(asking.items)
        await settle(3)

        assert asking.items == list(range(before))


async def test_a_thread_that_rx_made_pushes_into_each_policy() -> None:
    for overflow in (Overflow.DROP_OLDEST, Overflow.DROP_NEWEST, Overflow.LATEST):
        source = reactivex.range(0, 200, scheduler=NewThreadScheduler())
        reader = BoundedSubscriber[int](8, overflow=overflow).attach(source)
        got = await read_all(reader)

        assert len(got) + reader.statistics().dropped == 200

    source = reactivex.range(0, 200, scheduler=NewThreadScheduler())
    assert await read_all(BoundedSubscriber[int](200).attach(source)) == list(range(200))


@pytest.mark.parametrize(
    ("overflow", "error"), [("pause", MissingBackpressureError), ("error", BufferOverflowError)]
)
async def test_a_thread_that_cannot_be_held_and_outruns_is_an_error(
    overflow: str, error: type[Exception]
) -> None:
    subject: Subject[int] = Subject()
    reader = BoundedSubscriber[int](8, overflow=overflow).attach(subject)

    def push() -> None:
        for number in range(100):
            subject.on_next(number)

    thread = threading.Thread(target=push)
    thread.start()
    thread.join()  # this loop is blocked, and cannot read
    got: list[int] = []
    with pytest.raises(error):
        await read_all(reader, got)

    assert got == list(range(8 + (overflow == "pause")))


async def test_two_readers_of_one_source_in_two_loops() -> None:
    source = Numbers(1000)
    shared = source.pipe(rx.publish())
    here = BoundedSubscriber[int](8).attach(shared)
    there = BoundedSubscriber[int](3).attach(shared)
    shared.connect()
    reading = asyncio.ensure_future(asyncio.to_thread(asyncio.run, read_all(there)))

    assert await read_all(here) == list(range(1000))
    assert await reading == list(range(1000))


def test_a_whole_client_in_a_worker_threads_loop() -> None:
    async def talk() -> list[int]:
        async with Simulator(Script(numbered(100))) as simulator, client(simulator) as one_client:
            return places([chunk async for chunk in one_client.generate_stream("Hello")])

    results: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: results.append(asyncio.run(talk()))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [list(range(100))] * 2


async def test_a_stream_consumed_from_another_threads_loop() -> None:
    async with Simulator(Script(numbered(300))) as simulator, client(simulator) as one_client:
        reader = one_client.generate_stream("Hello").bounded(8)

        async def read() -> list[int]:
            async with reader:
                return places([chunk async for chunk in reader])

        assert await asyncio.to_thread(asyncio.run, read()) == list(range(300))
        assert reader.statistics().peak == 8


async def test_a_stream_cancelled_from_another_thread_closes_the_connection() -> None:
    async with Simulator(Script(numbered(3000))) as simulator:
        reader = client(simulator).generate_stream("Hello").bounded(8)
        await anext(reader)
        exchange = await simulator.request()
        await asyncio.to_thread(reader.cancel)
        await exchange.gone()

        assert [item async for item in reader] == []


# -- moments that a stress may miss ---------------------------------------------------------------


async def test_a_reader_that_drains_between_the_push_and_the_hold_is_not_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold = GateGroup.hold
    got: list[int] = []

    def drained(group: GateGroup) -> None:
        got.extend(reader.ring.take_waiting())
        hold(group)

    source = Numbers(50)
    reader = BoundedSubscriber[int](8).attach(source)
    monkeypatch.setattr(GateGroup, "hold", drained)
    await settle()

    assert got + await read_all(reader) == list(range(50))
    assert source.is_closed


async def test_a_reader_that_is_dropped_inside_a_hold_holds_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold = GateGroup.hold

    def dropped(group: GateGroup) -> None:
        if group is short.ring.group:
            short.cancel()
        hold(group)

    shared = Numbers(50).pipe(rx.publish())
    short = BoundedSubscriber[int](8).attach(shared)
    long = BoundedSubscriber[int](64).attach(shared)
    monkeypatch.setattr(GateGroup, "hold", dropped)
    shared.connect()

    assert await read_all(long) == list(range(50))


async def test_a_push_that_has_seen_no_end_yet_is_forgotten() -> None:
    reader = BoundedSubscriber[int](8).attach(reactivex.never())
    queue = reader.ring.queue  # as `on_next` has it in its hand
    reader.cancel()
    queue.append(1)

    assert await read_all(reader) == []
    assert reader.statistics().waiting == 0


@pytest.mark.parametrize("options", [{}, {"weigh": lambda _: 1, "max_weight": 9}])
async def test_the_newest_was_taken_before_it_could_be_dropped(options: dict[str, Any]) -> None:
    reader = BoundedSubscriber[int](1, **options).attach(reactivex.never())
    reader.ring._drop_newest()

    assert reader.statistics().dropped == 0


async def test_the_newest_was_taken_while_another_was_merged_with_it() -> None:
    def merge(first: int, second: int) -> int:
        taken.extend(reader.ring.take_waiting())
        return first + second

    taken: list[int] = []
    reader = BoundedSubscriber[int](1, overflow="coalesce", merge=merge)
    reader.attach(subject := Subject[int]())
    subject.on_next(1)
    subject.on_next(2)
    subject.on_completed()
    rest = await read_all(reader)
    seen = reader.statistics()

    assert (taken, rest) == ([1], [2])
    assert (seen.merged, seen.weight) == (0, 0)


async def test_who_cancels_and_who_pushes_wake_once() -> None:
    calls: list[str] = []
    reader = BoundedSubscriber[int](8)
    reader.ring.call_when_ready(lambda: calls.append("woken"))
    reader.on_next(1)
    reader.cancel()

    assert calls == ["woken"]
