from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import pytest
import reactivex as rx
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import (
    check_dispose,
    check_empty,
    check_error,
    check_linear,
    check_two_subscribers,
    results,
)
from reactivex import Observable
from reactivex import operators as rx_ops
from reactivex.disposable import Disposable
from reactivex.notification import OnCompleted, OnNext
from reactivex.testing import Recorded, TestScheduler

from rxwizard import ChunkKind, ConfigError, StreamChunk, TokenUsage, ToolCallDelta, from_iterable
from rxwizard import operators as ops
from rxwizard.demand import BoundedSubscriber
from rxwizard.testing import assert_marbles, play, run_in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Operator = Callable[[Observable[Any]], Observable[Any]]

START = StreamChunk(kind=ChunkKind.START)
HEL = StreamChunk(text="Hel", seq=1)
LO = StreamChunk(text="lo", seq=2)
CALL = StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(arguments="{}"), seq=3)
WORLD = StreamChunk(text=" world", seq=4)
FINAL = StreamChunk(kind=ChunkKind.FINAL, is_final=True, complete=True, seq=5)
RETRACT = StreamChunk(kind=ChunkKind.RETRACT)

#: A tick of the display, and what schedulers round to.
TICK = 1 / 60
ROUNDING = 1e-4

#: Letters, marks, emoji that grow, flags, syllables, line ends, and scripts without spaces.
PARTS = [
    *(
        "a",
        "b ",
        " ",
        "é",
        "e\u0301",
        "\n",
        "\r\n",
        "\u0301",
        "👩\u200d💻",
        "👩",
        "\u200d",
        "🇩🇪",
        "🇩",
    ),
    *("\u1112\u1161\u11ab", "\u11ab", "한", "你", "好。", "ไทย", "ก็", "🏽", "क्ष", "\u0600"),
]
texts = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)
Arrivals = list[tuple[float, str]]


def emitted(operator: Operator, arrivals: Sequence[tuple[float, Any]], end: float) -> list[Any]:
    """What comes when: pairs of second and item, and the end as None."""
    scheduler = TestScheduler()
    records = [Recorded(at, OnNext(item)) for at, item in arrivals]
    cold = scheduler.create_cold_observable(*records, Recorded(end, OnCompleted()))
    observer = scheduler.start(lambda: cold.pipe(operator), disposed=100_000.0)
    return [
        (record.time - 200, getattr(record.value, "value", None)) for record in observer.messages
    ]


@st.composite
def arrivals(draw: st.DrawFn, text: st.SearchStrategy[str] = texts) -> tuple[Arrivals, float]:
    """A text in pieces that come in bursts and after pauses, and when it ends."""
    whole = draw(text)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    gaps = st.sampled_from([0.0, 0.0, 0.001, 0.01, 0.02, 0.1, 0.4, 1.0, 3.0])
    pieces = [whole[a:b] for a, b in pairwise([0, *cuts, len(whole)]) if a < b]
    times = list(accumulate(draw(gaps) for _ in range(len(pieces) + 1)))
    return list(zip(times, pieces, strict=False)), times[-1]


def cluster_ends(text: str) -> set[int]:
    return {match.end() for match in regex.finditer(r"\X", text)}


# -- coalesce --------------------------------------------------------------------------------


def test_coalesce_joins_what_comes_within_the_interval() -> None:
    assert_marbles(ops.coalesce(4), "-a-b-c-------d-|", "-a---x-------d-|", x="bc")


def test_coalesce_gives_the_first_at_once_and_the_next_in_time() -> None:
    assert_marbles(ops.coalesce(3), "-a-b-c-d-e-f-|", "-a--b--x--y--(f,|)", x="cd", y="e")


def test_coalesce_gives_an_item_alone_as_the_same_object() -> None:
    start = HEL.model_copy(update={"seq": 0})

    assert results(ops.coalesce(9), [start])[0] is start


def test_coalesce_passes_what_is_no_text_at_once_and_in_order() -> None:
    played = play(
        ops.coalesce(20), "-s-a-b-c-d-f-|", s=START, a=HEL, b=LO, c=CALL, d=WORLD, f=FINAL
    )

    assert [(m.tick, m.value.kind.value, m.value.text) for m in played.messages[:-1]] == [
        (1, "start", ""),
        (3, "text", "Hel"),
        (7, "text", "lo"),
        (7, "tool_call", ""),
        (11, "text", " world"),
        (11, "final", ""),
    ]


def test_coalesce_counts_seq_anew() -> None:
    chunks = [START, HEL, LO, WORLD, CALL, FINAL]
    given = results(
        ops.coalesce(9), [c.model_copy(update={"seq": n}) for n, c in enumerate(chunks)]
    )

    assert [chunk.seq for chunk in given] == [0, 1, 2, 3, 4]
    assert given[2].text == "lo world"
    assert all(StreamChunk.model_validate(chunk.model_dump()) == chunk for chunk in given)


@pytest.mark.parametrize(
    "other",
    [{"choice": 1}, {"index": 1}, {"epoch": 1}, {"kind": ChunkKind.REASONING, "reasoning": "x"}],
    ids=str,
)
def test_coalesce_joins_only_what_belongs_together(other: dict[str, Any]) -> None:
    apart = LO.model_copy(update=other)

    assert len(results(ops.coalesce(9), [START, HEL, LO, LO, apart, apart])) == 4


def test_coalesce_loses_nothing_of_a_retracted_answer() -> None:
    given = results(ops.coalesce(9), [HEL, LO, RETRACT, WORLD])

    assert [chunk.text for chunk in given] == ["Hel", "lo", "", " world"]


def test_coalesce_keeps_what_the_last_part_says_of_usage() -> None:
    counted = LO.model_copy(update={"usage": TokenUsage(completion_tokens=3)})

    (_, joined) = results(ops.coalesce(9), [HEL, counted, WORLD])
    assert joined.usage == counted.usage


def test_coalesce_gives_early_what_has_grown_too_long() -> None:
    pieces = results(ops.coalesce(9, max_characters=4), ["a", *"bcdefghij"])

    assert pieces == ["a", "bcde", "fghi", "j"]


def test_coalesce_passes_items_of_other_kinds() -> None:
    assert results(ops.coalesce(9), ["a", "b", 7, 8, "c", "d"]) == ["a", "b", 7, 8, "cd"]


@given(arrivals(), st.sampled_from([0.05, 0.5, 2.0]), st.sampled_from([3, 1000]))
def test_coalesce_is_lossless_and_in_time(source: Any, seconds: float, most: int) -> None:
    came, end = source
    given_ = emitted(ops.coalesce(seconds, max_characters=most), came, end)
    whole = "".join(text for _, text in came)

    assert "".join(text for _, text in given_[:-1]) == whole
    assert given_[-1] == (pytest.approx(end), None)
    check_lag(came, given_[:-1], seconds)
    if most > len(whole):
        assert all(b - a >= seconds - ROUNDING for (a, _), (b, _) in pairwise(given_[:-2]))


def test_coalesce_does_the_five() -> None:
    check_empty(ops.coalesce(2))
    check_error(ops.coalesce(9), "-a-b-c-")
    check_dispose(ops.coalesce(9), "-a-b-c-|", until=4)
    check_two_subscribers(ops.coalesce(3))


def test_coalesce_is_linear() -> None:
    check_linear(lambda: ops.coalesce(9), lambda n: [HEL] * n, 3_000)
    check_linear(lambda: ops.coalesce(9), lambda n: ["x"] * n, 10_000)


# -- throttle_latest -------------------------------------------------------------------------


def test_throttle_latest_gives_the_first_and_then_the_newest_of_each_interval() -> None:
    assert_marbles(ops.throttle_latest(4), "-a-b-c-------d-|", "-a---c-------d-|")
    assert_marbles(ops.throttle_latest(3), "-a-b-c-d-e-f-|", "-a--b--d--e--(f,|)")


def test_throttle_latest_gives_nothing_twice() -> None:
    assert_marbles(ops.throttle_latest(2), "-a-------------|", "-a-------------|")


def test_throttle_latest_gives_none_too() -> None:
    assert results(ops.throttle_latest(2), [1, 2, None]) == [1, None]


@given(arrivals(), st.sampled_from([0.05, 0.5, 2.0]))
def test_throttle_latest_always_gives_the_last(source: Any, seconds: float) -> None:
    came, end = source
    given_ = emitted(ops.throttle_latest(seconds), came, end)[:-1]

    assert [text for _, text in given_[-1:]] == [text for _, text in came[-1:]]
    assert all(b - a >= seconds - ROUNDING for (a, _), (b, _) in pairwise(given_[:-1]))


def test_throttle_latest_does_the_five() -> None:
    check_empty(ops.throttle_latest(2))
    check_error(ops.throttle_latest(9), "-a-b-c-")
    check_dispose(ops.throttle_latest(9), "-a-b-c-|", until=4)
    check_two_subscribers(ops.throttle_latest(3))


# -- pace ------------------------------------------------------------------------------------


def test_pace_shows_unit_by_unit() -> None:
    assert_marbles(ops.pace(0.5, max_lag=4), "-x-------|", "-a-b-c---|", x="abc")


def test_pace_is_kept_across_pieces_and_rests() -> None:
    assert_marbles(ops.pace(0.5, max_lag=9), "-x-y----|", "-a-b-c--(d,|)", x="ab", y="cd")


def test_pace_shows_a_slow_source_as_it_comes() -> None:
    words = {"x": "one", "y": " two", "z": " three"}

    # A word is known to be whole when the next one begins.
    assert_marbles(ops.pace(9, "word"), "x-y-z-|", "--x-y-(z,|)", **words)


def test_pace_rises_where_it_would_fall_behind() -> None:
    at = [second for second, _ in emitted(ops.pace(1, max_lag=2), [(0, "x" * 101)], 0.5)[:-1]]

    assert at[-1] == pytest.approx(2)
    assert max(b - a for a, b in pairwise(at)) == pytest.approx(0.02, abs=ROUNDING)


def test_pace_goes_on_after_the_source_has_completed() -> None:
    assert_marbles(ops.pace(0.5, max_lag=9), "-(x,|)", "-a-b-c-(d,|)", x="abcd")


def test_pace_completes_at_once_where_all_is_shown() -> None:
    assert_marbles(ops.pace(0.5), "-x-------|", "-a-b-----|", x="ab")


def test_pace_shows_all_that_waits_before_an_error() -> None:
    words = {"x": "abcd", "r": "cd"}

    assert_marbles(ops.pace(0.5, max_lag=9), "-x--#", "-a-b(r,#)", error=OSError("reset"), **words)


def test_pace_keeps_its_rate_beyond_what_a_screen_draws() -> None:
    shown = emitted(ops.pace(600, max_lag=9), [(0, "x" * 601)], 0.5)[:-1]

    assert shown[-1][0] == pytest.approx(1, abs=0.02)
    assert max(len(text) for _, text in shown) <= 11
    assert len(shown) <= 62


def test_pace_does_not_save_up_while_nothing_comes() -> None:
    shown = emitted(ops.pace(1, max_lag=9), [(0, "ab"), (100, "cdef")], 200)[:-1]

    assert [(at, text) for at, text in shown if at > 50] == [
        (100, "c"),
        (101, "d"),
        (102, "e"),
        (109, "f"),  # it may still grow
    ]


def test_pace_takes_the_visible_text_of_chunks() -> None:
    other = StreamChunk(text="Hola", choice=1)
    thought = StreamChunk(kind=ChunkKind.REASONING, reasoning="Hm")

    chunks = [(0, chunk) for chunk in (START, HEL, other, thought, LO, CALL, FINAL)]
    shown = emitted(ops.pace(1000), chunks, 1)

    assert "".join(text for _, text in shown[:-1]) == "Hello"


@pytest.mark.parametrize("anew", [RETRACT, START, StreamChunk(epoch=1)], ids=["r", "s", "e"])
def test_pace_forgets_what_no_longer_counts(anew: StreamChunk) -> None:
    played = play(ops.pace(0.5, max_lag=99), "-x-r-y--|", x=HEL, r=anew, y=LO)

    assert played.values == ["H", "l", "o"]  # the H had been seen


def test_pace_waits_for_what_may_become_one_cluster() -> None:
    assert_marbles(
        ops.pace(1, max_lag=9), "-a-m-b-|", "-----x-(b,|)", a="e", m="\u0301", x="e\u0301"
    )


def test_pace_does_not_wait_for_ever_for_a_mark() -> None:
    assert_marbles(ops.pace(1, max_lag=2), "-a-----|", "---a---|")


def test_pace_keeps_the_last_cluster_of_a_late_word_together() -> None:
    came = [(0.0, "a"), (1.0, "be"), (1.0, "\u0301")]
    shown = emitted(ops.pace(1, "word", max_lag=1), came, 9)[:-1]

    # The word is late, its last letter is not: it has just come, and so has its accent.
    assert shown == [(1, "ab"), (2, "e\u0301")]


def test_pace_knows_what_belongs_together_behind_half_a_flag() -> None:
    came = [(0.0, "🇩"), (2.0, "🇪🇫🇷🇮"), (3.0, "🇹")]
    shown = emitted(ops.pace(9, max_lag=1), came, 3)[:-1]

    assert [text for _, text in shown] == ["🇩", "🇪", "🇫🇷", "🇮🇹"]


def test_pace_by_words_by_tokens_and_by_a_function() -> None:
    text = "Internationally 你好, so."

    def units(unit: Any) -> list[str]:
        return [text for _, text in emitted(ops.pace(1, unit, max_lag=99), [(0, text)], 0)[:-1]]

    assert units("word") == ["Internationally", " 你", "好", ",", " so."]
    assert units("token") == ["Intern", "ationa", "lly", " 你", "好", ",", " so."]
    assert units(lambda text: text.splitlines(keepends=True)) == [text]


def test_pace_fails_where_the_function_does_not_give_the_text_again() -> None:
    played = play(ops.pace(1, str.split), "-x-y-|", x="one two", y=" three")

    assert [m.what for m in played.messages] == ["next", "error"]
    assert (played.values, type(played.messages[-1].value)) == (["one two"], ConfigError)
    assert played.held == [(0, 1)]


def test_pace_shows_the_oldest_at_once_where_too_much_waits() -> None:
    shown = emitted(ops.pace(1, max_lag=99, max_characters=8), [(0, "x" * 6), (0.5, "y" * 6)], 1)

    # Down to three quarters, so that this is not done for each piece.
    assert shown[1] == (0.5, "xxxxx")
    assert "".join(text for _, text in shown[:-1]) == "x" * 6 + "y" * 6


def test_pace_holds_no_unit_that_is_too_long() -> None:
    shown = emitted(ops.pace(1, "word", max_lag=99, max_characters=8), [(0, "x" * 20)], 1)
    marks = emitted(ops.pace(1, max_lag=99, max_characters=8), [(0, "x" + "\u0301" * 19)], 1)

    assert shown[0] == (0, "x" * 19)  # the last one may still grow
    assert marks[0] == (0, "x" + "\u0301" * 19)


@pytest.mark.parametrize("unit", ["grapheme", "word"])
@pytest.mark.parametrize("piece", ["word ", "x", "e\u0301", "\u0301"])
def test_pace_is_linear(unit: Any, piece: str) -> None:
    check_linear(lambda: at_once(ops.pace(9, unit)), lambda n: [piece] * n, 3_000)


def at_once(operator: Operator) -> Operator:
    """Leave when the source is over: what waits would be shown meanwhile, on a thread."""

    def left(source: Observable[Any]) -> Observable[Any]:
        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            source.pipe(operator).subscribe(observer, scheduler=scheduler).dispose()
            return Disposable()

        return Observable(subscribe)

    return left


def test_pace_does_the_five() -> None:
    check_empty(ops.pace(1))
    check_error(ops.pace(1), "-a-b-")
    check_dispose(ops.pace(1), "-a-b-c-|", until=4)
    check_two_subscribers(ops.pace(1))


# -- smooth ----------------------------------------------------------------------------------


def test_smooth_spreads_a_burst_over_the_lag() -> None:
    assert_marbles(ops.smooth(4), "-x-------|", "-a-b-c---|", x="abc")


def test_smooth_shows_what_comes_after_a_rest_at_once() -> None:
    assert emitted(ops.smooth(1), [(0, "ab"), (5, "cd")], 9)[:3] == [(0, "a"), (1, "b"), (5, "c")]


def test_smooth_shows_bursts_evenly() -> None:
    bursts = [(float(second), "x" * 30) for second in range(5)]
    at = [at for at, text in emitted(ops.smooth(1), bursts, 5)[:-1] for _ in text]
    gaps = [b - a for a, b in pairwise(at)]

    assert len(at) == 150
    assert max(gaps) < 1.2 / 30
    assert min(gaps[1:]) > 0.8 / 30


def test_smooth_is_even_beyond_what_a_screen_draws() -> None:
    shown = emitted(ops.smooth(1), [(0, "x" * 601)], 1)[:-1]
    sizes = [len(text) for _, text in shown[1:]]

    assert set(sizes[:-1]) <= {9, 10, 11}
    assert 58 <= len(sizes) <= 62


def test_smooth_sees_at_once_that_more_has_come() -> None:
    shown = emitted(ops.smooth(4), [(0, "ab"), (0, "x" * 402)], 5)[:-1]

    assert shown[0] == (0, "a")
    assert shown[1][0] == pytest.approx(TICK, abs=ROUNDING)


def test_smooth_stays_even_when_it_learns_of_the_end() -> None:
    at = [at for at, _ in emitted(ops.smooth(0.3), [(0, "a" * 13)], 0.1)[:-1]]

    assert all(b - a == pytest.approx(0.025, abs=ROUNDING) for a, b in pairwise(at))


def test_smooth_follows_a_source_that_changes_its_speed() -> None:
    slow = [(n * 0.1, "x") for n in range(20)]
    fast = [(2 + n * 0.001, "yyyy") for n in range(90)]
    came = slow + fast
    shown = emitted(ops.smooth(0.5), came, 3)

    check_lag(came, shown[:-1], 0.5)
    assert shown[-1][0] <= 3.5


def test_smooth_ends_no_later_than_the_source_and_the_lag() -> None:
    assert emitted(ops.smooth(2), [(1, "x" * 500)], 1)[-1] == (pytest.approx(3), None)
    assert emitted(ops.smooth(2), [(1, "x" * 500)], 2.5)[-1] == (pytest.approx(3), None)


def test_smooth_does_the_five() -> None:
    check_empty(ops.smooth(1))
    check_error(ops.smooth(1), "-a-b-")
    check_dispose(ops.smooth(9), "-a-b-c-|", until=4)
    check_two_subscribers(ops.smooth(1))


def test_smooth_is_linear() -> None:
    check_linear(lambda: at_once(ops.smooth()), lambda n: ["word "] * n, 3_000)


# -- what both promise -----------------------------------------------------------------------


def check_lag(
    came: Sequence[tuple[float, str]], shown: Sequence[tuple[float, str]], most: float
) -> None:
    """No character comes before it has arrived, nor later than `most` after that."""
    arrived = [at for at, text in came for _ in text]
    left = [at for at, text in shown for _ in text]

    for first, last in zip(arrived, left, strict=True):
        assert first - ROUNDING <= last <= first + most + ROUNDING


units = st.sampled_from(["grapheme", "word", "token"])
lags = st.sampled_from([0.02, 0.3, 1.0, 2.5])
rates = st.sampled_from([0.0, 0.7, 20.0, 1000.0])


def evenly(rate: float, unit: Any, lag: float) -> Operator:
    return ops.pace(rate, unit, max_lag=lag) if rate else ops.smooth(lag, unit)


@settings(deadline=None)
@given(arrivals(), rates, units, lags)
def test_text_is_shown_whole_and_in_time(source: Any, rate: float, unit: Any, lag: float) -> None:
    came, end = source
    *shown, (ended, _) = emitted(evenly(rate, unit, lag), came, end)

    assert "".join(text for _, text in shown) == "".join(text for _, text in came)
    assert all(text for _, text in shown)
    check_lag(came, shown, lag)
    assert end - ROUNDING <= ended <= end + lag + ROUNDING


@settings(deadline=None)
@given(arrivals(), rates, units, lags)
def test_no_cluster_is_split_that_came_in_time(
    source: Any, rate: float, unit: Any, lag: float
) -> None:
    came, end = source
    whole = "".join(text for _, text in came)
    ends = cluster_ends(whole)
    arrived = [at for at, text in came for _ in text]
    edge = 0
    for at, text in emitted(evenly(rate, unit, lag), came, end)[:-1]:
        edge += len(text)
        if edge not in ends:
            # Its other half had not come when the first had waited for as long as it may.
            begin = max(known for known in {0, *ends} if known < edge)
            assert arrived[edge] >= at - ROUNDING
            step = max(min(TICK, lag / 8), lag / 64)  # what comes within it is due at once
            assert at - arrived[begin] >= lag - step - ROUNDING


@settings(deadline=None)
@given(arrivals(st.text("abcdef", max_size=120)), rates, lags)
def test_while_there_is_more_no_gap_is_long(source: Any, rate: float, lag: float) -> None:
    came, end = source
    *shown, (ended, _) = emitted(evenly(rate, "grapheme", lag), came, end)
    seconds = [at for at, _ in came]
    sizes = [0, *accumulate(len(text) for _, text in came)]
    left = 0
    for (at, text), (after, _) in pairwise([*shown, (ended, None)]):
        left += len(text)
        waiting = sizes[bisect_right(seconds, at - ROUNDING)] - left
        if waiting > 1:
            slowest = lag / waiting if not rate else min(lag / waiting, 1 / rate)
            assert after - at <= max(TICK, slowest) + ROUNDING
    assert left == sizes[-1]


@settings(deadline=None)
@given(arrivals(), rates, lags, st.sampled_from([1, 5, 30]))
def test_what_waits_is_bounded(source: Any, rate: float, lag: float, most: int) -> None:
    came, end = source
    operator = (
        ops.pace(rate, max_lag=lag, max_characters=most)
        if rate
        else ops.smooth(lag, max_characters=most)
    )
    *shown, _ = emitted(operator, came, end)

    assert "".join(text for _, text in shown) == "".join(text for _, text in came)
    for at, _ in came:
        arrived = sum(len(text) for when, text in came if when <= at)
        left = sum(len(text) for when, text in shown if when <= at + ROUNDING)
        assert arrived - left <= most


def test_nothing_is_sent_to_a_full_reader_by_the_clock() -> None:
    async def read() -> tuple[str, int]:
        source = from_iterable(["word " * 40] * 20).pipe(ops.smooth(2))
        reader = BoundedSubscriber[str](4).attach(source)
        text = ""
        async for piece in reader:
            text += piece
            await asyncio.sleep(0.7)
        return text, reader.statistics().peak

    text, peak = run_in_virtual_time(read())

    assert text == "word " * 800
    assert peak <= 4


def test_the_clock_of_coalesce_sends_nothing_to_a_full_reader() -> None:
    async def read() -> tuple[int, int]:
        ticks = rx.interval(0.01).pipe(rx_ops.take(2000), rx_ops.map(lambda _: "x"))
        reader = BoundedSubscriber[str](4).attach(ticks.pipe(ops.coalesce(0.1)))
        await asyncio.sleep(10)
        waiting = reader.statistics().waiting
        return waiting, sum([len(piece) async for piece in reader])

    assert run_in_virtual_time(read()) == (4, 2000)


def test_a_source_is_never_slowed() -> None:
    taken: list[str] = []
    source = rx.from_iterable(["word "] * 1000).pipe(rx_ops.do_action(taken.append))
    source.pipe(ops.smooth(60)).subscribe(lambda _: None).dispose()

    assert len(taken) == 1000


def test_without_a_loop_time_is_kept_by_threads() -> None:
    shown = rx.of("ab", "cd").pipe(ops.pace(200, max_lag=1), rx_ops.to_list()).run()

    assert "".join(shown) == "abcd"


def test_a_drop_of_the_subscription_inside_a_piece_stops_it() -> None:
    assert_marbles(
        rx.compose(ops.pace(1, max_lag=9), rx_ops.take(2)), "-x----|", "-a(b,|)", x="abcd"
    )
    assert_marbles(rx.compose(ops.coalesce(3), rx_ops.take(1)), "-x----|", "-(x,|)")


# -- options ---------------------------------------------------------------------------------

NUMBERS: list[Any] = [0, -1, math.nan, math.inf, True]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "make",
    [
        lambda n: ops.coalesce(n),
        lambda n: ops.throttle_latest(n),
        lambda n: ops.pace(n),
        lambda n: ops.pace(1, max_lag=n),
        lambda n: ops.smooth(n),
    ],
    ids=["coalesce", "throttle_latest", "pace", "max_lag", "smooth"],
)
def test_a_number_that_cannot_work_is_refused(make: Callable[[Any], Any], number: Any) -> None:
    with pytest.raises(ConfigError, match="cannot work"):
        make(number)


@pytest.mark.parametrize("number", [0, -1, 1.5, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: ops.coalesce(1, max_characters=n),
        lambda n: ops.pace(1, max_characters=n),
        lambda n: ops.smooth(1, max_characters=n),
    ],
    ids=["coalesce", "pace", "smooth"],
)
def test_a_bound_that_cannot_work_is_refused(make: Callable[[Any], Any], number: Any) -> None:
    with pytest.raises(ConfigError, match="max_characters"):
        make(number)
