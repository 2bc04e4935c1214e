"""What the events of Cohere's Chat API, version 2, mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import FinishReason, ProviderError, StreamInterruptedError

from .reader_kit import Reading, check_reader, cut_at, sse

COHERE = "cohere"
START = {
    "type": "message-start",
    "id": "m1",
    "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}},
}


def ending(reason: str | None = "COMPLETE", **delta: Any) -> dict:
    return {"type": "message-end", "delta": {"finish_reason": reason, **delta}}


def event(kind: str, index: int = 0, **message: Any) -> dict:
    return {"type": kind, "index": index, "delta": {"message": message}}


def content(form: str, *pieces: str, index: int = 0) -> list[dict]:
    return [
        event("content-start", index, content={"type": form, form: ""}),
        *(event("content-delta", index, content={form: piece}) for piece in pieces),
        {"type": "content-end", "index": index},
    ]


def call(name: str, *pieces: str, index: int = 0, call_id: str = "c1") -> list[dict]:
    begun = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    return [
        event("tool-call-start", index, tool_calls=begun),
        *(
            event("tool-call-delta", index, tool_calls={"function": {"arguments": piece}})
            for piece in pieces
        ),
        {"type": "tool-call-end", "index": index},
    ]


def answer(*events: object, named: bool = True, **options: bool) -> Reading:
    return check_reader(COHERE, sse(*events, named=named), **options)


def whole(*events: object, reason: str = "COMPLETE", **options: bool) -> Reading:
    return answer(START, *events, ending(reason), "[DONE]", **options)


# -- text and reasoning ----------------------------------------------------------------------


def test_text_and_thinking_know_their_block() -> None:
    reading = whole(*content("thinking", "Let me", " see."), *content("text", "H", "i", index=1))

    assert (reading.response.reasoning, reading.text) == ("Let me see.", "Hi")
    assert [c.index for c in reading.chunks if c.text or c.reasoning] == [0, 0, 1, 1]
    assert reading.final.source.response_id == "m1"
    assert reading.final.source.model == "asked"  # it does not say who answers


def test_the_type_in_the_data_rules_and_older_captures_have_no_event_names() -> None:
    events = [START, *content("text", "Hi"), *call("now", "{}"), ending(), "[DONE]"]

    assert answer(*events, named=False).chunks == answer(*events).chunks


def test_a_block_may_begin_with_words() -> None:
    begun = event("content-start", content={"type": "text", "text": "Hi"})

    assert whole(begun, *content("text", " you")[1:]).text == "Hi you"


def test_log_probabilities_come_with_their_text() -> None:
    told = {"token_ids": [1], "text": "Hi", "logprobs": [-0.1]}
    first, second = content("text", "Hi", " you")[1:3]
    reading = whole({**first, "logprobs": told}, second)

    assert [c.data for c in reading.chunks if c.text] == [{"logprobs": told}, None]


def test_the_tool_plan_is_shown_and_is_no_text() -> None:
    plan = event("tool-plan-delta", tool_plan="I will search")
    reading = whole(plan, *call("search", "{}"), reason="TOOL_CALL")

    assert reading.of_kind("other") == [plan]
    assert (reading.text, reading.response.reasoning) == ("", "")


# -- calls and citations ---------------------------------------------------------------------


def test_calls_are_an_object_and_their_arguments_come_in_pieces() -> None:
    reading = whole(
        *call("weather", "{\n", '"city"', ': "Oslo"}'),
        *call("now", index=1, call_id="c2"),
        reason="TOOL_CALL",
    )

    assert reading.calls == [("c1", "weather", {"city": "Oslo"}), ("c2", "now", {})]
    assert reading.final.finish_reason is FinishReason.TOOL_CALLS


def test_a_list_of_one_call_is_read_as_well() -> None:
    function = {"name": "now", "arguments": "{}"}
    begun = event("tool-call-start", tool_calls=[{"id": "c1", "function": function}])

    assert whole(begun).calls == [("c1", "now", {})]


def test_arguments_that_the_limit_cut_stay_as_text() -> None:
    reading = whole(*call("weather", '{"ci'), reason="MAX_TOKENS")
    (made,) = reading.response.tool_calls

    assert (made.arguments, made.valid) == ('{"ci', False)
    assert reading.final.finish_reason is FinishReason.LENGTH


def test_citations_are_citations() -> None:
    cited = {"start": 0, "end": 2, "text": "Hi", "sources": [], "type": "TEXT_CONTENT"}
    events = [event("citation-start", citations=cited), {"type": "citation-end", "index": 0}]

    assert whole(*content("text", "Hi"), *events).response.citations == (cited,)


BROKEN = [
    event("content-delta"),
    event("content-delta", content={"type": "image"}),
    event("content-delta", content={"text": 7}),
    {"type": "content-start", "index": 0},
    event("tool-call-start"),
    event("citation-start"),
    {"type": "debug", "prompt": "no text of the answer"},
]


@pytest.mark.parametrize("broken", BROKEN)
def test_unknown_events_and_known_ones_of_unknown_shape_are_shown(broken: dict) -> None:
    reading = whole(broken, *content("text", "Hi"))

    assert reading.of_kind("other") == [broken]
    assert reading.text == "Hi"


# -- usage and the end -----------------------------------------------------------------------


def test_usage_is_the_tokens_and_not_the_bill() -> None:
    raw = {
        "billed_units": {"input_tokens": 84, "output_tokens": 314},
        "tokens": {"input_tokens": 1501, "output_tokens": 346, "reasoning_tokens": 304},
        "cached_tokens": 1008,
    }
    usage = answer(START, ending(usage=raw)).final.usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1501, 346, 1847)
    assert (usage.reasoning_tokens, usage.cached_tokens, usage.raw) == (304, 1008, raw)


def test_usage_is_the_bill_where_there_is_nothing_else() -> None:
    raw = {"billed_units": {"input_tokens": 84.0, "output_tokens": 3.0}}
    usage = answer(START, ending(usage=raw)).final.usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.total_tokens) == (84, 87)


@pytest.mark.parametrize("raw", [None, {}, {"tokens": None}])
def test_without_counts_there_is_no_usage(raw: object) -> None:
    assert answer(START, *content("text", "Hi"), ending(usage=raw)).final.usage is None


REASONS = {
    "COMPLETE": FinishReason.STOP,
    "STOP_SEQUENCE": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "TOOL_CALL": FinishReason.TOOL_CALLS,
    "TIMEOUT": FinishReason.ERROR,
    "BRAND_NEW": FinishReason.OTHER,
}


@pytest.mark.parametrize(("raw", "unified"), REASONS.items())
def test_finish_reasons_are_unified_and_kept_as_sent(raw: str, unified: FinishReason) -> None:
    final = whole(*content("text", "Hi"), reason=raw).final

    assert (final.finish_reason, final.raw_finish_reason) == (unified, raw)


def test_message_end_alone_is_the_signal() -> None:
    final = answer(START, {"type": "message-end"}).final

    assert (final.complete, final.finish_reason) == (True, None)


def test_done_before_message_end_is_no_signal() -> None:
    failure = answer(START, *content("text", "Hi"), "[DONE]").failure

    assert type(failure) is StreamInterruptedError
    assert failure.partial is not None
    assert failure.partial.text == "Hi"


# -- errors ----------------------------------------------------------------------------------


def test_an_error_at_the_end_raises_with_its_words_and_no_status() -> None:
    kind = "INVALID_TOOL_GENERATION"
    end = ending("ERROR", usage={}, error="Sorry, M", error_type=kind)
    failure = answer(START, *content("text", "Hi"), end, "[DONE]").failure

    assert (type(failure), failure.status, failure.code) == (ProviderError, None, kind)
    assert failure.retryable
    assert "Sorry, M" in str(failure)
    assert failure.partial is not None
    assert failure.partial.text == "Hi"


def test_an_error_without_words_says_so() -> None:
    failure = answer(START, ending("ERROR")).failure

    assert type(failure) is ProviderError
    assert "no reason" in str(failure)


# -- for any answer --------------------------------------------------------------------------

pieces = st.lists(st.sampled_from(["", "a", "\u2028", "😀", '"', "\\"]), max_size=4)


@given(
    st.lists(st.tuples(st.sampled_from(["text", "thinking", "call"]), pieces), max_size=4),
    st.lists(st.integers(0, 3_000), max_size=6),
)
def test_any_blocks_at_any_cuts_are_read_the_same(
    said: list[tuple[str, list[str]]], cuts: list[int]
) -> None:
    events: list[dict] = []
    for index, (kind, parts) in enumerate(said):
        if kind == "call":
            events += call("f", *parts, index=index, call_id=f"c{index}")
        else:
            events += content(kind, *parts, index=index)
    body = sse(START, *events, ending(), "[DONE]", named=True).encode()
    reading = check_reader(COHERE, body, [cut_at(body, [min(cut, len(body)) for cut in cuts])])

    def joined(kind: str) -> str:
        return "".join("".join(parts) for name, parts in said if name == kind)

    assert (reading.text, reading.response.reasoning) == (joined("text"), joined("thinking"))
    assert "".join(c.arguments_raw for c in reading.response.tool_calls) == joined("call")
