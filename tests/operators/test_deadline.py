from __future__ import annotations

import asyncio
import math
import threading
from typing import TYPE_CHECKING, Any

import pytest
import reactivex as rx
from kit import check_dispose, check_empty, check_error, check_two_subscribers, results
from reactivex import Observable
from reactivex import operators as rx_ops
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from rxwizard import (
    ChunkKind,
    ChunkSource,
    ConfigError,
    DeadlineConfig,
    DeadlineError,
    FinishReason,
    FirstTokenDeadlineError,
    IdleDeadlineError,
    RateDeadlineError,
    StreamChunk,
    TokenUsage,
    ToolCallDelta,
    TotalDeadlineError,
)
from rxwizard import operators as ops
from rxwizard.chunks import text_chunk, text_template
from rxwizard.demand import BoundedSubscriber
from rxwizard.demand.sources import from_async_iterable
from rxwizard.fold import ResponseBuilder
from rxwizard.operators.deadline import without_heartbeats
from rxwizard.operators.rate_floor import RateFloor
from rxwizard.policies import RequestDeadlines, deadlines_below
from rxwizard.testing import VirtualTimeLoop, assert_marbles, play, run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

SOURCE = ChunkSource(provider="openai", model="gpt", request_id="req-1", requested_at=0.5)


def chunk(text: str = "", **fields: Any) -> StreamChunk:
    return StreamChunk(text=text, source=SOURCE, **fields)


def call(**fields: Any) -> StreamChunk:
    return chunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(**fields))


ANSWER = {
    "s": chunk(kind=ChunkKind.START),
    "a": chunk("Hel"),
    "b": chunk("lo"),
    "f": chunk(kind=ChunkKind.FINAL, is_final=True, complete=True, finish_reason=FinishReason.STOP),
    "e": chunk(""),
    "h": chunk(kind=ChunkKind.HEARTBEAT),
    "w": chunk(kind=ChunkKind.WARNING, data="odd"),
    "u": chunk(kind=ChunkKind.USAGE, usage=TokenUsage(prompt_tokens=1)),
    "r": chunk(kind=ChunkKind.REASONING, reasoning="hm"),
    "n": chunk("No", kind=ChunkKind.REFUSAL),
    "c": chunk(kind=ChunkKind.CITATION, data="url"),
    "o": chunk(kind=ChunkKind.OTHER, data={}),
    "t": call(arguments="{"),
    "i": call(id="call-1"),
    "x": chunk(kind=ChunkKind.RETRACT, epoch=1, data={"epoch": 0, "characters": 3}),
    "y": chunk("Anew", epoch=1),
    "z": chunk(kind=ChunkKind.REASONING),
    "j": call(),
}

ALL = [
    pytest.param(lambda: ops.deadline(), id="defaults"),
    pytest.param(lambda: ops.deadline(first_token=100), id="first_token"),
    pytest.param(lambda: ops.deadline(idle=100), id="idle"),
    pytest.param(lambda: ops.deadline(min_rate=0.01, window=100), id="min_rate"),
    pytest.param(lambda: ops.deadline(total=100), id="total"),
    pytest.param(lambda: ops.deadline(connect=100, headers=100), id="request"),
    pytest.param(
        lambda: ops.deadline(DeadlineConfig(min_rate=0.01, total=100, heartbeats=True)), id="config"
    ),
]


def end(operator: Any, source: str, **values: Any) -> tuple[float, object]:
    """When, and in what kind of error or how, it ended; nothing may follow."""
    last = play(operator, source, **{**ANSWER, **values}).messages[-1]
    return last.tick, last.what if last.what != "error" else type(last.value)


# -- all of them -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
def test_deadline_has_the_five_properties(make: Callable[[], Any]) -> None:
    assert_marbles(make(), "-s-a-t-b-c-f-|", "-s-a-t-b-c-f-|", **ANSWER)
    check_empty(make())
    check_error(make(), "-s-a-", **ANSWER)
    check_dispose(make(), "-s-a-|", **ANSWER)
    check_two_subscribers(make(), "-s-a-f-|", **ANSWER)


@pytest.mark.parametrize("make", ALL)
def test_deadline_passes_the_same_objects_of_any_kind(make: Callable[[], Any]) -> None:
    items = [*ANSWER.values(), "text", "", 7, None, ("a", chunk()), TokenUsage()]
    given = results(make(), items)

    assert all(a is b for a, b in zip(given, items, strict=True))


@pytest.mark.parametrize("make", ALL)
def test_deadline_leaves_nothing_running(make: Callable[[], Any]) -> None:
    async def read() -> None:
        ways: list[Any] = [
            rx.empty(),
            rx.throw(OSError()),
            rx.from_iterable(ANSWER.values()),
            rx.never(),
        ]
        loop = asyncio.get_running_loop()
        for source in ways:
            subscription = source.pipe(make()).subscribe(lambda _: None, lambda _: None)
            subscription.dispose()
        timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        assert timers == []

    run_in_virtual_time(read())


def test_deadline_for_two_subscribers_at_different_times() -> None:
    async def read() -> list[tuple[int, float]]:
        loop = asyncio.get_running_loop()
        ends: list[tuple[int, float]] = []
        stream = rx.never().pipe(ops.deadline(first_token=5))
        for who in (1, 2):
            stream.subscribe(on_error=lambda _, who=who: ends.append((who, loop.time())))
            await asyncio.sleep(3)
        await asyncio.sleep(10)
        return ends

    assert run_in_virtual_time(read()) == [(1, pytest.approx(5)), (2, pytest.approx(8))]


# -- the first token -------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["a", "r", "n", "t", "i"])
def test_deadline_waits_for_the_first_token(token: str) -> None:
    assert end(ops.deadline(first_token=4), f"-s-{token}-------|") == (11, "completed")
    assert end(ops.deadline(first_token=4), f"-s-----{token}-|") == (4, FirstTokenDeadlineError)


@pytest.mark.parametrize("other", ["e", "h", "w", "u", "c", "o", "z", "j"])
def test_deadline_takes_nothing_else_for_a_first_token(other: str) -> None:
    source = f"-s-{other}-{other}----a-|"

    assert end(ops.deadline(first_token=6), source) == (6, FirstTokenDeadlineError)
    assert end(ops.deadline(first_token=6, heartbeats=True), source)[0] == 6


def test_deadline_for_the_first_token_takes_other_items_but_empty_strings() -> None:
    assert end(ops.deadline(first_token=4), "-k-------|", k=None) == (9, "completed")
    assert end(ops.deadline(first_token=4), "-k-------|", k="x") == (9, "completed")
    assert end(ops.deadline(first_token=4), "-k-------|", k="") == (4, FirstTokenDeadlineError)


def test_deadline_begins_the_wait_for_the_first_token_anew_with_the_answer() -> None:
    for anew in ("x", "s", "z"):
        newer = chunk(kind=ChunkKind.WARNING, epoch=1) if anew == "z" else ANSWER[anew]
        operator = ops.deadline(first_token=4)

        assert end(operator, "-s-a-----k-------|", k=newer) == (13, FirstTokenDeadlineError)
        assert end(operator, "-s-a-----k--y---------|", k=newer) == (22, "completed")


def test_deadline_takes_no_warning_for_a_new_beginning() -> None:
    assert end(ops.deadline(first_token=4), "-s-w-w-w-a-|") == (4, FirstTokenDeadlineError)


# -- silence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["a", "r", "n", "t", "i", "c", "o", "y"])
def test_deadline_ends_silence_after_the_first_token(content: str) -> None:
    assert end(ops.deadline(idle=3), f"-s-----a-{content}------|") == (12, IdleDeadlineError)
    assert end(ops.deadline(idle=3), f"-s-----a-{content}-{content}--|") == (14, "completed")


@pytest.mark.parametrize("other", ["s", "e", "h", "w", "u", "z", "j"])
def test_deadline_takes_nothing_else_for_content(other: str) -> None:
    # A start that is the first one of its stream begins nothing anew.
    source = "-a-s-w-w-----|" if other == "s" else f"-a-{other}-{other}-{other}-----|"

    assert end(ops.deadline(idle=3), source) == (4, IdleDeadlineError)


def test_deadline_counts_heartbeats_where_asked_to() -> None:
    source = "-a-h-h-h-h-----|"

    assert end(ops.deadline(idle=3), source) == (4, IdleDeadlineError)
    assert end(ops.deadline(idle=3, heartbeats=True), source) == (12, IdleDeadlineError)
    # They are no first token for that.
    assert end(ops.deadline(idle=3, heartbeats=True), "-h-------|") == (9, "completed")


def test_deadline_for_silence_takes_other_items() -> None:
    assert end(ops.deadline(idle=3), "-k-k-k-----|", k="x") == (8, IdleDeadlineError)
    assert end(ops.deadline(idle=3), "-x-k-k-----|", x="x", k="") == (4, IdleDeadlineError)


def test_deadline_is_not_for_what_follows_the_final_chunk() -> None:
    every = {"first_token": 3, "idle": 3, "min_rate": 100, "window": 3, "total": 6}

    assert end(ops.deadline(**every), "-s-a-f---------|") == (15, "completed")  # type: ignore[arg-type]


def test_deadline_goes_on_where_an_answer_is_asked_for_again_after_its_end() -> None:
    assert end(ops.deadline(idle=3), "-s-a-f------s-a-------|") == (17, IdleDeadlineError)


def test_deadline_draws_as_documented() -> None:
    played = play(ops.deadline(idle=3), "-s-a-b----------|", **ANSWER)

    assert [m.tick for m in played.messages] == [1, 3, 5, 8]
    assert played.held == [(0, 8)]


# -- the rate --------------------------------------------------------------------------------

WORD = chunk(" word")  # about one token


def test_deadline_ends_a_slow_drip() -> None:
    drip = "-k" + "---k" * 10 + "|"

    # A token every four seconds is content enough for idle, and too little for half a token.
    assert end(ops.deadline(idle=5), drip, k=WORD) == (42, "completed")
    assert end(ops.deadline(min_rate=0.5, window=8), drip, k=WORD) == (9, RateDeadlineError)
    assert end(ops.deadline(min_rate=0.2, window=8), drip, k=WORD) == (42, "completed")


def test_deadline_judges_the_rate_only_over_a_whole_window_from_the_first_token_on() -> None:
    slow = ops.deadline(min_rate=2, window=5)

    assert end(slow, "-s--------k---|", k=WORD) == (14, "completed")
    assert end(slow, "-s--------k---------|", k=WORD) == (15, RateDeadlineError)


def test_deadline_sees_a_rate_that_falls() -> None:
    fast = "-k" * 10
    falling = ops.deadline(min_rate=0.25, window=4)

    # One is enough: the last of them, which is that of second 19, until it leaves the window.
    assert end(falling, fast + "----------|", k=WORD) == (19 + 4, RateDeadlineError)
    assert end(falling, fast + "--k--k--k--k|", k=WORD)[1] == "completed"


def test_deadline_counts_reasoning_and_tool_calls_for_the_rate() -> None:
    for word in (chunk(kind=ChunkKind.REASONING, reasoning=" word"), call(arguments=" word")):
        drip = "-k-k-k-k-k-k-|"

        assert end(ops.deadline(min_rate=0.5, window=4), drip, k=word) == (13, "completed")
        assert end(ops.deadline(min_rate=0.7, window=4), drip, k=word)[1] is RateDeadlineError


def test_deadline_counts_the_rate_of_strings() -> None:
    drip = "-k-k-k-k-|"

    assert end(ops.deadline(min_rate=0.5, window=4), drip, k=" word") == (9, "completed")
    assert end(ops.deadline(min_rate=2, window=4), drip, k=" word") == (5, RateDeadlineError)


def test_deadline_begins_the_rate_anew_with_the_answer() -> None:
    source = "-s-a-a-a-a-x------y----------|"

    assert end(ops.deadline(min_rate=0.2, window=5), source, a=WORD) == (23, RateDeadlineError)


def test_a_rate_floor_is_never_early_and_at_most_a_part_of_the_window_late() -> None:
    window, least = 10.0, 600
    floor = RateFloor(least / window, window, 0, 0.0)
    came: list[tuple[float, int]] = [(0.0, 0)]
    for step in range(1, 5000):
        at = step * 0.003 + (step % 7) * 0.0001
        came.append((at, step // 5))
        floor.add(step // 5, at)
    # Had nothing come since: the first moment at which too little is in the window.
    total = came[-1][1]
    exact = next(at for at, amount in came if total - amount < least) + window

    assert exact <= floor.due <= exact + window / 256
    assert len(floor._marks) <= 257


# -- the whole -------------------------------------------------------------------------------


def test_deadline_for_the_whole() -> None:
    assert end(ops.deadline(total=6), "-s-a-b-a-b-a-f|") == (6, TotalDeadlineError)
    assert end(ops.deadline(total=6), "---------|") == (6, TotalDeadlineError)
    assert end(ops.deadline(total=15), "-s-a-b-a-b-a-f|") == (14, "completed")


def test_deadline_for_the_whole_does_not_begin_anew() -> None:
    assert end(ops.deadline(total=6), "-s-a-x-y-y-y|") == (6, TotalDeadlineError)


def test_deadline_raises_what_runs_out_first() -> None:
    three = {"first_token": 5.0, "idle": 4.0, "total": 7.0}

    assert end(ops.deadline(**three), "--------|") == (5, FirstTokenDeadlineError)  # type: ignore[arg-type]
    assert end(ops.deadline(**three), "-s-a-------|") == (7, IdleDeadlineError)  # type: ignore[arg-type]
    assert end(ops.deadline(**three), "-s-a-a-a-a-a|") == (7, TotalDeadlineError)  # type: ignore[arg-type]


# -- how it ends -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "seconds", "words", "retryable"),
    [
        (ops.deadline(first_token=4), 4, "within 4 seconds.*first_token", True),
        (ops.deadline(idle=4), 4, "no content came within 4 seconds.*idle", True),
        (ops.deadline(min_rate=9, window=4), 4, "less than 9 tokens.*over 4 sec.*min_rate", True),
        (ops.deadline(total=4), 4, "within 4 seconds.*max_tokens.*total", False),
    ],
)
def test_deadline_says_what_to_do(
    operator: Any, seconds: float, words: str, retryable: bool
) -> None:
    source = "-s--------" if "first_token" in words else "-s-a------"
    (error,) = [m.value for m in play(operator, source, **ANSWER).messages if m.what == "error"]

    assert isinstance(error, DeadlineError)
    assert (error.seconds, error.retryable) == (seconds, retryable)
    assert (error.provider, error.request_id) == ("openai", "req-1")
    with pytest.raises(DeadlineError, match=words):
        raise error


def test_deadline_disposes_of_the_source_before_the_error_comes() -> None:
    happened: list[str] = []

    def subscribe(observer: Any, _scheduler: Any = None) -> Disposable:
        observer.on_next(ANSWER["a"])
        said.append(observer)
        return Disposable(lambda: happened.append("disposed"))

    said: list[Any] = []

    async def read() -> None:
        Observable(subscribe).pipe(ops.deadline(idle=3)).subscribe(
            lambda _: happened.append("item"), lambda e: happened.append(type(e).__name__)
        )
        await asyncio.sleep(10)
        said[0].on_next(ANSWER["b"])
        said[0].on_completed()

    run_in_virtual_time(read())

    assert happened == ["item", "disposed", "IdleDeadlineError"]


def test_deadline_works_without_a_loop() -> None:
    with pytest.raises(FirstTokenDeadlineError):
        rx.never().pipe(ops.deadline(first_token=0.001)).run()


def test_deadline_does_not_end_a_stream_in_the_middle_of_a_push_on_another_thread() -> None:
    ended = threading.Event()
    was_ended: list[bool] = []
    said: list[Any] = []

    def subscribe(observer: Any, _scheduler: Any = None) -> Disposable:
        said.append(observer)
        observer.on_next("x")  # the clock begins with it, and rings in the middle of its push
        return Disposable()

    Observable(subscribe).pipe(ops.deadline(idle=0.001)).subscribe(
        lambda _: was_ended.append(ended.wait(0.05)), lambda _: ended.set()
    )

    assert was_ended == [False]
    assert ended.wait(10)
    said[0].on_next("y")
    assert len(was_ended) == 1


# -- what had arrived ------------------------------------------------------------------------


def partial_of(*chunks: StreamChunk, **clocks: float) -> tuple[Any, Any]:
    """The partial of the error after these chunks, and their fold."""
    errors: list[Any] = []

    async def read() -> None:
        never: Observable[StreamChunk] = rx.never()
        source = rx.concat(rx.from_iterable(chunks), never)
        stream = source.pipe(ops.deadline(**(clocks or {"total": 5})))  # type: ignore[arg-type]
        stream.subscribe(on_error=errors.append)
        await asyncio.sleep(10)

    run_in_virtual_time(read())
    (error,) = errors
    return error.partial, ResponseBuilder().add_all(chunks).build() if chunks else None


TEMPLATE = text_template(SOURCE)


def text(piece: str, at: float) -> StreamChunk:
    """A chunk of text as the readers of wires make it."""
    return text_chunk(TEMPLATE, piece, 0, at)


def told() -> Iterator[Any]:
    a, s, x, y = (ANSWER[name] for name in "asxy")
    yield pytest.param([], id="nothing")
    yield pytest.param([s], id="start")
    yield pytest.param([s, text("Hel", 1), text("lo", 2)], id="text of a wire")
    yield pytest.param([s, a, a, chunk("!", at=7.5)], id="text")
    yield pytest.param([a, *ANSWER.values(), a], id="everything")
    yield pytest.param([s, a, x, y, y.model_copy(update={"text": " once"})], id="a new epoch")
    yield pytest.param([s, a, a, s, text("Anew", 3), text(".", 4)], id="a second start")
    yield pytest.param([s, a, chunk("or", choice=1), a], id="a further choice")
    yield pytest.param([s, a, chunk("x", reasoning="y"), a], id="text and reasoning")
    yield pytest.param([s, a, chunk("x", usage=TokenUsage(prompt_tokens=3)), a], id="usage")
    yield pytest.param([s, a, chunk("x", finish_reason=FinishReason.LENGTH)], id="a reason")
    yield pytest.param([s, a, chunk("x", epoch=2), chunk("y", epoch=2)], id="a newer epoch")
    yield pytest.param([s, a, a.model_copy(update={"epoch": 0, "text": "b"}), a], id="copies")


@pytest.mark.parametrize("chunks", [*told()])
def test_deadline_carries_the_fold_of_what_passed(chunks: list[StreamChunk]) -> None:
    partial, folded = partial_of(*chunks)

    assert partial == folded
    assert partial is None or partial.complete is False or any(c.is_final for c in chunks)


def test_deadline_keeps_no_more_than_any_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxwizard.operators.watchdog.MAX_RESPONSE_CHARACTERS", 10)
    monkeypatch.setattr("rxwizard.fold.response.ResponseBuilder.__init__.__defaults__", (10,))
    partial, _ = partial_of(*[ANSWER["s"], *[text("12345", 1)] * 9])

    assert partial.truncated
    assert len(partial.text) <= 15


def test_deadline_of_other_items_has_no_partial() -> None:
    played = play(ops.deadline(total=3), "-k-k-k", k="text")

    assert played.messages[-1].value.partial is None


# -- a reader that holds ---------------------------------------------------------------------


async def words(count: int, seconds: float = 1.0) -> AsyncGenerator[StreamChunk]:
    """A start, then a word every so many seconds; then nothing, for ever."""
    now = asyncio.get_running_loop().time
    yield chunk(kind=ChunkKind.START, at=now())
    for seq in range(count):
        await asyncio.sleep(seconds)
        yield chunk(" word", seq=seq + 1, at=now())
    await asyncio.get_running_loop().create_future()


async def paused_reading(
    reader: BoundedSubscriber[StreamChunk], pauses: dict[int, float]
) -> tuple[list[float], float, DeadlineError]:
    """Read and pause behind some items; when each came, how long it was held, and the error."""
    now = asyncio.get_running_loop().time
    times: list[float] = []
    try:
        async for _ in reader:
            times.append(now())
            await asyncio.sleep(pauses.get(len(times), 0))
    except DeadlineError as error:
        return times, now(), error
    raise AssertionError("it ended well")


@pytest.mark.parametrize(
    ("clocks", "kind", "running"),
    [
        # Second 20 is that of the last word.
        ({"idle": 5}, IdleDeadlineError, 25),
        ({"total": 22}, TotalDeadlineError, 22),
        ({"min_rate": 0.1, "window": 8}, RateDeadlineError, 28),
    ],
)
def test_deadline_does_not_count_the_time_in_which_the_reader_holds(
    clocks: dict[str, float], kind: type[DeadlineError], running: float
) -> None:
    async def read() -> None:
        stream = from_async_iterable(words(20)).pipe(ops.deadline(**clocks))  # type: ignore[arg-type]
        reader = BoundedSubscriber[StreamChunk](2).attach(stream)
        times, ended, error = await paused_reading(reader, {3: 1000, 9: 3, 14: 77})
        held = reader.statistics().paused_seconds

        assert type(error) is kind
        assert len(times) == 21
        assert held > 1000
        assert ended == pytest.approx(running + held, abs=0.02)

    run_in_virtual_time(read())


def test_deadline_for_the_first_token_does_not_count_it_either() -> None:
    async def starts() -> AsyncGenerator[StreamChunk]:
        for _ in range(2):
            yield chunk(kind=ChunkKind.USAGE)
        await asyncio.get_running_loop().create_future()

    async def read() -> None:
        stream = from_async_iterable(starts()).pipe(ops.deadline(first_token=5))
        reader = BoundedSubscriber[StreamChunk](1).attach(stream)
        _, ended, error = await paused_reading(reader, {1: 100})

        assert type(error) is FirstTokenDeadlineError
        assert ended == pytest.approx(105, abs=0.02)

    run_in_virtual_time(read())


def test_deadline_rings_no_more_than_it_must_while_the_reader_holds() -> None:
    async def read() -> int:
        loop = asyncio.get_running_loop()
        stream = from_async_iterable(words(9)).pipe(ops.deadline(idle=1.001))
        reader = BoundedSubscriber[StreamChunk](1).attach(stream)
        await anext(reader)
        await asyncio.sleep(100)
        jumps = 0
        jump = loop._jump  # type: ignore[attr-defined]

        def count(seconds: float) -> None:
            nonlocal jumps
            jumps += 1
            jump(seconds)

        loop._selector._jump = count  # type: ignore[attr-defined]
        await asyncio.sleep(100_000)
        return jumps

    assert run_in_virtual_time(read()) < 5


@pytest.mark.parametrize("way", ["share", "subject"])
def test_deadline_sees_readers_that_are_found_in_a_push(way: str) -> None:
    async def read() -> None:
        stream = from_async_iterable(words(9)).pipe(ops.deadline(idle=5))
        shared: Any
        shared = stream.pipe(rx_ops.share()) if way == "share" else Subject[StreamChunk]()
        quick = BoundedSubscriber[StreamChunk](64).attach(shared)
        slow = BoundedSubscriber[StreamChunk](2).attach(shared)
        if way == "subject":
            stream.subscribe(shared)
        (_, _, first), (times, ended, error) = await asyncio.gather(
            paused_reading(quick, {}), paused_reading(slow, {3: 100, 7: 4})
        )

        assert type(first) is type(error) is IdleDeadlineError
        assert len(times) == 10
        assert ended == pytest.approx(9 + 5 + slow.statistics().paused_seconds, abs=0.02)

    run_in_virtual_time(read())


def test_deadline_leaves_a_shared_source_as_it_found_it() -> None:
    async def read() -> None:
        shared = from_async_iterable(words(9)).pipe(rx_ops.share())
        other = BoundedSubscriber[StreamChunk](64).attach(shared)
        before = BoundedSubscriber[StreamChunk](64).attach(shared.pipe(ops.deadline(idle=50)))
        after = BoundedSubscriber[StreamChunk](64).attach(shared.pipe(ops.deadline(total=5.5)))
        await asyncio.sleep(3)
        before.cancel()
        _, ended, error = await paused_reading(after, {})

        assert type(error) is TotalDeadlineError
        assert ended == pytest.approx(5.5)
        (gate,) = other.ring.group.gates
        assert gate.parent is None

    run_in_virtual_time(read())


# -- a loop that stands still ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("clocks", "kind"),
    [
        ({"idle": 5}, IdleDeadlineError),
        ({"min_rate": 0.1, "window": 8}, RateDeadlineError),
    ],
)
def test_deadline_blames_nobody_where_the_loop_stood_still(
    clocks: dict[str, float], kind: type[DeadlineError]
) -> None:
    async def read() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        waiting: asyncio.Queue[StreamChunk] = asyncio.Queue()

        async def socket() -> AsyncGenerator[StreamChunk]:
            while True:
                item = await waiting.get()
                for _ in range(5):  # what was read takes some turns to come
                    await asyncio.sleep(0)
                yield item

        errors: list[Exception] = []
        got: list[StreamChunk] = []
        stream = from_async_iterable(socket()).pipe(ops.deadline(**clocks))  # type: ignore[arg-type]
        stream.subscribe(got.append, errors.append)
        for _ in range(4):
            waiting.put_nowait(WORD)
            await asyncio.sleep(1)
            loop._jump(100)  # somebody blocks it, and what comes meanwhile waits in the socket
        assert errors == []
        assert len(got) == 4
        await asyncio.sleep(20)
        assert [type(error) for error in errors] == [kind]

    run_in_virtual_time(read())


def test_deadline_is_not_put_off_for_ever_by_a_loop_that_stands_still_again_and_again() -> None:
    async def read() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        errors: list[Exception] = []
        rx.never().pipe(ops.deadline(first_token=5)).subscribe(on_error=errors.append)
        while not errors:
            loop._jump(0.7)
            await asyncio.sleep(0.001)
        return loop.time()

    assert run_in_virtual_time(read()) < 60


# -- the request -----------------------------------------------------------------------------


def handed_down(operator: Any) -> RequestDeadlines:
    """What a source finds that is subscribed to through this operator."""
    found: list[RequestDeadlines] = []

    def subscribe(_observer: Any, _scheduler: Any = None) -> Disposable:
        found.append(deadlines_below.get())
        return Disposable()

    Observable(subscribe).pipe(rx_ops.map(str), operator).subscribe().dispose()
    assert deadlines_below.get() == RequestDeadlines()
    return found[0]


def test_deadline_hands_down_what_only_the_request_can_see() -> None:
    assert handed_down(ops.deadline(connect=3)) == RequestDeadlines(connect=3)
    assert handed_down(ops.deadline(headers=4, idle=9)) == RequestDeadlines(headers=4, silence=9)
    assert handed_down(ops.deadline(min_rate=1, window=5, idle=9)).silence == 5
    assert handed_down(ops.deadline(DeadlineConfig())) == RequestDeadlines(10, 600, 120)


@pytest.mark.parametrize("is_bounded", [False, True])
@pytest.mark.parametrize(
    ("between", "requests"),
    [
        (lambda it: it, 1),
        (rx_ops.retry(3), 3),
        (rx_ops.catch(lambda _, source: source), 2),
        (lambda it: rx.concat(it.pipe(rx_ops.catch(rx.empty())), it), 2),
        (lambda it: rx.merge(*[it.pipe(rx_ops.catch(rx.empty()))] * 2), 2),
        (lambda it: rx.of(1, 2).pipe(rx_ops.flat_map(it.pipe(rx_ops.catch(rx.empty())))), 2),
        (rx_ops.delay_subscription(1), 1),
        (ops.share(), 1),
        (ops.bounded(4), 1),
    ],
    ids=["nothing", "retry", "catch", "concat", "merge", "flat_map", "later", "share", "bounded"],
)
def test_deadline_hands_it_down_through_operators_and_to_every_request(
    between: Callable[[Observable[Any]], Observable[Any]], requests: int, is_bounded: bool
) -> None:
    found: list[float | None] = []

    async def request() -> AsyncGenerator[StreamChunk]:
        found.append(deadlines_below.get().connect)
        yield ANSWER["u"]
        raise OSError("reset")

    async def read() -> None:
        source = rx.defer(lambda _: from_async_iterable(request()))
        stream = between(source).pipe(ops.deadline(connect=3))
        if is_bounded:
            reader = BoundedSubscriber[StreamChunk](4).attach(stream)
        else:
            stream.subscribe(on_error=lambda _: None)
        await asyncio.sleep(9)
        del stream
        if is_bounded:
            reader.cancel()

    run_in_virtual_time(read())

    assert found == [3] * requests


def test_deadline_hands_down_the_shorter_times() -> None:
    both = rx.compose(
        ops.deadline(connect=3, headers=9, idle=1), ops.deadline(connect=5, headers=2)
    )

    assert handed_down(both) == RequestDeadlines(3, 2, 1)


# -- heartbeats that only a clock had to see -------------------------------------------------


def test_heartbeats_can_be_dropped_behind_the_clocks() -> None:
    chunks = [chunk("x", seq=0), chunk(kind=ChunkKind.HEARTBEAT, seq=1), chunk("y", seq=2)]
    chunks += [chunk(kind=ChunkKind.HEARTBEAT, seq=3), chunk("z", seq=4)]

    assert [(c.seq, c.text) for c in results(without_heartbeats(), chunks)] == [
        (0, "x"),
        (1, "y"),
        (2, "z"),
    ]
    check_two_subscribers(without_heartbeats(), "-s-h-a-|", **ANSWER)
    check_error(without_heartbeats(), "-s-h-a-", **ANSWER)


# -- options ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True, "5"])
@pytest.mark.parametrize(
    "name", ["connect", "headers", "first_token", "idle", "min_rate", "window", "total"]
)
def test_deadline_refuses_what_is_no_time(name: str, seconds: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name}=.* cannot work"):
        ops.deadline(**{name: seconds})


def test_deadline_refuses_to_be_none() -> None:
    for useless in ({"heartbeats": True}, {"window": 5.0}):
        with pytest.raises(ConfigError, match="needs a clock"):
            ops.deadline(**useless)  # type: ignore[arg-type]


def test_deadline_refuses_two_opinions() -> None:
    with pytest.raises(ConfigError, match="not both: idle"):
        ops.deadline(DeadlineConfig(), idle=3)


def test_deadline_has_those_clocks_alone_that_are_named() -> None:
    assert end(ops.deadline(idle=2), "-" * 5000 + "|") == (5000, "completed")
    assert end(ops.deadline(), "-" * 5000 + "|") == (600, FirstTokenDeadlineError)
    assert end(ops.deadline(), "-a" + "-" * 5000 + "|") == (121, IdleDeadlineError)
