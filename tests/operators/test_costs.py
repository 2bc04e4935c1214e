from __future__ import annotations

from decimal import Decimal
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
    results,
)
from reactivex.subject import Subject

from rxwizard import (
    BudgetExceededError,
    ChunkKind,
    ConfigError,
    FinishReason,
    StreamChunk,
    TokenUsage,
    ToolCallDelta,
)
from rxwizard import operators as ops
from rxwizard.chunks import ChunkSource
from rxwizard.operators.pricing import Price
from rxwizard.operators.spending import Cost
from rxwizard.testing import assert_marbles, play

SOURCE = ChunkSource(provider="openai", model="gpt-4o", request_id="req-1")
USAGE = TokenUsage(prompt_tokens=1000, completion_tokens=200, total_tokens=1200)
MICRO = Decimal("0.000001")
#: One millionth of a dollar for each token of input, two for each of output.
PRICE = Price(input=1, output=2)


def by_words(text: str) -> int:
    return len(text.split())


def chunk(text: str = "", seq: int = 0, **fields: Any) -> StreamChunk:
    return StreamChunk(text=text, seq=seq, source=SOURCE, **fields)


START = chunk(kind=ChunkKind.START, seq=0)
ONE, TWO, THREE = chunk("one ", 1), chunk("two ", 2), chunk("three ", 3)
FINAL = chunk(
    kind=ChunkKind.FINAL,
    is_final=True,
    complete=True,
    finish_reason=FinishReason.STOP,
    usage=USAGE,
    seq=4,
)
ANSWER = [START, ONE, TWO, THREE, FINAL]
CHUNKS: dict[str, Any] = {"s": START, "a": ONE, "b": TWO, "c": THREE, "f": FINAL}


def estimated(output: int, *, input_usd: Decimal | None = None, source: str = "estimated") -> Cost:
    paid = 2 * output * MICRO
    return Cost(paid + (input_usd or 0), source, input_usd, paid)  # type: ignore[arg-type]


OPERATORS = {
    "cost": ops.cost(price=PRICE, tokenizer=by_words),
    "budget": ops.budget(tokens=100, tokenizer=by_words),
    "budget in dollars": ops.budget(usd=1, price=PRICE, on_exceed="error"),
}
every_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


# -- what holds for each ---------------------------------------------------------------------------


@every_operator
def test_an_empty_source_gives_nothing(operator) -> None:
    check_empty(operator)


@every_operator
def test_an_error_passes_on(operator) -> None:
    check_error(operator, "-s-a-b-c-", **CHUNKS)


@every_operator
def test_disposing_frees_the_source(operator) -> None:
    check_dispose(operator, "-a-b-c-|", until=4, **CHUNKS)


@every_operator
def test_two_subscribers_share_nothing(operator) -> None:
    check_two_subscribers(operator, "-s-a-b-c-f-|", **CHUNKS)


def test_two_subscribers_have_a_budget_each() -> None:
    check_two_subscribers(ops.budget(tokens=2, tokenizer=by_words), "-s-a-b-c-f-|", **CHUNKS)


# -- cost ------------------------------------------------------------------------------------------


def test_cost_grows_with_the_answer_until_the_provider_says() -> None:
    assert_marbles(
        ops.cost(price=PRICE, tokenizer=by_words),
        "-s-a-b-f-|",
        "---x-y-z-|",
        **CHUNKS,
        x=estimated(1),
        y=estimated(2),
        z=Cost(Decimal("0.0014"), "reported", Decimal("0.001"), Decimal("0.0004")),
    )


def test_cost_says_how_well_it_is_known() -> None:
    *_, last = costs = results(ops.cost(price=PRICE), ANSWER)

    assert str(last) == "$0.001400 (reported)"
    assert str(costs[0]).startswith("about $0.0000")


def test_cost_counts_the_input_as_soon_as_it_is_known() -> None:
    told = START.model_copy(update={"usage": TokenUsage(prompt_tokens=7, completion_tokens=1)})

    by_provider = results(ops.cost(price=PRICE, tokenizer=by_words), [told, ONE])
    by_caller = results(ops.cost(price=PRICE, tokenizer=by_words, prompt_tokens=7), [START, ONE])

    assert by_provider[-1] == by_caller[-1] == estimated(1, input_usd=7 * MICRO)


def test_cost_does_not_pass_off_input_that_the_provider_did_not_report() -> None:
    silent = FINAL.model_copy(update={"usage": TokenUsage(completion_tokens=3)})
    operator = ops.cost(price=PRICE, prompt_tokens=7)

    assert results(operator, [silent]) == [estimated(3, input_usd=7 * MICRO)]
    assert results(ops.cost(price=PRICE), [silent]) == [estimated(3)]


def test_cost_of_estimated_usage_is_an_estimate() -> None:
    guessed = FINAL.model_copy(
        update={"usage": TokenUsage(prompt_tokens=1, completion_tokens=1, source="estimated")}
    )

    assert results(ops.cost(price=PRICE), [guessed]) == [estimated(1, input_usd=MICRO)]


@pytest.mark.parametrize("again", [{}, {"epoch": 1}], ids=["second start", "newer epoch"])
def test_cost_adds_what_the_requests_before_it_cost(again: dict[str, int]) -> None:
    start, one, final = (c.model_copy(update=again) for c in (START, ONE, FINAL))
    operator = ops.cost(price=PRICE, tokenizer=by_words, prompt_tokens=1000)

    *_, last = results(operator, [START, ONE, TWO, start, one, final])

    # Two requests of 1,000 tokens; of the first, two words were seen, and nobody reported them.
    assert last == estimated(202, input_usd=2000 * MICRO)


def test_cost_of_two_reported_requests_is_reported() -> None:
    *_, last = results(ops.cost(price=PRICE), [*ANSWER, *ANSWER])

    assert last == Cost(Decimal("0.0028"), "reported", Decimal("0.002"), Decimal("0.0008"))


def test_cost_keeps_what_was_retracted() -> None:
    retracted = chunk(kind=ChunkKind.RETRACT, seq=2)
    operator = ops.cost(price=PRICE, tokenizer=by_words)

    assert results(operator, [START, ONE, retracted, TWO])[-1] == estimated(2)


def attempted(attempt: int, of: StreamChunk, **fields: Any) -> StreamChunk:
    source = SOURCE.model_copy(update={"attempt": attempt})
    return of.model_copy(update={"source": source, **fields})


def test_cost_of_an_answer_that_another_attempt_went_on_with_is_that_of_both() -> None:
    both = TokenUsage(prompt_tokens=1100, completion_tokens=210)
    usage = (USAGE + TokenUsage(prompt_tokens=100, completion_tokens=10)).model_copy(
        update={"latest": TokenUsage(prompt_tokens=100, completion_tokens=10)}
    )
    first = ONE.model_copy(update={"usage": USAGE})
    chunks = [START, first, attempted(1, TWO), attempted(1, FINAL, usage=usage)]
    whole = FINAL.model_copy(update={"usage": both})

    *_, last = results(ops.cost(price=PRICE), chunks)
    assert last == results(ops.cost(price=PRICE), [whole])[-1]
    assert last is not None
    assert last.source == "reported"


def test_cost_does_not_count_twice_what_an_attempt_reports_before_it_retracts() -> None:
    told = TokenUsage(prompt_tokens=100, completion_tokens=1)
    usage = (USAGE + told).model_copy(update={"latest": told})
    retract = attempted(1, chunk(kind=ChunkKind.RETRACT, epoch=1))
    chunks = [
        *(START, ONE.model_copy(update={"usage": USAGE})),
        attempted(1, chunk(kind=ChunkKind.USAGE, usage=usage)),
        retract,
        attempted(1, TWO, epoch=1),
        attempted(1, FINAL, epoch=1, usage=usage),
    ]

    *_, last = results(ops.cost(price=PRICE), chunks)
    assert last is not None
    assert (last.input_usd, last.output_usd) == (1100 * MICRO, 402 * MICRO)


def test_cost_of_streams_in_a_row_is_that_of_each() -> None:
    two = [StreamChunk(kind=ChunkKind.START), chunk("lost "), START, ONE, FINAL]
    streams = (rx.from_iterable(chunks) for chunks in (ANSWER, two, ANSWER))
    counted = ops.cost(price=PRICE, tokenizer=by_words, prompt_tokens=1000)
    *_, last = results(lambda _: ops.concat_streams(*streams).pipe(counted), [])

    # Four requests: what is said again, of the first one, is not paid for again.
    assert (last.input_usd, last.output_usd) == (4000 * MICRO, (3 * 400 + 2) * MICRO)


def test_cost_looks_the_model_up() -> None:
    *_, last = results(ops.cost(), ANSWER)
    assert last is not None

    assert last.source == "reported"
    assert 0 < last.usd < 1
    assert results(ops.cost(model="openai:gpt-4o"), ANSWER)[-1] == last


UNKNOWN = StreamChunk(text="one", source=ChunkSource(provider="ollama", model="llama3"))


def test_cost_of_an_unknown_model_is_an_error() -> None:
    played = play(ops.cost(), "-s-u-f-|", u=UNKNOWN, **CHUNKS)
    (failure,) = played.messages

    assert (failure.what, failure.tick) == ("error", 3)
    assert isinstance(failure.value, ConfigError)
    assert "ollama:llama3" in str(failure.value)
    assert played.held == [(0, 3)]


def test_cost_of_an_unknown_model_is_none_by_choice() -> None:
    assert results(ops.cost(on_unknown="none"), [UNKNOWN, UNKNOWN]) == [None]
    assert results(ops.cost(on_unknown="none"), []) == []


def test_cost_refuses_options_that_cannot_work() -> None:
    with pytest.raises(ConfigError, match="on_unknown"):
        ops.cost(on_unknown="guess")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="provider:model"):
        ops.cost(model="gpt-4o")
    with pytest.raises(ConfigError, match="prompt_tokens"):
        ops.cost(prompt_tokens=-1)


def test_cost_does_linear_work() -> None:
    check_linear(lambda: ops.cost(price=PRICE), lambda n: [ONE] * n, 2000)


# -- budget ----------------------------------------------------------------------------------------


def ended(seq: int, words: int, **fields: Any) -> StreamChunk:
    usage = fields.pop("usage", TokenUsage(completion_tokens=words, source="estimated"))
    return chunk(
        kind=ChunkKind.FINAL,
        is_final=True,
        complete=False,
        finish_reason=FinishReason.BUDGET,
        usage=usage,
        seq=seq,
        **fields,
    )


def test_budget_cuts_after_the_chunk_that_reaches_it() -> None:
    played = play(ops.budget(tokens=2, tokenizer=by_words), "-s-a-b-c-f-|", **CHUNKS)

    assert [(m.tick, m.what) for m in played.messages] == [
        (1, "next"),
        (3, "next"),
        (5, "next"),
        (5, "next"),
        (5, "completed"),
    ]
    assert played.values == [START, ONE, TWO, ended(3, 2)]
    assert played.held == [(0, 5)]


def test_budget_that_is_not_reached_changes_nothing() -> None:
    for how in ("cut", "error", "warn"):
        operator = ops.budget(tokens=201, usd="0.0015", price=PRICE, on_exceed=how)  # type: ignore[arg-type]
        assert results(operator, ANSWER) == ANSWER


def test_budget_closes_the_source_before_it_says_so() -> None:
    source: Subject[StreamChunk] = Subject()
    open_then: list[int] = []
    source.pipe(ops.budget(tokens=1, tokenizer=by_words)).subscribe(
        lambda _: open_then.append(len(source.observers))
    )
    for each in (START, ONE, TWO):
        source.on_next(each)

    assert open_then == [1, 0, 0]


def test_budget_cuts_a_source_that_cannot_stop() -> None:
    given_out = results(ops.budget(tokens=1, tokenizer=by_words), [START, ONE, TWO, FINAL])

    assert given_out == [START, ONE, ended(2, 1)]


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 30))
def test_budget_overruns_by_less_than_a_chunk(sizes: list[int], limit: int) -> None:
    chunks = [chunk("x " * size, seq) for seq, size in enumerate(sizes)]
    *given_out, last = [
        *results(ops.budget(tokens=limit, tokenizer=by_words), chunks),
        chunk(),
    ]
    if given_out and given_out[-1].is_final:
        *given_out, last = given_out
    came = [by_words(each.text) for each in given_out]

    assert given_out == chunks[: len(given_out)]
    assert sum(came[:-1]) < limit
    assert last.is_final is (sum(sizes) >= limit)
    if not last.is_final:
        assert given_out == chunks
    assert [each.seq for each in (*given_out, last) if last.is_final] == (
        list(range(len(given_out) + 1)) if last.is_final else []
    )


def test_budget_counts_reasoning_and_tool_calls() -> None:
    thought = chunk(kind=ChunkKind.REASONING, reasoning="hm well", seq=1)
    call = chunk(kind=ChunkKind.TOOL_CALL, tool_call=ToolCallDelta(arguments='{"a": 1}'), seq=2)
    operator = ops.budget(tokens=4, tokenizer=by_words)

    assert results(operator, [START, thought, call, THREE]) == [START, thought, call, ended(3, 4)]


def test_budget_counts_the_requests_of_a_retry_and_what_was_retracted() -> None:
    retracted = chunk(kind=ChunkKind.RETRACT, seq=2)
    start, two = (c.model_copy(update={"epoch": 1, "seq": c.seq + 3}) for c in (START, TWO))
    operator = ops.budget(tokens=2, tokenizer=by_words)
    one = TokenUsage(completion_tokens=1, source="estimated")
    both = (one + one).model_copy(update={"latest": one, "wasted": one})

    assert results(operator, [START, ONE, retracted, start, two, THREE]) == [
        START,
        ONE,
        retracted,
        start,
        two,
        ended(6, 2, epoch=1, usage=both),
    ]


def test_budget_marks_as_estimated_what_the_provider_has_not_reported() -> None:
    told = START.model_copy(update={"usage": TokenUsage(prompt_tokens=9, completion_tokens=1)})
    *_, final = results(ops.budget(tokens=1, tokenizer=by_words), [told, ONE])

    assert final.usage == TokenUsage(
        prompt_tokens=9, completion_tokens=1, total_tokens=10, source="estimated"
    )


def test_budget_gives_a_usage_that_the_provider_has_reported_as_it_is() -> None:
    both = ONE.model_copy(update={"usage": USAGE})

    assert results(ops.budget(tokens=200), [both])[-1].usage == USAGE


def test_budget_in_dollars_cuts_as_well() -> None:
    told = START.model_copy(update={"usage": TokenUsage(prompt_tokens=10)})
    operator = ops.budget(usd="0.000014", price=PRICE, tokenizer=by_words)

    # 10 for the input and 2 a word: at the second word it is spent.
    assert results(operator, [told, ONE, TWO, THREE])[:-1] == [told, ONE, TWO]


def test_budget_of_both_is_spent_by_the_first() -> None:
    for limits in ({"tokens": 1, "usd": 1}, {"tokens": 99, "usd": "0.000002"}):
        operator = ops.budget(price=PRICE, tokenizer=by_words, **limits)
        assert [c.seq for c in results(operator, ANSWER)] == [0, 1, 2]


def test_budget_raises_by_choice_with_what_had_arrived() -> None:
    operator = ops.budget(tokens=2, tokenizer=by_words, on_exceed="error")
    played = play(operator, "-s-a-b-c-f-|", **CHUNKS)
    error = played.messages[-1].value

    assert played.values == [START, ONE, TWO]
    assert played.held == [(0, 5)]
    assert isinstance(error, BudgetExceededError)
    assert str(error) == "the budget of 2 tokens is spent: 2 tokens (counted) have come"
    assert (error.partial.text, error.partial.complete) == ("one two ", False)
    assert (error.provider, error.request_id, error.retryable) == ("openai", "req-1", False)


def test_budget_says_that_its_reason_is_an_estimate() -> None:
    operator = ops.budget(usd=MICRO, price=PRICE, on_exceed="error")
    error = play(operator, "-a-|", **CHUNKS).messages[-1].value

    assert str(error).startswith("the budget of $0.000001 is spent: it has cost about $0.0000")
    assert str(error).endswith("(estimated)")


def test_budget_warns_once_by_choice() -> None:
    operator = ops.budget(tokens=1, tokenizer=by_words, on_exceed="warn")
    given_out = results(operator, ANSWER)
    warning = given_out[2]

    assert [c.seq for c in given_out] == [0, 1, 2, 3, 4, 5]
    assert warning.kind is ChunkKind.WARNING
    assert warning.data == "the budget of 1 tokens is spent: 1 tokens (counted) have come"
    assert warning.source is SOURCE
    assert [c.text for c in given_out] == ["", "one ", "", "two ", "three ", ""]
    assert given_out[-1] == FINAL.model_copy(update={"seq": 5})


HIDDEN = [START, ONE, FINAL.model_copy(update={"seq": 2})]  # 200 tokens, of which one was seen


def test_budget_that_a_report_exceeds_comes_too_late_to_cut() -> None:
    assert results(ops.budget(tokens=100), HIDDEN) == HIDDEN


def test_budget_that_a_report_exceeds_raises_in_place_of_the_final_chunk() -> None:
    operator = ops.budget(tokens=100, on_exceed="error")
    played = play(operator, "-s-a-f-|", s=HIDDEN[0], a=HIDDEN[1], f=HIDDEN[2])
    error = played.messages[-1].value

    assert played.values == HIDDEN[:2]
    assert isinstance(error, BudgetExceededError)
    assert (error.partial.complete, error.partial.usage) == (True, USAGE)


def test_budget_that_a_report_exceeds_warns_before_the_final_chunk() -> None:
    given_out = results(ops.budget(tokens=100, on_exceed="warn"), HIDDEN)

    assert [c.kind for c in given_out[2:]] == [ChunkKind.WARNING, ChunkKind.FINAL]
    assert [c.seq for c in given_out] == [0, 1, 2, 3]


def test_budget_that_a_report_just_reaches_is_kept() -> None:
    assert results(ops.budget(tokens=200, on_exceed="error"), HIDDEN) == HIDDEN


def test_budget_does_not_cut_at_a_report_without_output() -> None:
    reported = chunk(kind=ChunkKind.USAGE, usage=USAGE, seq=2)
    final = FINAL.model_copy(update={"seq": 3})

    assert results(ops.budget(tokens=100), [START, ONE, reported, final]) == [
        START,
        ONE,
        reported,
        final,
    ]
    # What comes after it is over the budget.
    after = TWO.model_copy(update={"seq": 3})
    assert results(ops.budget(tokens=100), [START, ONE, reported, after, THREE])[-2:] == [
        after,
        ended(
            4, 0, usage=USAGE + TokenUsage(completion_tokens=1, total_tokens=1, source="estimated")
        ),
    ]


def test_budget_in_dollars_of_an_unknown_model_is_an_error() -> None:
    played = play(ops.budget(usd=1), "-u-|", u=UNKNOWN)

    assert isinstance(played.messages[-1].value, ConfigError)
    assert played.held == [(0, 1)]


def test_budget_of_an_error_of_the_source_is_that_error() -> None:
    error = OSError("reset")
    played = play(ops.budget(tokens=9), "-a-#", error=error, **CHUNKS)

    assert played.messages[-1].value is error


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tokens": 0},
        {"tokens": -1},
        {"tokens": True},
        {"usd": 0, "price": PRICE},
        {"usd": -1, "price": PRICE},
        {"usd": float("nan"), "price": PRICE},
        {"usd": float("inf"), "price": PRICE},
        {"usd": True, "price": PRICE},
        {"usd": 1, "price": PRICE, "model": "openai:gpt-4o"},
        {"usd": 1, "model": "gpt-4o"},
        {"tokens": 1, "on_exceed": "stop"},
        {"tokens": 1, "tokenizer": 5},
        {"tokens": 1, "prompt_tokens": -1},
    ],
    ids=str,
)
def test_budget_refuses_options_that_cannot_work(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        ops.budget(**options)


def test_budget_does_linear_work() -> None:
    for options in ({"tokens": 10**9}, {"usd": 1000, "price": PRICE, "on_exceed": "error"}):
        check_linear(lambda options=options: ops.budget(**options), lambda n: [ONE] * n, 2000)


def test_budget_composes_with_reactivex() -> None:
    stream = rx.from_iterable(ANSWER).pipe(
        ops.budget(tokens=2, tokenizer=by_words), rx.operators.map(lambda c: c.text)
    )

    assert stream.pipe(rx.operators.to_list()).run() == ["", "one ", "two ", ""]
