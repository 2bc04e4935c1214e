"""Streams that wait for their turn."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import reactivex
from demand.sources import Numbers, settle
from reactivex import Observable
from reactivex import operators as rx
from reactivex.disposable import Disposable
from reactivex.scheduler.eventloop import AsyncIOScheduler

from rxwizard import (
    CircuitConfig,
    CircuitOpenError,
    ConfigError,
    NetworkError,
    OverloadedError,
    RateLimit,
    RateLimitConfig,
    RateLimitError,
    StreamChunk,
    StreamInterruptedError,
    TokenUsage,
    WizardError,
)
from rxwizard.admission import CircuitBreaker, RateLimiter, admitted
from rxwizard.admission import limiter as limiter_module
from rxwizard.demand import BoundedSubscriber, LoopScheduler, pushing
from rxwizard.demand.clock import clock, common_time
from rxwizard.demand.gate import downstream
from rxwizard.testing import assert_marbles, play, run_in_virtual_time
from rxwizard.testing.virtual_time import VirtualTimeLoop

from .answers import WORD, Answer, final, start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

A, B, FINAL = (StreamChunk(text="a"), StreamChunk(text="b"), final(10))
VALUES = {"s": start(), "a": A, "b": B, "f": FINAL}
DOWN = NetworkError("refused")


def one_a_second(**more: Any) -> RateLimiter:
    return RateLimiter(RateLimitConfig(requests_per_minute=60, **more))


def hundred_tokens_a_second() -> RateLimiter:
    return RateLimiter(RateLimitConfig(tokens_per_minute=6000))


def following() -> RateLimiter:
    return RateLimiter(RateLimitConfig())


def breaker(failures: int = 1, cool_down: float = 30) -> CircuitBreaker:
    return CircuitBreaker(CircuitConfig(failures=failures, cool_down=cool_down), "there")


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test in virtual time."""

    def run() -> None:
        async def main() -> None:
            await test()

        run_in_virtual_time(main())

    run.__name__ = test.__name__
    return run


def now() -> float:
    return asyncio.get_running_loop().time()


async def read(stream: Observable[StreamChunk], capacity: int = 8) -> WizardError | None:
    """Read it to its end; give its error."""
    try:
        async for _ in BoundedSubscriber[StreamChunk](capacity).attach(stream):
            pass
    except WizardError as error:
        return error
    return None


def reading(stream: Observable[StreamChunk], capacity: int = 8) -> asyncio.Task[WizardError | None]:
    return asyncio.ensure_future(read(stream, capacity))


# -- one stream ------------------------------------------------------------------------------------


def test_without_limits_all_passes_as_it_is() -> None:
    for operator in (
        admitted(None, None),
        admitted(following(), breaker(), 5),
    ):
        assert_marbles(operator, "-s-a(b,f)|", "-s-a(b,f)|", **VALUES)
        assert_marbles(operator, "--|", "--|")
        assert_marbles(operator, "-a#", "-a#", a=A, error=OSError("reset"))
        assert play(operator, "-a-a-|", until=2, a=A).held == [(0, 2)]


def test_the_source_is_subscribed_to_when_it_is_its_turn() -> None:
    limiter = one_a_second()
    limiter.blocked(5, 200)  # the second at which a drawing begins
    played = play(admitted(limiter, None), "-a-|", a=A)

    assert played.held == [(5, 8)]
    assert [(m.tick, m.what) for m in played.messages] == [(6, "next"), (8, "completed")]


def test_disposing_while_it_waits_leaves_the_line() -> None:
    limiter = one_a_second()
    limiter.blocked(5, 200)
    played = play(admitted(limiter, None), "-a-|", until=3, a=A)

    assert played.held == played.messages == []
    assert limiter.waiting == 0


def test_while_the_circuit_is_open_it_fails_at_once() -> None:
    circuit = breaker()
    circuit.enter(190).failed(DOWN, 190)
    limiter = one_a_second()
    played = play(admitted(limiter, circuit), "-a-|", a=A)
    (message,) = played.messages

    assert played.held == []
    assert (message.tick, message.what) == (0, "error")
    assert isinstance(message.value, CircuitOpenError)
    assert message.value.retry_after == 20
    assert limiter.waiting == 0


def test_two_subscribers_are_two_requests() -> None:
    limiter = one_a_second()

    def twice(cold: Observable[Any]) -> Observable[Any]:
        stream = cold.pipe(admitted(limiter, None))
        return reactivex.merge(stream, stream)

    assert play(twice, "a|", a=A).held == [(0, 1), (1, 2)]


def test_an_estimate_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="-1"):
        admitted(None, None, -1)


# -- many streams ----------------------------------------------------------------------------------


@in_virtual_time
async def test_many_streams_share_one_limiter() -> None:
    limiter = one_a_second()
    answers = [Answer(start(), 5, final(), seconds=3) for _ in range(50)]
    tasks = [reading(answer.pipe(admitted(limiter, None))) for answer in answers]
    assert [await task for task in tasks] == [None] * 50

    asked = [at for answer in answers for at in answer.asked]
    assert asked == [pytest.approx(second, abs=1e-4) for second in range(50)]
    assert limiter.waiting == 0


@in_virtual_time
async def test_who_stops_waiting_makes_room_for_those_behind() -> None:
    limiter = hundred_tokens_a_second()
    answers = [Answer(2, final()) for _ in range(4)]
    estimates = [100, 5000, 5000, 50]
    tasks = [
        reading(answer.pipe(admitted(limiter, None, estimate)))
        for answer, estimate in zip(answers, estimates, strict=True)
    ]
    await asyncio.sleep(0.7)
    tasks[2].cancel()
    tasks[1].cancel()
    await tasks[3]

    assert [answer.asked for answer in answers] == [[0], [], [], [0.7]]
    with suppress(asyncio.CancelledError):
        await tasks[1]


@in_virtual_time
async def test_an_answer_is_charged_what_it_did_cost() -> None:
    latest = TokenUsage(total_tokens=30)
    summed = TokenUsage(total_tokens=10_000, latest=latest)
    cases = [
        (Answer(3, final(30)), 0.3),
        (Answer(3, final(130)), 1.3),
        (Answer(3, StreamChunk(is_final=True, usage=summed)), 0.3),
        (Answer(3, final()), 1.0),  # nothing reported: the estimate
        (Answer(start(), error=OverloadedError()), 0.0),
        (Answer(start(), StreamChunk(usage=latest, kind="usage"), error=DOWN), 0.3),
        (Answer(3, error=StreamInterruptedError()), 1.0),
        (Answer(3, StreamChunk(usage=TokenUsage(total_tokens=150)), error=DOWN), 1.5),
    ]
    for answer, seconds in cases:
        limiter = hundred_tokens_a_second()
        await read(answer.pipe(admitted(limiter, None, 100)))
        assert limiter.admit(limiter.join(100, int), now()) == pytest.approx(seconds)


@in_virtual_time
async def test_an_answer_that_is_left_is_charged_the_estimate_and_a_whole_one_its_cost() -> None:
    for chunk, seconds in ((WORD, 1.0), (final(30), 0.3)):
        limiter = hundred_tokens_a_second()
        answer = Answer(chunk, 1000)
        async for _ in BoundedSubscriber(8).attach(answer.pipe(admitted(limiter, None, 100))):
            break

        assert limiter.admit(limiter.join(100, int), now()) == pytest.approx(seconds)


@in_virtual_time
async def test_who_waits_goes_when_tokens_are_given_back() -> None:
    limiter = hundred_tokens_a_second()
    failing = Answer(error=OverloadedError(), seconds=0.25)
    waiting = Answer(1, final())
    tasks = [reading(each.pipe(admitted(limiter, None, 100))) for each in (failing, waiting)]
    await asyncio.wait(tasks)

    assert waiting.asked == [0.25]


@in_virtual_time
async def test_a_429_has_the_others_wait() -> None:
    for error, until in (
        (RateLimitError("slow down", retry_after=7), 8),
        (RateLimitError("slow down", retry_after=7000), 61),
        (RateLimitError("slow down"), 2),
        (RateLimitError("no money", retry_after=7, retryable=False), 2),
        (OverloadedError("busy", retry_after=7), 2),
    ):
        began = now()
        limiter = following()
        refused = await read(Answer(error=error, seconds=1).pipe(admitted(limiter, None)))
        assert refused is error
        await asyncio.sleep(1)
        answer = Answer(1, final())
        await read(answer.pipe(admitted(limiter, None)))

        assert answer.asked == [pytest.approx(began + until, abs=1e-4)]


@in_virtual_time
async def test_the_others_wait_when_the_headers_say_that_nothing_is_left() -> None:
    limiter = following()
    used_up = start(requests=RateLimit(limit=2, remaining=0, reset_after=9))
    answers = [Answer(used_up, 5, final(), seconds=1), *(Answer(1, final()) for _ in range(3))]
    first = reading(answers[0].pipe(admitted(limiter, None)))
    await asyncio.sleep(1.5)
    others = [reading(answer.pipe(admitted(limiter, None))) for answer in answers[1:]]
    await asyncio.wait([first, *others])

    assert [answer.asked for answer in answers] == [
        [0],
        *([pytest.approx(at, abs=1e-4)] for at in (10, 10, 19)),
    ]


@in_virtual_time
async def test_headers_are_learned_once_for_each_answer() -> None:
    class Counting(RateLimiter):
        learned = 0

        def learn(self, *args: Any) -> None:
            self.learned += 1
            super().learn(*args)

    limiter = Counting(RateLimitConfig())
    first, second = (start(requests=RateLimit(remaining=9)) for _ in range(2))
    renamed = first.source.model_copy(update={"response_id": "r1"})
    word = StreamChunk(text="word", source=renamed)
    await read(
        Answer(first, word, word, final(), second, word, final()).pipe(admitted(limiter, None))
    )

    assert limiter.learned == 2


# -- circuits --------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_dead_endpoint_is_not_asked_again_until_it_is_tried_and_works() -> None:
    circuit = breaker(failures=2)
    dead, alive = Answer(error=DOWN), Answer(start(), 3, final(), seconds=1)
    for _ in range(5):
        await read(dead.pipe(admitted(None, circuit)))
    assert len(dead.asked) == 2
    await asyncio.sleep(30)

    tasks = [reading(alive.pipe(admitted(None, circuit))) for _ in range(3)]
    errors = [await task for task in tasks]
    assert [type(error) for error in errors] == [type(None), CircuitOpenError, CircuitOpenError]
    assert circuit.state == "closed"
    assert await read(alive.pipe(admitted(None, circuit))) is None


@in_virtual_time
async def test_the_first_token_closes_it_whatever_comes_after() -> None:
    circuit = breaker()
    await read(Answer(error=DOWN).pipe(admitted(None, circuit)))
    await asyncio.sleep(30)
    cut = Answer(start(), 1, error=StreamInterruptedError(), seconds=1)
    task = reading(cut.pipe(admitted(None, circuit)))
    await asyncio.sleep(1.5)
    assert circuit.state == "half-open"
    await asyncio.sleep(1)
    assert circuit.state == "closed"

    await task
    assert circuit.state == "closed"


@in_virtual_time
async def test_an_answer_without_a_token_is_an_answer() -> None:
    for chunks in ([], [start(), final()]):
        circuit = breaker()
        await read(Answer(error=DOWN).pipe(admitted(None, circuit)))
        await asyncio.sleep(30)
        await read(Answer(*chunks).pipe(admitted(None, circuit)))

        assert circuit.state == "closed"


@in_virtual_time
async def test_a_probe_that_is_disposed_of_does_not_leave_it_stuck() -> None:
    circuit = breaker()
    await read(Answer(error=DOWN).pipe(admitted(None, circuit)))
    await asyncio.sleep(30)
    probe = Answer(start(), seconds=1000)
    subscription = probe.pipe(admitted(None, circuit)).subscribe()
    await settle()
    assert isinstance(await read(probe.pipe(admitted(None, circuit))), CircuitOpenError)
    subscription.dispose()

    assert await read(Answer(1, final()).pipe(admitted(None, circuit))) is None
    assert circuit.state == "closed"


@in_virtual_time
async def test_those_who_wait_fail_when_the_circuit_opens() -> None:
    limiter, circuit = one_a_second(), breaker()
    dead = [Answer(error=DOWN, seconds=0.5) for _ in range(4)]
    tasks = [reading(answer.pipe(admitted(limiter, circuit))) for answer in dead]
    errors = [await task for task in tasks]

    assert errors[0] is DOWN
    assert all(isinstance(error, CircuitOpenError) for error in errors[1:])
    assert [len(answer.asked) for answer in dead] == [1, 0, 0, 0]
    assert now() == 0.5
    assert limiter.waiting == 0


@in_virtual_time
async def test_a_probe_waits_for_its_turn_and_keeps_nobody_out_meanwhile() -> None:
    limiter, circuit = following(), breaker()
    await read(Answer(error=DOWN).pipe(admitted(None, circuit)))
    await asyncio.sleep(30)
    limiter.blocked(10, now())
    waiting = reading(Answer(1, final()).pipe(admitted(limiter, circuit)))
    await settle()

    assert circuit.state == "open"
    assert await read(Answer(1, final()).pipe(admitted(None, circuit))) is None
    assert await waiting is None


# -- flow control, loops and threads ---------------------------------------------------------------


def check_bound(reader: BoundedSubscriber[StreamChunk], capacity: int) -> None:
    assert reader.statistics().waiting == capacity
    assert reader.statistics().peak == capacity


@in_virtual_time
async def test_the_bound_holds_when_a_timer_subscribes() -> None:
    limiter = following()
    limiter.blocked(5, now())
    source = Answer(10**6)
    reader = BoundedSubscriber[StreamChunk](8).attach(source.pipe(admitted(limiter, None)))
    await asyncio.sleep(6)

    check_bound(reader, 8)
    assert source.given <= 9
    await reader.aclose()
    assert source.closed == 1


class Looking(Observable[Any]):
    """Notes for whom, inside what and with which scheduler it is subscribed to."""

    def __init__(self) -> None:
        super().__init__(self._look)
        self.seen: list[tuple[Any, Any]] = []
        self.schedulers: list[Any] = []

    def _look(self, _observer: Any, scheduler: Any = None) -> Any:
        self.seen.append((downstream.get(), pushing.get()))
        self.schedulers.append(scheduler)
        return Disposable()


def front_leaves(limiter: RateLimiter) -> Callable[[], None]:
    front = limiter.join(0, int)
    return lambda: limiter.leave(front, now())


def front_gives_back(limiter: RateLimiter) -> Callable[[], None]:
    front = limiter.join(100, int)
    assert limiter.admit(front, now()) == 0
    return lambda: limiter.settle(front, 0, now())


def provider_has_more(limiter: RateLimiter) -> Callable[[], None]:
    limiter.learn({"requests": RateLimit(remaining=1, reset_after=50)}, now())
    assert limiter.admit(limiter.join(0, int), now()) == 0
    return lambda: limiter.learn({"requests": RateLimit(remaining=5, reset_after=50)}, now())


def nothing_that_helps(limiter: RateLimiter) -> Callable[[], None]:
    limiter.blocked(5, now())
    return lambda: limiter.learn({}, now())


@pytest.mark.parametrize(
    ("prepare", "seconds"),
    [(front_leaves, 0), (front_gives_back, 0), (provider_has_more, 0), (nothing_that_helps, 6)],
)
def test_who_is_woken_inside_another_stream_goes_for_its_own_reader(
    prepare: Callable[[RateLimiter], Callable[[], None]], seconds: float
) -> None:
    async def run() -> None:
        limiter = hundred_tokens_a_second()
        wake = prepare(limiter)
        source = Looking()
        mine = BoundedSubscriber[Any](8).attach(source.pipe(admitted(limiter, None, 100)))
        assert source.seen == []
        other = BoundedSubscriber[Any](8).attach(Numbers(1).pipe(rx.do_action(lambda _: wake())))
        await settle()
        await asyncio.sleep(seconds)

        assert source.seen == [(mine.ring.group, None)]
        await other.aclose()
        await mine.aclose()

    run_in_virtual_time(run())


@in_virtual_time
async def test_a_late_source_sees_for_whom_and_inside_what_it_was_subscribed_to() -> None:
    source, limiter = Looking(), one_a_second()
    stream = Numbers(3).pipe(rx.flat_map(lambda _: source.pipe(admitted(limiter, None))))
    reader = BoundedSubscriber[Any](8).attach(stream)
    await asyncio.sleep(5)
    (reader_seen, outer), *late = source.seen

    assert reader_seen is reader.ring.group
    assert outer is not None
    assert late == [(reader_seen, outer)] * 2
    assert isinstance(source.schedulers[0], LoopScheduler)
    assert source.schedulers == [source.schedulers[0]] * 3
    reader.cancel()


@in_virtual_time
async def test_a_reader_that_is_dropped_while_it_waits_leaves_the_line() -> None:
    limiter = following()
    limiter.blocked(5, now())
    source = Answer(1)
    reader = BoundedSubscriber[StreamChunk](8).attach(source.pipe(admitted(limiter, None)))
    await settle()
    assert limiter.waiting == 1
    del reader

    assert limiter.waiting == 0
    await asyncio.sleep(10)
    assert source.asked == []


@in_virtual_time
async def test_a_stream_that_nobody_keeps_waits_all_the_same() -> None:
    limiter = one_a_second()
    answers = [Answer(1, final()) for _ in range(3)]
    for answer in answers:
        answer.pipe(admitted(limiter, None)).subscribe()
    await asyncio.sleep(5)

    assert [answer.asked for answer in answers] == [[0], [pytest.approx(1)], [pytest.approx(2)]]


def test_those_who_waited_in_a_loop_that_is_closed_keep_nobody_waiting() -> None:
    limiter, circuit = one_a_second(), breaker(failures=1)

    async def leave_behind() -> None:
        for _ in range(3):
            Answer(1, final(), seconds=9).pipe(admitted(limiter, None)).subscribe()

    async def come_after() -> None:
        answer = Answer(1, final())
        await read(answer.pipe(admitted(limiter, None)))
        assert answer.asked[0] <= 1.01

    async def leave_a_probe_behind() -> None:
        await read(Answer(error=DOWN).pipe(admitted(None, circuit)))
        await asyncio.sleep(30)
        probes.append(Answer(1, seconds=9).pipe(admitted(None, circuit)).subscribe())

    async def try_again() -> None:
        assert await read(Answer(1, final()).pipe(admitted(None, circuit))) is None

    probes: list[Any] = []
    run_in_virtual_time(leave_behind())
    assert limiter.waiting == 2
    run_in_virtual_time(come_after())
    assert limiter.waiting == 0
    run_in_virtual_time(leave_a_probe_behind())
    assert circuit.state == "half-open"
    run_in_virtual_time(try_again())
    assert circuit.state == "closed"


def test_the_first_may_be_in_a_loop_that_is_closed_while_others_wait() -> None:
    limiter = one_a_second()
    limiter.admit(limiter.join(0, int), 0)

    async def leave_behind() -> None:
        Answer(1, final()).pipe(admitted(limiter, None)).subscribe()

    async def wait_behind() -> None:
        answer = Answer(1, final())
        task = reading(answer.pipe(admitted(limiter, None)))
        await settle()
        assert not first.is_closed()
        first.close()
        await task
        assert answer.asked == [5]

    first = VirtualTimeLoop()
    first.run_until_complete(leave_behind())
    run_in_virtual_time(wait_behind())


def test_loops_of_several_threads_share_one_limiter() -> None:
    limiter = RateLimiter(RateLimitConfig(requests_per_minute=60_000, burst=0.001))
    began = time.monotonic()
    limiter.admit(limiter.join(0, int), began)
    answers = [[Answer(1, final()) for _ in range(20)] for _ in range(3)]

    async def run(mine: list[Answer]) -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*(read(each.pipe(admitted(limiter, None))) for each in mine))

    threads = [
        threading.Thread(target=lambda mine=mine: asyncio.run(run(mine))) for mine in answers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    asked = sorted(at for mine in answers for each in mine for at in each.asked)

    assert len(asked) == 60
    assert asked[-1] - began >= 0.0599
    assert limiter.waiting == 0


def test_who_waits_in_another_thread_is_woken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter_module, "LOOK_AGAIN", 1000)
    limiter = following()
    front = limiter.join(0, int)
    waits = threading.Event()
    answer = Answer(1, final())

    async def wait_behind() -> None:
        task = reading(answer.pipe(admitted(limiter, None)))
        await settle()
        asyncio.get_running_loop().call_soon(waits.set)
        async with asyncio.timeout(20):
            assert await task is None

    def run() -> None:
        asyncio.run(wait_behind())
        went.set()

    went = threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    assert waits.wait(10)
    limiter.leave(front, 0)
    thread.join(15)

    assert went.is_set()


def test_without_a_loop_threads_keep_the_time() -> None:
    limiter = RateLimiter(RateLimitConfig(requests_per_minute=60_000, burst=0.001))
    stream = reactivex.of(A, FINAL).pipe(admitted(limiter, breaker(), 5))

    assert [stream.pipe(rx.to_list()).run() for _ in range(3)] == [[A, FINAL]] * 3


@in_virtual_time
async def test_the_time_is_that_of_the_loop_whatever_scheduler_is_handed_over() -> None:
    wall_clock = AsyncIOScheduler(asyncio.get_running_loop())

    assert common_time(wall_clock)() == common_time(clock(None))() == now()
