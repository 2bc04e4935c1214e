"""A second request where the first token takes long."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any

import pytest
import reactivex
from demand.sources import Numbers, settle
from hypothesis import example, given
from hypothesis import strategies as st
from kit import check_dispose, check_empty, check_error, check_two_subscribers
from reactivex import operators as rx
from reactivex.testing import TestScheduler
from streaming import client, until

from rxwizard import (
    ChunkKind,
    ConfigError,
    FirstTokenDeadlineError,
    OverloadedError,
    RateLimitError,
    Stream,
    StreamChunk,
    TokenUsage,
    ToolCallDelta,
    WizardResponse,
    from_async_iterable,
)
from rxwizard import operators as ops
from rxwizard.operators import hedging
from rxwizard.operators.first_tokens import FirstTokenTimes
from rxwizard.operators.racing import race
from rxwizard.policies import HedgeConfig
from rxwizard.testing import (
    Hold,
    Script,
    Simulator,
    Text,
    assert_marbles,
    play,
    run_in_virtual_time,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from reactivex import Observable

SOON = 0.05
ROUNDS = 20

START = StreamChunk(kind=ChunkKind.START)
ASKED = TokenUsage(prompt_tokens=9, raw={"input": 9})
COUNTED = StreamChunk(kind=ChunkKind.USAGE, usage=ASKED)
ANSWERED = TokenUsage(prompt_tokens=9, completion_tokens=5, raw={"input": 9, "output": 5})
FINAL = StreamChunk(kind=ChunkKind.FINAL, is_final=True, complete=True, usage=ANSWERED)
A, B, C, D = (StreamChunk(text=word) for word in "abcd")
RETRIED = TokenUsage(
    prompt_tokens=7, latest=TokenUsage(prompt_tokens=5), wasted=TokenUsage(prompt_tokens=2)
)
VALUES = {
    "s": START,
    "u": COUNTED,
    "a": A,
    "b": B,
    "c": C,
    "d": D,
    "f": FINAL,
    "q": StreamChunk(kind=ChunkKind.USAGE, usage=RETRIED),
    "r": StreamChunk(text="x", usage=RETRIED),
}


class Noted(FirstTokenTimes):
    """Remembers what it was told; its percentile is 3 seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[float, str]] = []

    def add(self, seconds: float) -> None:
        self.told.append((seconds, "came"))

    def add_censored(self, seconds: float) -> None:
        self.told.append((seconds, "censored"))

    def percentile(self, percent: float) -> float | None:
        return 3.0


def then(
    second: str, operator: Callable[[Observable[Any]], Observable[Any]], error: Exception | None
) -> Callable[[Observable[Any]], Observable[Any]]:
    """Apply it to a source that is as drawn when asked first, and the other one from then on."""
    drawn = reactivex.from_marbles(second, timespan=1.0, lookup=VALUES, error=error)

    def applied(first: Observable[Any]) -> Observable[Any]:
        sources = iter([first])
        return operator(reactivex.defer(lambda _: next(sources, drawn)))

    return applied


def hedged(second: str, *, error: Exception | None = None, **options: Any) -> Any:
    return then(second, ops.hedge(**(options or {"after": 3.0})), error)


# -- who wins ------------------------------------------------------------------------------------


def test_hedge_passes_on_the_second_where_the_first_takes_long() -> None:
    drawn = "---------a-|"

    assert_marbles(hedged("--c-d-|"), drawn, "-----c-d-|", **VALUES)
    assert play(hedged("--c-d-|"), drawn, **VALUES).held == [(0, 5)]  # closed when it lost


def test_hedge_passes_on_the_first_where_that_is_quicker_after_all() -> None:
    assert_marbles(hedged("-s---c-|"), "----a-b-|", "----a-b-|", **VALUES)


def test_hedge_asks_no_second_time_where_the_first_token_comes_in_time() -> None:
    played = play(ops.hedge(after=3), "--a-----b-|", **VALUES)

    assert [(m.tick, m.value) for m in played.messages[:-1]] == [(2, A), (8, B)]
    assert played.held == [(0, 10)]


def test_hedge_closes_the_second_when_the_first_wins() -> None:
    assert play(ops.hedge(after=3), "----a-b-|", **VALUES).held == [(0, 8), (3, 4)]


def test_hedge_gives_all_that_the_winner_brought_and_nothing_of_the_loser() -> None:
    played = play(hedged("-s--u-c-d-|"), "-u-----------a-|", **{**VALUES, "u": START})

    assert [(m.tick, m.value) for m in played.messages[:-1]] == [
        *((9, START), (9, COUNTED), (9, C)),
        (11, D),
    ]


@pytest.mark.parametrize("text", ["-s-a-|", "-s---a-|"])
def test_hedge_changes_no_chunk(text: str) -> None:
    values = play(ops.hedge(after=3), text, **VALUES).values

    assert values[0] is START
    assert values[1] is A


EMPTY = [
    StreamChunk(),
    StreamChunk(kind=ChunkKind.REASONING),
    StreamChunk(kind=ChunkKind.OTHER, data={"server": "tool"}),
]
TOKENS = [
    StreamChunk(kind=ChunkKind.REASONING, reasoning="hm"),
    StreamChunk(kind=ChunkKind.REFUSAL, text="No"),
    StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(name="now")),
    "a piece of text",
]


@pytest.mark.parametrize("empty", EMPTY, ids=lambda chunk: chunk.kind.value)
def test_hedge_and_race_wait_for_a_token_with_something_in_it(empty: StreamChunk) -> None:
    assert play(hedged("-c-|"), "-e-----a-|", e=empty, **VALUES).values == [C]
    assert play(lambda cold: race([cold, cold]), "-e-|", e=empty).values == [empty]
    late = reactivex.from_marbles("----c-|", timespan=1.0, lookup=VALUES)
    assert play(lambda cold: race([cold, late]), "-e-----a-|", e=empty).values == [C]


@pytest.mark.parametrize("token", TOKENS, ids=repr)
def test_hedge_takes_what_the_model_writes_for_a_token(token: Any) -> None:
    assert play(ops.hedge(after=3), "-t-----a-|", t=token, **VALUES).held == [(0, 9)]


def test_hedge_is_won_by_who_completes_first_without_a_token() -> None:
    for second, first, tick in [("-c-|", "-s-|", 3), ("-s|", "-------a-|", 5)]:
        (started, completed) = play(hedged(second), first, **VALUES).messages

        assert (started.tick, started.value) == (tick, START)
        assert (completed.tick, completed.what) == (tick, "completed")


def test_hedge_is_won_by_who_brings_more_than_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hedging, "MAX_HELD", 3)
    played = play(hedged("---------c-|", after=2), "-s-s-u-s-s-a-|", **VALUES)

    assert [m.tick for m in played.messages] == [7, 7, 7, 7, 9, 11, 13]
    assert played.values == [START, START, COUNTED, START, START, A]


# -- errors --------------------------------------------------------------------------------------


def test_hedge_passes_on_an_error_that_comes_before_the_second_was_asked() -> None:
    error = OSError("reset")
    played = play(ops.hedge(after=3), "-s#", error=error, **VALUES)

    assert [(m.tick, m.value) for m in played.messages] == [(2, START), (2, error)]
    assert played.held == [(0, 2)]  # and nobody asks later


def test_hedge_waits_for_the_other_where_one_fails() -> None:
    busy = OverloadedError("busy")

    assert_marbles(hedged("---c-|"), "-s--#", "------c-|", error=busy, **VALUES)
    assert_marbles(hedged("-#", error=busy), "-------a-|", "-------a-|", **VALUES)


@pytest.mark.parametrize(("first", "second"), [("-s----#", "-u#"), ("-s--#", "-u----#")])
def test_hedge_fails_as_the_first_did_where_both_fail(first: str, second: str) -> None:
    busy, slow = OverloadedError("busy"), RateLimitError("slow down")
    played = play(hedged(second, error=slow), first, error=busy, **VALUES)

    assert [m.value for m in played.messages] == [START, busy]
    assert {m.tick for m in played.messages} == {max(len(first) - 1, len(second) + 2)}


def test_hedge_passes_on_an_error_of_the_winner() -> None:
    error = OSError("reset")

    assert_marbles(hedged("-c-#", error=error), "--------a", "----c-#", error=error, **VALUES)


# -- the five checks -----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"after": 9.0}, {"after": 1.0}, {}])
def test_hedge_passes_the_checks_of_all_operators(options: dict[str, float]) -> None:
    operator = ops.hedge(**options)

    assert_marbles(operator, "-a-b-c-|", "-a-b-c-|")
    check_error(operator)
    check_two_subscribers(operator)
    check_two_subscribers(operator, "---a-b-|")
    check_dispose(operator, "a-b-c-|")


def test_hedge_passes_on_an_empty_source() -> None:
    check_empty(ops.hedge(after=3))
    check_empty(ops.hedge())


def test_hedge_closes_both_when_disposed_of() -> None:
    check_dispose(ops.hedge(after=3), "--s--a-|", until=3, **VALUES)
    played = play(ops.hedge(after=3), "--s------a-|", until=4, **VALUES)

    assert played.held == [(0, 4), (3, 4)]
    assert played.messages == []


# -- usage ---------------------------------------------------------------------------------------


def test_hedge_adds_what_the_loser_had_reported() -> None:
    values = play(hedged("-u-c-f|"), "-u-------a-|", **VALUES).values
    counted, text, final = values

    assert counted.usage == TokenUsage(
        prompt_tokens=18, wasted=TokenUsage(prompt_tokens=9), latest=ASKED
    )
    assert text is C
    assert final == FINAL.model_copy(update={"usage": final.usage})
    assert final.usage == TokenUsage(
        prompt_tokens=18,
        completion_tokens=5,
        wasted=TokenUsage(prompt_tokens=9),
        latest=ANSWERED,
    )


def test_hedge_adds_what_one_that_failed_had_reported() -> None:
    busy = OverloadedError("busy")
    values = play(hedged("--c-f|"), "-u--#", error=busy, **VALUES).values

    assert values[-1].usage.wasted == TokenUsage(prompt_tokens=9)


def test_hedge_invents_no_usage() -> None:
    # The loser's is not known, the winner's is not known.
    assert play(hedged("-s-c-f|"), "-s-------a-|", **VALUES).values[-1] is FINAL
    assert play(hedged("-s-c-d|"), "-u-------a-|", **VALUES).values == [START, C, D]


def test_hedge_keeps_the_sums_of_attempts_below_it() -> None:
    (chunk,) = play(hedged("-r-|"), "-q------a-|", **VALUES).values

    assert chunk.usage == TokenUsage(
        prompt_tokens=14, latest=RETRIED.latest, wasted=TokenUsage(prompt_tokens=9)
    )


def test_hedge_has_the_partial_of_an_error_say_what_both_cost() -> None:
    error = OverloadedError("busy", partial=WizardResponse(text="c", usage=ANSWERED))
    play(hedged("-u-c-#", error=error), "-u-------a-|", **VALUES)

    assert error.partial is not None
    assert error.partial.text == "c"
    assert error.partial.usage is not None
    assert (error.partial.usage.prompt_tokens, error.partial.usage.latest) == (18, ANSWERED)


# -- the delay -----------------------------------------------------------------------------------


def seen(*seconds: float) -> FirstTokenTimes:
    history = FirstTokenTimes()
    for each in seconds:
        history.add(each)
    return history


def test_hedge_waits_as_long_as_so_many_have_taken() -> None:
    operator = hedged("-c-|", percentile=15, history=seen(*range(1, 21)))

    assert_marbles(operator, "-------a-|", "----c-|", **VALUES)


def test_hedge_asks_no_second_time_before_twenty_were_seen_and_holds_nothing() -> None:
    operator = hedged("-c-|", percentile=15, history=seen(*range(1, 20)))

    assert_marbles(operator, "-s-----a-|", "-s-----a-|", **VALUES)


def test_hedge_does_not_ask_twice_at_once_where_all_answer_at_once() -> None:
    operator = ops.hedge(percentile=95, history=seen(*[0.0] * 20))

    assert play(operator, "a--b-|", **VALUES).held == [(0, 5)]
    assert len(play(operator, "-a--b-|", **VALUES).held) == 2


def test_hedge_by_percentile_keeps_a_history_of_its_own() -> None:
    operator, other = ops.hedge(percentile=50), ops.hedge(percentile=50)
    for _ in range(20):
        assert play(operator, "--a|").held == [(0, 3)]

    assert play(operator, "----a|").held == [(0, 5), (2, 4)]
    assert play(other, "----a|").held == [(0, 5)]


@pytest.mark.parametrize(
    ("settings", "options", "asked_at"),
    [
        (HedgeConfig(after=2), {}, 2),
        (HedgeConfig(after=2), {"after": 4.0}, 4),
        (HedgeConfig(percentile=20), {}, 4),
        (HedgeConfig(after=2), {"percentile": 10}, 2),
        (HedgeConfig(percentile=20), {"percentile": 30}, 6),
        (HedgeConfig(percentile=20), {"after": 7}, 7),
        (None, {}, 19),
    ],
)
def test_hedge_takes_settings_and_what_is_given_beside_them(
    settings: HedgeConfig | None, options: dict[str, float], asked_at: float
) -> None:
    operator = ops.hedge(settings, history=seen(*range(1, 21)), **options)

    assert play(operator, "-" * 25 + "a|").held == [(0, 26), (asked_at, 25)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: ops.hedge(after=0),
        lambda: ops.hedge(after=-1),
        lambda: ops.hedge(after=float("nan")),
        lambda: ops.hedge(after=float("inf")),
        lambda: ops.hedge(after=True),
        lambda: ops.hedge(after="x"),  # type: ignore[arg-type]
        lambda: ops.hedge(percentile=0),
        lambda: ops.hedge(percentile=100),
        lambda: ops.hedge(percentile=float("nan")),
        lambda: ops.hedge(percentile=True),
        lambda: ops.hedge(after=1, percentile=95),
        lambda: ops.hedge(2.0),  # type: ignore[arg-type]
        lambda: FirstTokenTimes(19),
        lambda: FirstTokenTimes().percentile(100),
    ],
)
def test_hedge_refuses_what_cannot_work(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        make()


# -- what is learnt ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("-s-a----b-|", "-", [(3, "came"), (0, "censored")]),  # both at one moment
        ("--a-|", "-", [(2, "came")]),
        ("-----a-|", "------c|", [(5, "came"), (2, "censored")]),
        ("----------a-|", "-s-c-|", [(3, "came"), (6, "censored")]),
        ("----#", "-s-c-|", [(3, "came")]),
        ("-#", "-", []),
        ("-s|", "-", []),
        ("-----|", "------c|", [(2, "censored")]),
    ],
)
def test_hedge_notes_how_long_it_was_waited_for_a_token(
    first: str, second: str, told: list[tuple[float, str]]
) -> None:
    for options in ({"after": 3.0}, {"percentile": 95.0}):
        history = Noted()
        play(hedged(second, history=history, **options), first, **VALUES)

        assert history.told == told


def test_hedge_notes_that_a_deadline_passed_or_nobody_waited_any_longer() -> None:
    late, history = FirstTokenDeadlineError("too late", seconds=2), Noted()
    play(ops.hedge(after=3, history=history), "--#", error=late)
    play(ops.hedge(after=3, history=history), "-------a-|", until=5)
    play(ops.hedge(after=3, history=history), "--a------|", until=5)

    play(hedged("-s-------a-|", after=3, history=history), "----#", until=9, error=OSError("reset"))

    assert history.told == [
        *((2, "censored"), (5, "censored"), (2, "censored"), (2, "came")),
        (6, "censored"),  # the second; of the one that failed there is nothing to tell
    ]


@example([float(seconds) for seconds in range(24)], 50)  # where rounding would tell
@given(st.lists(st.floats(0, 1e6), min_size=20, max_size=64), st.integers(1, 99))
def test_a_percentile_of_whole_times_is_one_of_them(times: list[float], percent: int) -> None:
    place = -(-len(times) * percent // 100)  # so many of 100 are not above it

    assert seen(*times).percentile(percent) == sorted(times)[place - 1]


def hedge_many(history: FirstTokenTimes, censored: Callable[[float], object]) -> float | None:
    """Ask often, each time hedged at the percentile found so far; give what was found last."""
    rolls, delay = random.Random(7), None
    for number in range(3000):
        if not number % 20:
            delay = history.percentile(90)
        first, second = rolls.expovariate(1), rolls.expovariate(1)
        if delay is None or first <= delay:
            history.add(first)
        elif delay + second < first:
            history.add(second)
            censored(delay + second)
        else:
            history.add(first)
            censored(first - delay)
    return history.percentile(90)


def test_hedging_makes_an_endpoint_look_no_quicker() -> None:
    true = 2.3026  # of 100 times of this kind, 90 are not above it
    history = FirstTokenTimes(1024)

    assert hedge_many(history, history.add_censored) == pytest.approx(true, rel=0.1)
    # What would come of leaving out those that were given up.
    forgetful = FirstTokenTimes(1024)
    assert hedge_many(forgetful, lambda _: None) < 0.8 * true


def test_a_percentile_does_not_take_what_is_censored_for_a_token() -> None:
    history = seen(*range(1, 21))
    for _ in range(10):
        history.add_censored(0.5)
    assert history.percentile(50) == 10

    # Beyond 15 s were 25 of 40; beyond 18 s, 12 of the 15 still waited for: 25/40 * 12/15 = 1/2.
    history = seen(*range(1, 31))
    for _ in range(10):
        history.add_censored(15.5)
    assert history.percentile(50) == 18


def test_a_percentile_beyond_what_is_known_is_the_longest_time() -> None:
    history = seen(*range(1, 21))
    for _ in range(20):
        history.add_censored(30)

    assert history.percentile(40) == 16
    assert history.percentile(99) == 30


def test_old_times_make_room() -> None:
    history = FirstTokenTimes(20)
    for seconds in [*[100.0] * 20, *range(1, 21)]:
        history.add(seconds)
    assert history.percentile(99) == 20

    history.add_censored(5)  # of those that are left, 19 came
    assert history.percentile(50) is None


# -- how it is told ------------------------------------------------------------------------------


def test_hedge_logs_that_it_asked_again_and_who_won(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rxwizard.operators.hedging")
    play(ops.hedge(after=3), "-a-|", **VALUES)
    play(hedged("-s-|"), "-#", **VALUES)
    assert caplog.messages == []

    play(hedged("-c-|"), "-u-----a-|", **VALUES)
    play(hedged("---c-|"), "----a-|", **VALUES)
    play(hedged("-#"), "----#", **VALUES)
    asked, second, _, first, _, failed = caplog.messages

    assert asked == "no first token in 3.000 s: asking a second time"
    assert second.startswith("the second request won: (Contender(index=0, outcome='closed'")
    assert "prompt_tokens=9" in second
    assert first.startswith("the first request won: ")
    assert failed.startswith("both requests failed: ")


# -- on a loop, on threads, and on a wire --------------------------------------------------------


async def silence(*first: int) -> AsyncIterator[int]:
    for item in first:
        yield item
    await asyncio.get_running_loop().create_future()


def test_hedge_leaves_no_timer_when_the_first_token_has_come() -> None:
    async def run() -> None:
        loop: Any = asyncio.get_running_loop()
        source = from_async_iterable(silence(1))
        subscription = source.pipe(ops.hedge(after=60)).subscribe(lambda _: None)
        assert len(loop._scheduled) == 1
        await settle()
        assert all(timer.cancelled() for timer in loop._scheduled)
        subscription.dispose()

    run_in_virtual_time(run())


def test_hedge_keeps_a_readers_bound_and_closes_what_it_asked() -> None:
    async def run() -> None:
        quick = Numbers()
        sources = [from_async_iterable(silence()), quick]
        stream = Stream.of(reactivex.defer(lambda _: sources.pop(0))).pipe(ops.hedge(after=60))
        began = asyncio.get_running_loop().time()
        async with stream.open(capacity=4) as reader:
            assert [await anext(reader) for _ in range(3)] == [0, 1, 2]
            await settle()
            assert reader.statistics().peak == 4
            assert quick.given <= 8
            assert asyncio.get_running_loop().time() - began == pytest.approx(60)
            # The source that was silent is over already.
            assert len(asyncio.all_tasks()) == 2
        assert quick.is_closed

    run_in_virtual_time(run())


def test_hedge_works_where_no_loop_runs() -> None:
    sources = [reactivex.never(), reactivex.of(1, 2)]
    stream = reactivex.defer(lambda _: sources.pop(0)).pipe(ops.hedge(after=0.001), rx.to_list())

    assert stream.run() == [1, 2]


async def hedge_once(simulator: Simulator) -> tuple[list[str], float]:
    """Have the second request win; give what happened, in order, and how many seconds later the
    server saw the client of the first one leave."""
    loop, clock = asyncio.get_running_loop(), TestScheduler()
    requested = len(simulator.requests)
    events: list[str] = []
    won_at: list[float] = []

    def took(chunk: StreamChunk) -> None:
        won_at.append(loop.time())
        events.append(chunk.text or chunk.kind.value)

    asked = client(simulator).generate_stream("Hello")
    asked.pipe(rx.finally_action(lambda: events.append("closed")), ops.hedge(after=3)).subscribe(
        took,
        lambda error: events.append(repr(error)),
        lambda: events.append("completed"),
        scheduler=clock,
    )
    async with asyncio.timeout(10):
        first = await simulator.request(requested)
        await first.held()
        clock.advance_by(3)
        second = await simulator.request(requested + 1)
        await second.held()
        assert events == []
        second.release()
        await first.gone()
    await until(lambda: "completed" in events)
    assert first.gone_at is not None
    return events, first.gone_at - won_at[0]


async def test_the_server_sees_the_loser_leave_when_the_first_token_has_come() -> None:
    async with Simulator(Script(Hold(), Text("one two"))) as simulator:
        tasks = asyncio.all_tasks()
        delays = []
        for _ in range(ROUNDS):
            events, delay = await hedge_once(simulator)
            # The loser was let go before anything of the winner was passed on.
            assert events[:4] == ["closed", "start", "one", " two"]
            assert events[-3:] == ["final", "completed", "closed"]
            assert events.count("closed") == 2
            delays.append(delay)
        await until(lambda: asyncio.all_tasks() == tasks)

    # Nine of ten, because the machine may have other things to do.
    assert sorted(delays)[ROUNDS * 9 // 10 - 1] < SOON
