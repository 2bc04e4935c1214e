from __future__ import annotations

from typing import Any

import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from kit import (
    check_dispose,
    check_empty,
    check_error,
    check_linear,
    check_two_subscribers,
    pieces,
    results,
)
from reactivex.testing import TestScheduler

from rxwizard import (
    ChunkKind,
    ChunkSource,
    ConfigError,
    StreamChunk,
    TokenUsage,
    ToolCallDelta,
)
from rxwizard import operators as ops
from rxwizard.operators.output_count import TokenCount
from rxwizard.testing import assert_marbles, play


def by_words(text: str) -> int:
    return len(text.split())


def counted(tokens: int) -> TokenCount:
    return TokenCount(tokens, "counted")


def reported(tokens: int) -> TokenCount:
    return TokenCount(tokens, "reported")


def estimated(tokens: int) -> TokenCount:
    return TokenCount(tokens, "estimated")


START = StreamChunk(kind=ChunkKind.START, usage=TokenUsage(prompt_tokens=9, completion_tokens=1))
ONE = StreamChunk(text="one ", seq=1)
TWO = StreamChunk(text="two ", seq=2)
PART = StreamChunk(text="thr", seq=3)
REST = StreamChunk(text="ee", seq=4)
USAGE = StreamChunk(kind=ChunkKind.USAGE, usage=TokenUsage(completion_tokens=7), seq=5)
FINAL = StreamChunk(
    kind=ChunkKind.FINAL,
    is_final=True,
    complete=True,
    usage=TokenUsage(prompt_tokens=9, completion_tokens=12),
    seq=6,
)
CHUNKS: dict[str, Any] = {"s": START, "a": ONE, "b": TWO, "c": PART, "d": REST, "f": FINAL}
OPERATORS = {
    "count_tokens": ops.count_tokens(by_words),
    "count_tokens by estimate": ops.count_tokens(),
    "tokens_per_second": ops.tokens_per_second(5, by_words),
}
every_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


# -- what holds for each ---------------------------------------------------------------------------


@every_operator
def test_an_empty_source_gives_nothing(operator) -> None:
    check_empty(operator)


@every_operator
def test_an_error_comes_after_what_was_held(operator) -> None:
    check_error(operator, "-s-a-b-c-", **CHUNKS)


@every_operator
def test_disposing_frees_the_source(operator) -> None:
    check_dispose(operator, "-a-b-c-|", until=4, **CHUNKS)


@every_operator
def test_two_subscribers_share_nothing(operator) -> None:
    check_two_subscribers(operator, "-s-a-b-c-f-|", **CHUNKS)


# -- count_tokens ----------------------------------------------------------------------------------


def test_count_tokens_counts_as_the_answer_grows_until_the_provider_says() -> None:
    assert_marbles(
        ops.count_tokens(by_words),
        "-s-a-b-c-d-f-|",
        "---v-w-x-x-y-|",
        **CHUNKS,
        v=counted(1),
        w=counted(2),
        x=counted(3),
        y=reported(12),
    )


def test_count_tokens_marks_an_estimate() -> None:
    (count,) = results(ops.count_tokens(), ["Hello, how are you?"])

    assert count == estimated(6)
    assert (int(count), str(count)) == (6, "about 6 tokens (estimated)")
    assert str(reported(1200)) == "1,200 tokens (reported)"


def test_count_tokens_takes_strings_and_passes_over_empty_ones() -> None:
    assert results(ops.count_tokens(by_words), ["one t", "", "wo"]) == [counted(2), counted(2)]


@given(st.text(alphabet="ab 1.\n", max_size=60), st.lists(st.integers(0, 60)))
def test_count_tokens_is_the_same_however_the_text_was_cut(text: str, cuts: list[int]) -> None:
    for operator, whole in (
        (ops.count_tokens(by_words), counted(by_words(text))),
        (ops.count_tokens(), (results(ops.count_tokens(), [text]) or [None])[0]),
    ):
        assert results(operator, pieces(text, cuts))[-1:] == ([whole] if text else [])


def test_count_tokens_counts_all_that_the_model_writes() -> None:
    call = ToolCallDelta(id="c", name="look up", arguments='{"city": ')
    chunks = [
        StreamChunk(kind=ChunkKind.REASONING, reasoning="hm well "),
        StreamChunk(text="one "),
        StreamChunk(text="uno dos", choice=1),
        StreamChunk(kind=ChunkKind.REASONING, reasoning="so"),
        StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=call),
        StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(arguments='"Rome"}')),
        StreamChunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta()),
        StreamChunk(kind=ChunkKind.HEARTBEAT),
    ]

    counts = results(ops.count_tokens(by_words), chunks)

    assert [count.tokens for count in counts] == [2, 3, 5, 6, 9, 10]


def test_count_tokens_adds_what_comes_after_a_report_and_calls_the_sum_an_estimate() -> None:
    assert results(ops.count_tokens(by_words), [ONE, USAGE, TWO, FINAL]) == [
        counted(1),
        reported(7),
        estimated(8),
        reported(12),
    ]


def test_count_tokens_takes_a_report_that_comes_with_text() -> None:
    both = StreamChunk(text="one", usage=TokenUsage(completion_tokens=3))

    assert results(ops.count_tokens(by_words), [both]) == [reported(3)]


def test_count_tokens_does_not_pass_off_an_estimate_in_the_usage() -> None:
    cut = FINAL.model_copy(
        update={"usage": TokenUsage(completion_tokens=5, source="estimated"), "complete": False}
    )

    assert results(ops.count_tokens(by_words), [ONE, cut]) == [counted(1), estimated(5)]


def test_count_tokens_says_a_report_once() -> None:
    again = FINAL.model_copy(update={"usage": USAGE.usage})

    assert results(ops.count_tokens(by_words), [ONE, USAGE, again]) == [counted(1), reported(7)]


def test_count_tokens_does_without_a_report() -> None:
    silent = FINAL.model_copy(update={"usage": TokenUsage(prompt_tokens=9)})

    assert results(ops.count_tokens(by_words), [ONE, silent]) == [counted(1)]


def test_count_tokens_of_an_answer_nobody_saw_is_the_report() -> None:
    assert results(ops.count_tokens(by_words), [START, FINAL]) == [reported(12)]


@pytest.mark.parametrize(
    "anew",
    [StreamChunk(kind=ChunkKind.START), StreamChunk(kind=ChunkKind.START, epoch=1)],
    ids=["second start", "newer epoch"],
)
def test_count_tokens_starts_anew_with_the_answer(anew: StreamChunk) -> None:
    after = StreamChunk(text="two", epoch=anew.epoch)

    assert results(ops.count_tokens(by_words), [START, ONE, TWO, anew, after]) == [
        counted(1),
        counted(2),
        counted(1),
    ]


def test_count_tokens_adds_what_another_attempt_goes_on_with() -> None:
    other = ChunkSource(attempt=1)
    told = TokenUsage(completion_tokens=30, latest=TokenUsage(completion_tokens=10))
    usage = StreamChunk(text="one ", usage=TokenUsage(completion_tokens=20))
    on, end = (StreamChunk(text="two ", source=other, usage=use) for use in (None, told))

    assert results(ops.count_tokens(by_words), [usage, on, end]) == [
        TokenCount(20, "reported"),
        TokenCount(21, "estimated"),
        TokenCount(30, "reported"),
    ]
    # What the first one has written is counted where nobody has reported it.
    assert results(ops.count_tokens(by_words), [ONE, on, end])[-1] == TokenCount(11, "estimated")


def test_count_tokens_takes_the_last_attempts_own_number_after_a_retraction() -> None:
    other = ChunkSource(attempt=1)
    told = TokenUsage(completion_tokens=30, latest=TokenUsage(completion_tokens=10))
    retract = StreamChunk(kind=ChunkKind.RETRACT, epoch=1, source=other)
    end = StreamChunk(text="two ", epoch=1, source=other, usage=told)

    assert results(ops.count_tokens(by_words), [ONE, retract, end])[-1].tokens == 10


def test_count_tokens_takes_back_what_is_retracted() -> None:
    retracted = StreamChunk(kind=ChunkKind.RETRACT)

    assert results(ops.count_tokens(by_words), [ONE, retracted, TWO]) == [
        counted(1),
        counted(0),
        counted(1),
    ]


def test_count_tokens_gives_the_exact_number_at_the_end_of_a_stretch_without_words() -> None:
    counts = results(ops.count_tokens(len), ["a"] * 1500)

    assert counts[1023] == counted(1024)
    assert counts[1024].source == "estimated"
    assert counts[-2].source == "estimated"
    assert counts[-1] == counted(1500)
    assert len(counts) == 1501


def test_count_tokens_does_linear_work() -> None:
    check_linear(ops.count_tokens, lambda n: [StreamChunk(text=f"w{i} ") for i in range(n)], 2000)
    check_linear(lambda: ops.count_tokens(by_words), lambda n: ["word "] * n, 2000)


def test_count_tokens_refuses_what_is_no_tokenizer_at_once() -> None:
    with pytest.raises(ConfigError):
        ops.count_tokens(7)  # type: ignore[arg-type]


def test_count_tokens_ends_in_the_error_of_a_tokenizer_that_fails() -> None:
    def fails(text: str) -> int:
        if text != "a":
            raise OverflowError(text)
        return 1

    played = play(ops.count_tokens(fails), "-a-b-|", **CHUNKS)

    assert [(m.what, type(m.value)) for m in played.messages] == [("error", OverflowError)]
    assert played.held == [(0, 1)]


# -- tokens_per_second -----------------------------------------------------------------------------


def rates(drawing: str, window: float = 4, **values: Any) -> list[tuple[float, float, float]]:
    played = play(ops.tokens_per_second(window, len), drawing, **values)
    return [
        (message.tick, round(message.value.per_second, 3), message.value.seconds)
        for message in played.messages
        if message.what == "next"
    ]


def test_tokens_per_second_measures_from_the_first_item_and_then_over_the_window() -> None:
    assert rates("-a-a-a-a-a-b-|", a="xx", b="x" * 10) == [
        (3, 1.0, 2),
        (5, 1.0, 4),
        (7, 1.0, 4),
        (9, 1.0, 4),
        (11, 3.0, 4),
        (13, 1.8, 10),  # the mean: 18 tokens in the 10 seconds between the first and the last
    ]


def test_tokens_per_second_forgets_what_came_before_a_pause() -> None:
    pause = "-a-a" + "-" * 20 + "a-|"

    assert rates(pause, a="xx")[1] == (24, 0.5, 4)


def test_tokens_per_second_says_nothing_of_a_single_moment() -> None:
    assert rates("-(aaaa)------|", a="xx") == []
    assert results(ops.tokens_per_second(), ["one ", "two "]) == []


def test_tokens_per_second_does_not_count_the_time_before_the_first_item() -> None:
    assert rates("---------a-a-|", a="xx") == [(11, 1.0, 2), (13, 1.0, 2)]


def test_tokens_per_second_measures_chunks_and_says_whether_it_counted() -> None:
    counting = play(ops.tokens_per_second(4, by_words), "-s-a-b-f-|", **CHUNKS).values
    estimating = play(ops.tokens_per_second(4), "-s-a-b-f-|", **CHUNKS).values

    assert counting == [ops.TokenRate(0.5, 2, "counted")] * 2
    assert {rate.source for rate in estimating} == {"estimated"}


def test_tokens_per_second_forgets_a_burst_at_the_beginning() -> None:
    assert rates("(aaaaaaaaaa)" + "-" * 20 + "a--|", a="xx")[0] == (32, 0.5, 4)


def test_tokens_per_second_is_steady_where_the_tokens_are() -> None:
    scheduler = TestScheduler()
    source = rx.timer(0, 0.001).pipe(rx.operators.take(5000), rx.operators.map(lambda _: "x "))
    seen: list[ops.TokenRate] = []
    source.pipe(ops.tokens_per_second(1, by_words)).subscribe(seen.append, scheduler=scheduler)
    scheduler.advance_to(20)

    assert seen[-1].per_second == pytest.approx(1000)
    assert all(rate.per_second == pytest.approx(1000, rel=0.01) for rate in seen)


@pytest.mark.parametrize("window", [0, -1, float("nan"), float("inf"), True])
def test_tokens_per_second_refuses_a_window_that_cannot_work(window: float) -> None:
    with pytest.raises(ConfigError, match="window"):
        ops.tokens_per_second(window)


def test_tokens_per_second_does_linear_work() -> None:
    check_linear(ops.tokens_per_second, lambda n: ["word "] * n, 2000)
