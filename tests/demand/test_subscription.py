"""Credits, by the rules of Reactive Streams 1.0.4 and their numbers (1.1 is 101, 3.17 is 317)."""

from __future__ import annotations

import asyncio
import gc
import inspect
import re
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import reactivex
from reactivex import operators as rx
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from rxwizard import BufferOverflowError, ConfigError, MissingBackpressureError
from rxwizard.demand import BoundedSubscriber, Overflow, Subscription, subscribe_with

from .sources import Numbers, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Reports = list[dict[str, Any]]


def depth() -> int:
    """Count the frames of this thread's stack."""
    frame, count = inspect.currentframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


class Recorder:
    """Asks for `first` at the beginning and `each` inside every item, and notes all signals."""

    def __init__(self, first: int = 0, each: int = 0) -> None:
        self.first = first
        self.each = each
        self.signals: list[object] = []
        self.threads: set[int] = set()
        self.inside = 0
        self.depth = 0
        self.act: Callable[[int], object] = lambda _: None

    @property
    def items(self) -> list[object]:
        return [signal for signal in self.signals if isinstance(signal, int)]

    @property
    def end(self) -> object:
        """The end's signal; an error where there is none."""
        assert all(isinstance(signal, int) for signal in self.signals[1:-1])
        assert not isinstance(self.signals[-1], int)
        return self.signals[-1]

    def note(self, signal: object) -> None:
        assert not self.inside, "a signal inside a signal"
        self.threads.add(threading.get_ident())
        self.signals.append(signal)

    def on_subscribe(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.note("subscribed")
        if self.first:
            subscription.request(self.first)

    def on_next(self, item: int) -> None:
        self.note(item)
        self.inside += 1
        self.depth = max(self.depth, depth())
        if self.each:
            self.subscription.request(self.each)
        self.act(item)
        self.inside -= 1

    def on_error(self, error: Exception) -> None:
        self.note(error)

    def on_completed(self) -> None:
        self.note("completed")


@pytest.fixture
async def reports() -> Reports:
    """What the loop's exception handler was told."""
    told: Reports = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    return told


async def test_101_never_more_on_next_than_requested() -> None:
    recorder = Recorder(first=3)
    subscription = subscribe_with(Numbers(), recorder)
    await settle()
    assert recorder.items == [0, 1, 2]

    subscription.request(2)
    await settle()
    assert recorder.items == [0, 1, 2, 3, 4]
    subscription.cancel()


@pytest.mark.parametrize("capacity", [1, 2, 64])
async def test_101_prefetch_stays_inside_capacity(capacity: int) -> None:
    source, recorder = Numbers(), Recorder()
    subscription = subscribe_with(source, recorder, capacity)
    await settle()
    assert subscription.statistics().waiting == capacity
    assert source.given <= capacity + 1

    subscription.request(1000)
    await settle(1500)
    assert recorder.items == list(range(1000))
    assert subscription.statistics().peak == capacity
    subscription.cancel()


async def test_102_may_complete_with_fewer_than_requested() -> None:
    recorder = Recorder(first=100)
    subscribe_with(Numbers(3), recorder)
    await settle()

    assert recorder.signals == ["subscribed", 0, 1, 2, "completed"]


async def test_103_signals_are_serial() -> None:
    # The recorder itself refuses a signal inside a signal.
    recorder = Recorder(first=1, each=2)
    subscription = subscribe_with(Numbers(500), recorder, 8)
    threads = [threading.Thread(target=ask, args=(subscription,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await settle(500)

    assert recorder.items == list(range(500))
    assert recorder.threads == {threading.get_ident()}


def ask(subscription: Subscription) -> None:
    for _ in range(50):
        subscription.request(1)


async def test_103_a_refusal_from_another_thread_is_signalled_on_the_loops() -> None:
    recorder = Recorder(first=1)
    subscription = subscribe_with(Numbers(), recorder)
    await settle()
    await asyncio.to_thread(subscription.request, 0)
    await settle()

    assert isinstance(recorder.end, ConfigError)
    assert recorder.threads == {threading.get_ident()}


async def test_104_failure_signals_on_error_after_what_was_waiting() -> None:
    recorder = Recorder()
    subscription = subscribe_with(Numbers(5, fails=1), recorder)
    await settle()
    subscription.request(4)
    assert recorder.items == [0, 1, 2, 3]
    assert len(recorder.signals) == 5

    subscription.request(1)
    assert isinstance(recorder.end, OSError)
    assert recorder.items == [0, 1, 2, 3, 4]


async def test_105_empty_stream_completes_without_demand() -> None:
    recorder = Recorder()
    subscribe_with(Numbers(0), recorder)
    await settle()

    assert recorder.signals == ["subscribed", "completed"]


async def test_106_the_end_ends_the_subscription() -> None:
    recorder = Recorder(first=9)
    subscription = subscribe_with(Numbers(1), recorder)
    await settle()
    subscription.request(1)
    subscription.request(0)
    subscription.cancel()

    assert recorder.signals == ["subscribed", 0, "completed"]


@pytest.mark.parametrize("fails", [0, 1])
async def test_107_nothing_after_a_terminal_signal(fails: int) -> None:
    recorder = Recorder(first=99)
    subject: Subject[int] = Subject()
    ring = subscribe_with(subject, recorder)._ring
    if fails:
        subject.on_error(OSError())
    else:
        subject.on_completed()
    ring.on_next(1)
    ring.on_error(ValueError())
    ring.on_completed()
    await settle()

    assert len(recorder.signals) == 2


async def test_108_after_cancel_signals_end() -> None:
    recorder = Recorder(first=10**6)
    subscription = subscribe_with(Numbers(), recorder)
    await settle(10)
    subscription.cancel()
    before = [*recorder.signals]
    await settle()

    assert len(before) > 1
    assert recorder.signals == before


@pytest.mark.parametrize("source", [Numbers(3), reactivex.range(0, 3), reactivex.throw(OSError())])
async def test_109_on_subscribe_comes_first_and_once(source: reactivex.Observable[int]) -> None:
    recorder = Recorder(first=9)
    subscribe_with(source, recorder)
    await settle()

    assert recorder.signals[0] == "subscribed"
    assert recorder.signals.count("subscribed") == 1
    assert recorder.end


async def test_111_each_subscriber_of_a_cold_stream_has_its_own_gate() -> None:
    source = Numbers()
    asleep, awake = Recorder(), Recorder(first=200)
    subscriptions = [subscribe_with(source, recorder, 8) for recorder in (asleep, awake)]
    await settle(200)

    assert (asleep.items, awake.items) == ([], list(range(200)))
    for subscription in subscriptions:
        subscription.cancel()


async def test_201_without_a_request_there_is_no_item() -> None:
    recorder = Recorder()
    subscription = subscribe_with(Numbers(), recorder)
    await settle()

    assert recorder.signals == ["subscribed"]
    subscription.cancel()


class Meddler(Recorder):
    def on_completed(self) -> None:
        super().on_completed()
        self.subscription.request(1)
        self.subscription.cancel()
        self.subscription.request(0)

    def on_error(self, error: Exception) -> None:
        super().on_error(error)
        self.on_completed()


@pytest.mark.parametrize("fails", [0, 1])
async def test_203_terminal_handlers_may_not_be_reentered_by_request(fails: int) -> None:
    recorder = Meddler(first=9)
    subscribe_with(Numbers(1, fails=fails), recorder)
    await settle()

    assert recorder.signals[:2] == ["subscribed", 0]
    assert recorder.signals.count("completed") == 1


async def test_205_a_bounded_subscriber_is_subscribed_once() -> None:
    reader = BoundedSubscriber[int](8).attach(Numbers(1))
    with pytest.raises(RuntimeError, match="subscribed once"):
        reader.attach(Numbers(1))


async def test_206_leaving_the_loop_cancels() -> None:
    source = Numbers(leaves_slowly=20)
    async with BoundedSubscriber[int](8).attach(source) as reader:
        async for item in reader:
            if item == 5:
                break

    assert source.is_closed


async def test_206_break_without_async_with_cancels_too() -> None:
    source = Numbers()
    async for item in BoundedSubscriber[int](8).attach(source):
        if item == 5:
            break
    await settle()

    assert source.is_closed


async def test_208_late_on_next_after_cancel_is_harmless() -> None:
    recorder = Recorder(first=9)
    subscription = subscribe_with(Subject[int](), recorder)
    subscription.cancel()
    subscription._ring.on_next(1)
    subscription._ring.on_completed()
    await settle()

    assert recorder.signals == ["subscribed"]


@pytest.mark.parametrize(("fails", "end"), [(0, str), (1, OSError)])
async def test_209_210_terminal_without_any_request(fails: int, end: type[object]) -> None:
    recorder = Recorder()
    subscribe_with(Numbers(0, fails=fails), recorder)
    await settle()

    assert isinstance(recorder.end, end)


async def test_212_on_subscribe_comes_once() -> None:
    recorder = Recorder(first=1, each=1)
    subscribe_with(Numbers(100).pipe(rx.repeat(3), rx.retry(2)), recorder)
    await settle(300)

    assert recorder.signals.count("subscribed") == 1
    assert recorder.end == "completed"


async def test_213_exception_in_on_next_cancels_the_subscription(reports: Reports) -> None:
    def fail(item: int) -> None:
        if item == 3:
            message = "mine"
            raise ValueError(message)

    source, recorder = Numbers(), Recorder(first=99)
    recorder.act = fail
    subscribe_with(source, recorder)
    await settle()

    assert recorder.items == [0, 1, 2, 3]
    assert source.is_closed
    assert [repr(report["exception"]) for report in reports] == ["ValueError('mine')"]


async def test_213_exception_in_a_terminal_handler_is_reported(reports: Reports) -> None:
    class Failing(Recorder):
        def on_completed(self) -> None:
            raise ValueError

    subscribe_with(Numbers(0), Failing())
    await settle()

    assert [type(report["exception"]) for report in reports] == [ValueError]


async def test_302_request_inside_on_next_and_on_subscribe() -> None:
    recorder = Recorder(first=1, each=1)
    subscribe_with(Numbers(300), recorder, 8)
    await settle(300)

    assert recorder.items == list(range(300))
    assert recorder.end == "completed"


@pytest.mark.parametrize("source", [Numbers(20_000, batch=500), reactivex.range(0, 20_000)])
async def test_303_recursion_is_bounded(source: reactivex.Observable[int]) -> None:
    recorder = Recorder(first=1, each=1)
    subscribe_with(source, recorder)
    async with asyncio.timeout(10):
        while recorder.signals[-1] != "completed":
            await asyncio.sleep(0)

    assert recorder.items == list(range(20_000))
    assert recorder.depth < depth() + 40


async def test_303_recursion_is_bounded_where_all_waits_already() -> None:
    recorder = Recorder(each=1)
    subscription = subscribe_with(Numbers(20_000, batch=20_000), recorder, 20_000)
    await settle()
    assert subscription.statistics().waiting == 20_000
    subscription.request(1)

    assert len(recorder.items) == 20_000
    assert recorder.depth < depth() + 20


async def test_305_307_cancel_is_idempotent_and_instant() -> None:
    source, recorder = Numbers(), Recorder(first=1)
    subscription = subscribe_with(source, recorder)
    await settle()
    for _ in range(3):
        subscription.cancel()
    await settle()

    assert source.is_closed
    assert recorder.signals == ["subscribed", 0]


async def test_305_cancel_from_another_thread() -> None:
    source, recorder = Numbers(), Recorder(first=1)
    subscription = subscribe_with(source, recorder)
    await settle()
    await asyncio.to_thread(subscription.cancel)
    await settle()

    assert source.is_closed
    assert recorder.signals == ["subscribed", 0]


async def test_306_request_after_cancel_is_a_nop() -> None:
    recorder = Recorder()
    subscription = subscribe_with(Numbers(), recorder)
    await settle()
    subscription.cancel()
    subscription.request(1)
    subscription.request(0)
    await settle()

    assert recorder.signals == ["subscribed"]


async def test_307_cancel_inside_on_subscribe_subscribes_to_nothing() -> None:
    class Leaving(Recorder):
        def on_subscribe(self, subscription: Subscription) -> None:
            super().on_subscribe(subscription)
            subscription.cancel()

    source, recorder = Numbers(), Leaving(first=9)
    subscribe_with(source, recorder)
    await settle()

    assert source.opened == 0
    assert recorder.signals == ["subscribed"]


async def test_308_requests_add_up() -> None:
    recorder = Recorder()
    subscription = subscribe_with(Subject[int](), recorder)
    for n in (1, 2, 3):
        subscription.request(n)
    for number in range(8):
        subscription._ring.on_next(number)

    assert recorder.items == [0, 1, 2, 3, 4, 5]
    subscription.cancel()


async def test_308_requests_from_many_threads_add_up() -> None:
    recorder = Recorder()
    subscription = subscribe_with(Numbers(), recorder, 8)
    await asyncio.gather(*[asyncio.to_thread(ask, subscription) for _ in range(4)])
    await settle(400)

    assert recorder.items == list(range(200))
    subscription.cancel()


@pytest.mark.parametrize("n", [0, -1])
async def test_309_non_positive_request_is_an_error(n: int) -> None:
    source, recorder = Numbers(), Recorder(first=1)
    subscription = subscribe_with(source, recorder)
    await settle()
    subscription.request(n)
    subscription.request(n)
    await settle()

    assert isinstance(recorder.end, ConfigError)
    assert str(recorder.end) == f"request({n}) asks for nothing; it must be 1 or more"
    assert source.is_closed


async def test_309_also_inside_on_next_and_on_subscribe() -> None:
    inside = Recorder(first=9)
    inside.act = lambda item: inside.subscription.request(0)
    subscribe_with(Numbers(), inside)
    source, at_once = Numbers(), Recorder(first=-1)
    subscribe_with(source, at_once)
    await settle()

    assert inside.items == [0]
    assert isinstance(inside.end, ConfigError)
    assert isinstance(at_once.end, ConfigError)
    assert source.opened == 0


async def test_309_what_is_no_whole_number_is_refused_where_it_stands() -> None:
    recorder = Recorder()
    subscription = subscribe_with(Numbers(), recorder)
    with pytest.raises(TypeError):
        subscription.request(1.5)  # type: ignore[arg-type]
    await settle()

    assert recorder.signals == ["subscribed"]
    subscription.cancel()


async def test_310_request_signals_before_it_returns() -> None:
    recorder = Recorder()
    subscription = subscribe_with(Numbers(), recorder)
    await settle()
    subscription.request(2)

    assert recorder.items == [0, 1]
    subscription.cancel()


@pytest.mark.parametrize(("fails", "end"), [(0, str), (1, OSError)])
async def test_311_request_signals_the_end_before_it_returns(fails: int, end: type[object]) -> None:
    recorder = Recorder()
    subscription = subscribe_with(Numbers(2, fails=fails), recorder)
    await settle()
    subscription.request(2)

    assert isinstance(recorder.end, end)


async def test_312_cancel_stops_signals_mid_batch() -> None:
    source, recorder = Numbers(batch=64), Recorder(first=1000)
    recorder.act = lambda item: item == 3 and recorder.subscription.cancel()
    subscribe_with(source, recorder)
    await settle()

    assert recorder.items == [0, 1, 2, 3]
    assert source.is_closed


async def test_313_cancel_drops_the_subscriber() -> None:
    recorder = Recorder(first=1)
    subscription = subscribe_with(Subject[int](), recorder)
    gone = weakref.ref(recorder)
    del recorder
    assert gone() is not None

    subscription.cancel()
    assert gone() is None


async def test_314_cancel_closes_the_source() -> None:
    disposed: list[str] = []
    source = reactivex.create(lambda _o, _s: Disposable(lambda: disposed.append("closed")))
    subscribe_with(source, Recorder()).cancel()

    assert disposed == ["closed"]


async def test_315_316_neither_call_raises_what_the_subscriber_does(reports: Reports) -> None:
    class Failing(Recorder):
        def on_next(self, item: int) -> None:
            raise ValueError

    subscription = subscribe_with(Numbers(), Failing())
    await settle()
    subscription.request(1)
    subscription.cancel()

    assert len(reports) == 1


@pytest.mark.parametrize("n", [2**63 - 1, 2**63, 10**30])
async def test_317_demand_is_unbounded(n: int) -> None:
    recorder = Recorder(first=n, each=n)
    subscribe_with(Numbers(500), recorder)
    await settle(200)

    assert recorder.items == list(range(500))
    assert recorder.end == "completed"


# -- the numbers ----------------------------------------------------------------------------------


def numbers_in(text: str) -> list[str]:
    return re.findall(r"(?<![\d.])([123]\.\d+)(?![\d.]*\.\d)", text)


def test_the_numbers_of_the_docstring_are_those_of_the_tests() -> None:
    told, untold = (inspect.getdoc(Subscription) or "").split("Cannot be tested")
    names = re.findall(r"def test((?:_\d{3})+)_", Path(__file__).read_text())
    tested = {f"{n[0]}.{int(n[1:])}" for name in names for n in name.split("_")[1:]}
    promised = numbers_in(told.split("their numbers:")[1])
    exempt = numbers_in(untold)

    assert {*promised} == tested
    assert sorted(promised + exempt) == sorted(
        f"{chapter}.{number}"
        for chapter, last in ((1, 11), (2, 13), (3, 17))
        for number in range(1, last + 1)
    )


# -- with its ring --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [
        (Overflow.PAUSE, [0, 1, 2, 3]),
        (Overflow.COALESCE, [0, 1, 2, 3 + 4 + 5 + 6 + 7 + 8 + 9]),
        (Overflow.DROP_OLDEST, [6, 7, 8, 9]),
        (Overflow.DROP_NEWEST, [0, 1, 2, 3]),
        (Overflow.LATEST, [9]),
        (Overflow.ERROR, [0, 1, 2, 3]),
    ],
)
async def test_each_policy_works_with_credits(overflow: Overflow, kept: list[int]) -> None:
    recorder = Recorder()
    subscription = subscribe_with(
        Numbers(10), recorder, 4, overflow, merge=lambda a, b: a + b, name="mine"
    )
    await settle()
    subscription.request(4)
    assert recorder.items == kept

    subscription.request(100)
    await settle()
    if overflow is Overflow.ERROR:
        assert isinstance(recorder.end, BufferOverflowError)
    else:
        assert recorder.end == "completed"
    assert recorder.items == (list(range(10)) if overflow is Overflow.PAUSE else kept)


async def test_a_source_that_cannot_pause_is_an_error_beyond_what_was_asked() -> None:
    recorder = Recorder(first=10)
    subscription = subscribe_with(reactivex.range(0, 100), recorder, 8)
    subscription.request(100)
    await settle()

    assert recorder.items == list(range(10 + 9))
    assert isinstance(recorder.end, MissingBackpressureError)


async def test_a_source_that_cannot_pause_is_none_where_all_was_asked_for() -> None:
    recorder = Recorder(first=1000)
    subscribe_with(reactivex.range(0, 100), recorder, 1)

    assert recorder.items == list(range(100))
    assert recorder.end == "completed"


@pytest.mark.parametrize(
    ("capacity", "options"), [(0, {}), (-1, {}), (8, {"overflow": "coalesce"}), (8, {"low": 8})]
)
async def test_options_that_cannot_work_are_refused(capacity: int, options: dict[str, Any]) -> None:
    source, recorder = Numbers(), Recorder(first=1)
    with pytest.raises(ConfigError):
        subscribe_with(source, recorder, capacity, **options)

    assert (source.opened, recorder.signals) == (0, [])


async def test_a_subscription_that_nobody_has_cancels_itself_where_nothing_is_asked() -> None:
    source, recorder = Numbers(), Recorder(first=3)
    subscribe_with(source, recorder)
    await settle()
    assert recorder.items == [0, 1, 2]
    assert source.closed == 0

    del recorder
    gc.collect()  # they refer to each other
    await settle()
    assert source.is_closed


async def test_a_subscription_that_nobody_has_goes_on_with_what_was_asked_for() -> None:
    class Keeper(Recorder):
        def on_subscribe(self, subscription: Subscription) -> None:
            subscription.request(500)

    recorder = Keeper()
    subscribe_with(Numbers(500), recorder, 8)
    for _ in range(50):
        gc.collect(0)
        await settle(5)

    assert recorder.items == list(range(500))


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Let threads meet at every step."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)
