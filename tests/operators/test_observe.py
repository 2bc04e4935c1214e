from __future__ import annotations

import asyncio
import io
import logging
import math
import sys
from typing import TYPE_CHECKING, Any

import pytest
import reactivex as rx
from kit import check_dispose, check_empty, check_error, check_two_subscribers, results
from reactivex import operators as rx_ops

from rxwizard import (
    ChunkKind,
    ChunkSource,
    ConfigError,
    FinishReason,
    StreamChunk,
    StreamInterruptedError,
    TokenUsage,
    ToolCallDelta,
)
from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber
from rxwizard.demand.sources import from_async_iterable
from rxwizard.operators.accumulate import collect
from rxwizard.testing import assert_marbles, play, run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

SOURCE = ChunkSource(provider="openai", model="gpt", requested_at=100.0)
REPORTED = TokenUsage(prompt_tokens=3, completion_tokens=8)
ESTIMATED = TokenUsage(completion_tokens=99, source="estimated")


def chunk(at: float, text: str = "", **fields: Any) -> StreamChunk:
    return StreamChunk(text=text, at=at, source=SOURCE, **fields)


START = chunk(100.5, kind=ChunkKind.START)
HEL = chunk(102.0, "Hel", seq=1)
LO = chunk(102.5, "lo", seq=2)
LATER = chunk(105.0, "!", seq=3)
FINAL = chunk(
    106.0,
    kind=ChunkKind.FINAL,
    is_final=True,
    complete=True,
    seq=4,
    usage=REPORTED,
    finish_reason=FinishReason.STOP,
)
PING = chunk(103.0, kind=ChunkKind.HEARTBEAT)
ANSWER = {"s": START, "a": HEL, "b": LO, "c": LATER, "f": FINAL}

TRANSPARENT = [
    pytest.param(lambda: ops.log("rxwizard.test"), id="log"),
    pytest.param(lambda: ops.tap_metrics(lambda _: None), id="tap_metrics"),
    pytest.param(lambda: ops.progress(lambda _: None), id="progress"),
    pytest.param(lambda: ops.heartbeat(1000), id="heartbeat"),
]


# -- all of them -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", TRANSPARENT)
def test_the_same_objects_pass_at_once(make: Callable[[], Any]) -> None:
    assert_marbles(make(), "-s--a-b-c-f-|", "-s--a-b-c-f-|", **ANSWER)
    given = results(make(), [*ANSWER.values()])

    assert all(a is b for a, b in zip(given, ANSWER.values(), strict=True))


@pytest.mark.parametrize("make", TRANSPARENT)
def test_the_five_checks(make: Callable[[], Any]) -> None:
    check_empty(make())
    check_error(make(), "-s-a-", **ANSWER)
    check_dispose(make(), "-s-a-|", **ANSWER)
    check_two_subscribers(make(), "-s-a-f-|", **ANSWER)


@pytest.mark.parametrize("make", TRANSPARENT[:3])
def test_items_of_any_kind_pass(make: Callable[[], Any]) -> None:
    items = ["text", 7, None, ("a", HEL), TokenUsage()]

    assert results(make(), items) == items


# -- log -------------------------------------------------------------------------------------


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    caplog.set_level(logging.DEBUG)
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


def test_log_writes_each_item_on_one_line_and_how_it_ended(logged: Any) -> None:
    evil = chunk(1.0, "a\nERROR all is lost", seq=1)
    play(ops.log(), "-s-a-b-|", s=START, a=evil, b="x\n")

    assert logged() == [
        ("DEBUG", "start seq=0"),
        ("DEBUG", r"text seq=1 text='a\nERROR all is lost'"),
        ("DEBUG", r"'x\n'"),
        ("INFO", "completed; items: 3"),
    ]


def test_log_says_how_it_failed(logged: Any) -> None:
    play(
        ops.log(label="answer"), "-a-#", a=7, error=StreamInterruptedError("The\nconnection broke.")
    )

    assert logged() == [
        ("DEBUG", "answer: 7"),
        ("ERROR", "answer: failed; items: 1; StreamInterruptedError: The connection broke."),
    ]


def test_log_says_that_nobody_wanted_more(logged: Any) -> None:
    play(ops.log(level=logging.WARNING), "-a-b-|", until=2)

    assert logged() == [("WARNING", "'a'"), ("INFO", "disposed; items: 1")]


def test_log_hands_the_item_to_handlers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    results(ops.log(logging.getLogger("my.stream")), [HEL])

    assert [record.name for record in caplog.records] == ["my.stream"] * 2
    assert caplog.records[0].item is HEL  # type: ignore[attr-defined]


def test_log_writes_nothing_out_where_nobody_listens() -> None:
    class Secret:
        def __repr__(self) -> str:
            raise AssertionError

    quiet = logging.getLogger("rxwizard.test.quiet")
    quiet.setLevel(logging.ERROR)

    assert len(results(ops.log(quiet), [Secret()])) == 1


def test_log_keeps_a_repr_on_its_line(logged: Any) -> None:
    class Loud:
        def __repr__(self) -> str:
            return "two\r\nlines"

    results(ops.log(), [Loud()])

    assert logged()[0] == ("DEBUG", r"two\r\nlines")


@pytest.mark.parametrize("level", [True, "DEBUG", None])
def test_log_wants_a_number_for_a_level(level: Any) -> None:
    with pytest.raises(ConfigError, match="level"):
        ops.log(level=level)


# -- tap_metrics -----------------------------------------------------------------------------


def measured(source: str, *, until: float | None = None, **values: Any) -> Any:
    """The one record of a stream that is drawn."""
    records: list[Any] = []
    play(ops.tap_metrics(records.append), source, until=until, **{**ANSWER, **values})
    (record,) = records
    return record


def test_tap_metrics_measures_by_the_clock_of_the_chunks() -> None:
    # They come by here at other times: a reader paused, or an operator above held them.
    record = measured("-s-------a-b-c---f-|")

    assert (record.outcome, record.error) == ("completed", None)
    assert (record.provider, record.model) == ("openai", "gpt")
    assert record.finish_reason is FinishReason.STOP
    assert (record.chunks, record.characters) == (5, 6)
    assert (record.time_to_first_chunk, record.time_to_first_token) == (0.5, 2.0)
    assert record.duration == 6.0
    assert (record.gaps, record.gap_p50, record.gap_p95, record.gap_max) == (2, 0.5, 2.5, 2.5)
    assert (record.tokens, record.usage) == (8, REPORTED)
    assert record.tokens_per_second == pytest.approx(8 / 6)
    assert (record.pauses, record.paused) == (0, 0.0)


def test_tap_metrics_counts_all_attempts_and_what_no_longer_counts() -> None:
    anew = ChunkSource(provider="openai", model="gpt", attempt=1, requested_at=104.0)
    retract = StreamChunk(kind=ChunkKind.RETRACT, epoch=1, source=anew, at=104.5)
    new = LATER.model_copy(update={"epoch": 1, "source": anew})
    by_us = measured("-s-a-b-r-c-|", r=retract, c=new)
    by_rxpy = measured("-s-a-b-s-c-|")

    for record in (by_us, by_rxpy):
        assert (record.attempts, record.characters, record.retracted) == (2, 6, 5)
        assert (record.chunks, record.duration) == (5, 5.0)
    assert measured("-s-a-b-|").retracted == 0

    failed = StreamInterruptedError("cut")
    failed.attempts = 3
    records: list[Any] = []
    play(ops.tap_metrics(records.append), "-#", error=failed)
    assert records[0].attempts == 3


def test_tap_metrics_agrees_with_the_response() -> None:
    records: list[Any] = []
    stream = rx.from_iterable(ANSWER.values())
    response = stream.pipe(ops.tap_metrics(records.append), collect()).run()

    assert records[0].duration == response.metadata.duration
    assert records[0].time_to_first_token == response.metadata.time_to_first_token


def test_tap_metrics_measures_strings_by_its_own_clock() -> None:
    record = measured("--x--y-z--|", x="Hel", y="lo", z="!")

    assert (record.time_to_first_chunk, record.time_to_first_token) == (2.0, 2.0)
    assert (record.gap_p50, record.gap_max) == (2.0, 3.0)
    assert (record.chunks, record.characters, record.duration) == (3, 6, 7.0)
    assert (record.tokens, record.tokens_per_second) == (None, None)


def test_tap_metrics_measures_chunks_without_a_time_by_its_own_clock() -> None:
    record = measured("--x--y-|", x=StreamChunk(text="a"), y=StreamChunk(text="b", seq=1))

    assert (record.time_to_first_token, record.gap_max, record.duration) == (2.0, 3.0, 5.0)


def test_tap_metrics_of_nothing() -> None:
    record = measured("----|")

    assert (record.outcome, record.chunks, record.duration) == ("completed", 0, 4.0)
    assert (record.time_to_first_chunk, record.gap_p50, record.gap_max) == (None, None, None)


def test_tap_metrics_of_a_failure_counts_the_time_until_then() -> None:
    error = StreamInterruptedError("cut")
    record = measured("-s-a----#", error=error)

    assert (record.outcome, record.error) == ("failed", error)
    # The first chunk came at 100.5 by their clock and in second 1 by ours; the error in second 8.
    assert record.duration == pytest.approx(100.5 + 7 - 100.0)
    assert (record.chunks, record.time_to_first_token) == (2, 2.0)
    assert record.tokens_per_second is None


def test_tap_metrics_of_a_disposal() -> None:
    record = measured("-s-a-b-c-f-|", until=4)

    assert (record.outcome, record.error, record.chunks) == ("disposed", None, 2)
    assert record.duration == pytest.approx(100.5 + 3 - 100.0)


def test_tap_metrics_of_a_stream_that_is_left_inside_a_push() -> None:
    records: list[Any] = []
    play(rx.compose(ops.tap_metrics(records.append), rx_ops.take(2)), "-s-a-b-f-|", **ANSWER)

    assert [(r.outcome, r.chunks) for r in records] == [("disposed", 2)]


def test_tap_metrics_makes_one_record_for_each_subscription() -> None:
    records: list[Any] = []
    stream = rx.of("a", "b").pipe(ops.tap_metrics(records.append))
    for _ in range(2):
        stream.subscribe(lambda _: None).dispose()

    assert [(r.outcome, r.chunks) for r in records] == [("completed", 2)] * 2


def test_tap_metrics_has_its_record_before_the_end_is_told() -> None:
    seen: list[Any] = []
    rx.of("a").pipe(ops.tap_metrics(seen.append)).subscribe(on_completed=lambda: seen.append("end"))

    assert seen[-1] == "end"
    assert len(seen) == 2


def test_tap_metrics_leaves_heartbeats_and_estimates_out() -> None:
    record = measured("-s-p-a-p-b-|", p=PING, b=chunk(102.5, "lo", usage=ESTIMATED))

    assert (record.chunks, record.gap_max, record.tokens, record.usage) == (3, 0.5, None, None)


def test_tap_metrics_counts_all_that_is_said() -> None:
    call = chunk(103.0, kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(arguments="{}"))
    thought = chunk(101.0, kind=ChunkKind.REASONING, reasoning="Hm")
    record = measured("-s-t-c-|", t=thought, c=call)

    assert (record.characters, record.time_to_first_token, record.gap_max) == (4, 1.0, 2.0)


def test_tap_metrics_takes_pauses_of_the_reader_out_of_the_gaps() -> None:
    records: list[Any] = []

    async def answer() -> AsyncGenerator[StreamChunk]:
        now = asyncio.get_running_loop().time
        for seq in range(20):
            await asyncio.sleep(1)
            yield StreamChunk(text="x", seq=seq, at=now() + 5)  # a loop's clock is never at 0

    async def read() -> float:
        stream = from_async_iterable(answer()).pipe(ops.tap_metrics(records.append))
        reader = BoundedSubscriber[StreamChunk](2).attach(stream)
        count = 0
        async for _ in reader:
            count += 1
            if count % 5 == 0:
                await asyncio.sleep(60)
        return reader.statistics().paused_seconds

    paused = run_in_virtual_time(read())
    (record,) = records

    assert record.paused == pytest.approx(paused)
    assert paused > 100
    assert record.pauses >= 3
    assert record.gap_max <= 1.001
    assert record.gap_p50 == pytest.approx(1)


def test_tap_metrics_excuses_no_gap_for_a_pause_before_the_first_token() -> None:
    records: list[Any] = []

    async def answer() -> AsyncGenerator[StreamChunk]:
        for kind in (ChunkKind.START, ChunkKind.USAGE, ChunkKind.TEXT, ChunkKind.TEXT):
            await asyncio.sleep(1)
            yield StreamChunk(kind=kind, at=asyncio.get_running_loop().time())

    async def read() -> None:
        stream = from_async_iterable(answer()).pipe(ops.tap_metrics(records.append))
        async for chunk in BoundedSubscriber[StreamChunk](1).attach(stream):
            if chunk.kind is ChunkKind.START:
                await asyncio.sleep(60)

    run_in_virtual_time(read())

    assert records[0].paused > 50
    assert records[0].gap_max == pytest.approx(1)


def test_tap_metrics_logs_its_record_where_nobody_takes_it(logged: Any) -> None:
    results(ops.tap_metrics(), ["a"])

    ((level, line),) = logged()
    assert level == "INFO"
    assert line.startswith("StreamMetrics(outcome='completed'")


def test_a_report_that_raises_is_logged_and_changes_nothing(logged: Any) -> None:
    def fail(_: object) -> None:
        raise OSError("disk full")

    assert results(ops.tap_metrics(fail), ["a", "b"]) == ["a", "b"]
    assert play(ops.progress(fail, seconds=1), "-a-b-|").values == ["a", "b"]
    assert logged() == [
        ("ERROR", "tap_metrics: the report raised"),
        ("ERROR", "progress: the report raised"),  # once, not at each tick
    ]


# -- heartbeat -------------------------------------------------------------------------------


def test_heartbeat_is_inserted_into_silence() -> None:
    def ping() -> str:
        return "h"

    assert_marbles(ops.heartbeat(3, ping), "--a-------b--|", "--a--h--h-b--|")
    assert_marbles(ops.heartbeat(3, ping), "--------a-----|", "---h--h-a--h--|")


def test_heartbeat_keeps_seq_rising_by_one() -> None:
    played = play(ops.heartbeat(2), "---s-a---b-f----|", **{**ANSWER, "s": START})

    assert [(m.tick, m.value.kind.value) for m in played.messages[:-1]] == [
        (2, "heartbeat"),
        (3, "start"),
        (5, "text"),
        (7, "heartbeat"),
        (9, "text"),
        (11, "final"),
    ]
    assert [value.seq for value in played.values] == [0, 1, 2, 3, 4, 6]
    assert all(StreamChunk.model_validate(c.model_dump()) == c for c in played.values)


def test_heartbeat_belongs_to_the_answer_it_stands_in() -> None:
    anew = chunk(1.0, "x", epoch=2, choice=1)
    beat = play(ops.heartbeat(2), "-a---|", a=anew).values[1]

    assert (beat.kind, beat.epoch, beat.choice, beat.text) == (ChunkKind.HEARTBEAT, 2, 0, "")
    assert beat.source is SOURCE


def test_heartbeat_has_the_time_of_the_loop() -> None:
    async def read() -> StreamChunk:
        reader = BoundedSubscriber[StreamChunk](1).attach(rx.never().pipe(ops.heartbeat(7)))
        return await anext(reader)

    assert run_in_virtual_time(read()).at == pytest.approx(7)


def test_heartbeat_stops_with_the_final_chunk() -> None:
    assert play(ops.heartbeat(2), "-f---------|", **ANSWER).values == [FINAL]


def test_heartbeat_fills_no_reader() -> None:
    async def sleep() -> tuple[int, int]:
        reader = BoundedSubscriber[StreamChunk](4).attach(rx.never().pipe(ops.heartbeat(1)))
        await asyncio.sleep(1000)
        waiting = reader.statistics().waiting
        for _ in range(waiting):
            await anext(reader)
        return waiting, (await anext(reader)).seq

    assert run_in_virtual_time(sleep()) == (4, 4)


def test_heartbeat_wants_to_know_what_to_insert_between_other_items() -> None:
    played = play(ops.heartbeat(2), "-a-b-|")

    assert [(m.tick, m.what, type(m.value)) for m in played.messages] == [(1, "error", ConfigError)]
    assert played.held == [(0, 1)]


def test_heartbeat_fails_with_who_makes_it() -> None:
    played = play(ops.heartbeat(2, lambda: 1 / 0), "-----|")  # type: ignore[arg-type, return-value]

    assert [(m.tick, type(m.value)) for m in played.messages] == [(2, ZeroDivisionError)]
    assert played.held == [(0, 2)]


# -- progress --------------------------------------------------------------------------------


def test_progress_is_told_now_and_then_and_at_the_end() -> None:
    told: list[Any] = []
    play(ops.progress(told.append, seconds=2), "-s-a-b-f-|", **ANSWER)

    assert [(p.seconds, p.chunks, p.characters, p.tokens, p.outcome) for p in told] == [
        (2, 1, 0, None, None),
        (4, 2, 3, None, None),
        (6, 3, 5, None, None),
        (8, 4, 5, 8, None),
        (9, 4, 5, 8, "completed"),
    ]


@pytest.mark.parametrize(
    ("source", "until", "outcome"), [("-a#", None, "failed"), ("-a-b-|", 2, "disposed")]
)
def test_progress_tells_every_end_once(source: str, until: float | None, outcome: str) -> None:
    told: list[Any] = []
    play(ops.progress(told.append, seconds=50), source, until=until, error=OSError("reset"))

    assert [(p.chunks, p.outcome) for p in told] == [(1, outcome)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_writes_one_line_of_a_terminal_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    play(ops.progress(seconds=2), "-s-a-f-|", **ANSWER)

    assert sys.stderr.getvalue().split("\r") == [  # type: ignore[attr-defined]
        "",
        "1 chunks, 0 characters, 2.0 s",
        "2 chunks, 3 characters, 4.0 s",
        "3 chunks, 3 characters, 8 tokens, 6.0 s",
        "3 chunks, 3 characters, 8 tokens, 7.0 s\n",
    ]


def test_progress_writes_its_last_line_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    play(ops.progress(seconds=1), "-s-a-b-|", until=4, **ANSWER)

    assert capsys.readouterr().err == "2 chunks, 3 characters, 4.0 s, disposed\n"


def test_progress_does_without_a_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)

    assert results(ops.progress(), ["a"]) == ["a"]


# -- options ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True])
@pytest.mark.parametrize(
    "make", [ops.heartbeat, lambda n: ops.progress(seconds=n)], ids=["heartbeat", "progress"]
)
def test_a_time_that_cannot_work_is_refused(make: Callable[[Any], Any], seconds: Any) -> None:
    with pytest.raises(ConfigError, match="cannot work"):
        make(seconds)


@pytest.mark.parametrize(
    "make", [ops.tap_metrics, ops.progress, lambda it: ops.heartbeat(1, it)], ids=["t", "p", "h"]
)
def test_what_cannot_be_called_is_refused(make: Callable[[Any], Any]) -> None:
    with pytest.raises(ConfigError, match="something to call, not a str"):
        make("x")
