"""Anthropic's Messages: small wires by hand, each showing one thing its events do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxwizard import (
    FinishReason,
    OverloadedError,
    ProviderError,
    RateLimitError,
    StreamInterruptedError,
    TokenUsage,
)

from .reader_kit import Reading, check_reader, cut_at, sse

ANTHROPIC = "anthropic"
PING = {"type": "ping"}
MESSAGE_STOP = {"type": "message_stop"}


def message_start(**usage: Any) -> dict:
    message = {"id": "msg_1", "model": "claude-1", "content": [], "usage": usage}
    return {"type": "message_start", "message": message}


def message_delta(stop_reason: object = "end_turn", **usage: Any) -> dict:
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": usage}


def block(index: int, content: dict, *deltas: dict) -> list[dict]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(*pieces: str, index: int = 0) -> list[dict]:
    deltas = ({"type": "text_delta", "text": piece} for piece in pieces)
    return block(index, {"type": "text", "text": ""}, *deltas)


def tool(name: str, *pieces: str, index: int = 0, call_id: str = "toolu_1") -> list[dict]:
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, {"type": "tool_use", "id": call_id, "name": name, "input": {}}, *deltas)


def answer(*events: dict, **options: bool) -> Reading:
    return check_reader(ANTHROPIC, sse(*events, named=True), **options)


def whole(*events: dict, stop_reason: object = "end_turn", **options: bool) -> Reading:
    ends = (message_delta(stop_reason, output_tokens=2), MESSAGE_STOP)
    return answer(message_start(input_tokens=3), *events, *ends, **options)


# -- blocks ----------------------------------------------------------------------------------


def test_text_carries_the_index_of_its_block() -> None:
    reading = whole(*text("Hel", "", "lo"), *text(" there", index=1))

    assert reading.text == "Hello there"
    assert [chunk.index for chunk in reading.chunks if chunk.text] == [0, 0, 1]
    assert reading.final.source.response_id == "msg_1"
    assert reading.final.source.model == "claude-1"


def test_a_block_may_bring_text_at_its_start() -> None:
    reading = whole(
        *block(0, {"type": "text", "text": "Hel"}, {"type": "text_delta", "text": "lo"})
    )

    assert reading.text == "Hello"


def test_thinking_is_reasoning_and_its_signature_is_neither_text_nor_thought() -> None:
    reading = whole(
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm"},
            {"type": "thinking_delta", "thinking": ""},
            {"type": "thinking_delta", "thinking": "."},
            {"type": "signature_delta", "signature": "c2ln"},
        ),
        *text("Hi", index=1),
    )

    assert (reading.response.reasoning, reading.text) == ("Hm.", "Hi")
    assert reading.of_kind("other") == [{"type": "signature_delta", "signature": "c2ln"}]


def test_thinking_may_come_at_the_start_of_its_block() -> None:
    assert whole(*block(0, {"type": "thinking", "thinking": "Hm"})).response.reasoning == "Hm"


def test_redacted_thinking_is_shown_and_is_no_reasoning() -> None:
    redacted = {"type": "redacted_thinking", "data": "EqkE"}
    reading = whole(*block(0, redacted), *text("Hi", index=1))

    assert (reading.of_kind("other"), reading.response.reasoning) == ([redacted], "")


def test_a_tool_call_is_put_together() -> None:
    reading = whole(*tool("weather", "", '{"city":', ' "Tokyo"}'), stop_reason="tool_use")

    assert reading.calls == [("toolu_1", "weather", {"city": "Tokyo"})]
    assert reading.text == ""
    assert reading.final.finish_reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize("pieces", [[], [""], ["{}"], ["", ""]])
def test_a_tool_call_without_arguments_has_an_empty_object(pieces: list[str]) -> None:
    (made,) = whole(*tool("now", *pieces), stop_reason="tool_use").response.tool_calls

    assert (made.name, made.arguments, made.valid) == ("now", {}, True)


def test_a_tool_call_may_bring_its_input_at_the_start_of_its_block() -> None:
    content = {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Tokyo"}}

    assert whole(*block(0, content)).calls == [("t", "weather", {"city": "Tokyo"})]


def test_several_tool_calls_are_numbered_in_order_whatever_their_blocks() -> None:
    reading = whole(
        *text("Let me see."),
        *tool("weather", "{}", index=1, call_id="t1"),
        *tool("time", '{"zone"', ': "UTC"}', index=3, call_id="t2"),
    )

    assert reading.calls == [("t1", "weather", {}), ("t2", "time", {"zone": "UTC"})]
    assert [c.index for c in reading.response.tool_calls] == [0, 1]
    assert {chunk.index for chunk in reading.chunks if chunk.tool_call} == {1, 3}


def test_blocks_may_interleave() -> None:
    first, second = tool("a", "{", "}"), tool("b", "{", "}", index=1, call_id="t2")
    mixed = [event for pair in zip(first, second, strict=True) for event in pair]

    assert whole(*mixed).calls == [("toolu_1", "a", {}), ("t2", "b", {})]


def test_arguments_that_the_limit_cut_stay_as_text() -> None:
    (made,) = whole(*tool("weather", '{"ci'), stop_reason="max_tokens").response.tool_calls

    assert (made.arguments, made.arguments_raw, made.valid) == ('{"ci', '{"ci', False)


SERVER_SIDE = [
    {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
    {"type": "mcp_tool_use", "id": "mcp_1", "name": "x", "server_name": "s", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [{"title": "T"}]},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srv_1",
        "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
    },
    {"type": "compaction", "content": "summary"},
    {"type": "brand_new_block", "text": "no text of the answer"},
]


@pytest.mark.parametrize("content", SERVER_SIDE, ids=lambda content: content["type"])
def test_blocks_of_the_server_are_shown_and_are_neither_text_nor_calls(content: dict) -> None:
    query = {"type": "input_json_delta", "partial_json": '{"query": "x"}'}
    reading = whole(*block(0, content, query), *text("Hi", index=1))

    assert reading.of_kind("other") == [content, query]
    assert (reading.text, reading.calls) == ("Hi", [])
    assert reading.final.finish_reason is FinishReason.STOP


def test_citations_are_citations() -> None:
    one, two = {"type": "char_location", "cited_text": "a"}, {"type": "page_location"}
    content = {"type": "text", "text": "", "citations": [one]}
    reading = whole(
        *block(
            0,
            content,
            {"type": "citations_delta", "citation": two},
            {"type": "text_delta", "text": "Hi"},
        )
    )

    assert reading.response.citations == (one, two)
    assert reading.text == "Hi"


def test_unknown_deltas_are_shown() -> None:
    delta = {"type": "brand_new_delta", "text": "no text of the answer"}
    reading = whole(*block(0, {"type": "text", "text": ""}, delta))

    assert (reading.of_kind("other"), reading.text) == ([delta], "")


def test_pings_are_heartbeats_only_when_asked_for() -> None:
    events = [PING, *text("Hi"), PING]

    assert whole(*events).of_kind("heartbeat") == []
    assert whole(*events, heartbeats=True).of_kind("heartbeat") == ["ping", "ping"]


def test_the_type_in_the_data_rules_and_not_the_name_of_the_event() -> None:
    events = [message_start(), *text("Hi"), message_delta(), MESSAGE_STOP]
    unnamed = check_reader(ANTHROPIC, sse(*events))
    misnamed = check_reader(
        ANTHROPIC, sse(*events, named=True).replace("event: content", "event: x")
    )

    assert unnamed.chunks == misnamed.chunks == answer(*events).chunks


def test_blanks_after_the_json_do_not_matter() -> None:
    wire = sse(message_start(), *text("Hi"), message_delta(), MESSAGE_STOP)

    assert check_reader(ANTHROPIC, wire.replace("}\n\n", "}      \n\n")).text == "Hi"


def test_known_events_of_unknown_shape_are_shown() -> None:
    broken = [
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_start", "index": 0},
        {"type": "message_start"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}},
    ]
    reading = whole(*broken, *text("Hi"))

    assert reading.of_kind("other") == broken
    assert reading.text == "Hi"


def test_a_second_message_start_of_a_proxy_changes_nothing() -> None:
    reading = answer(
        message_start(input_tokens=3, output_tokens=1),
        *text("Hel"),
        message_start(input_tokens=3, output_tokens=1),
        *text("lo", index=1),
        message_delta(output_tokens=2),
        MESSAGE_STOP,
    )

    assert reading.kinds.count("start") == 1
    assert reading.text == "Hello"
    assert reading.final.usage is not None
    assert reading.final.usage.total_tokens == 5


# -- usage -----------------------------------------------------------------------------------


def usage_of(start: dict, delta: dict) -> TokenUsage:
    usage = answer(
        message_start(**start), *text("Hi"), message_delta(**delta), MESSAGE_STOP
    ).final.usage
    assert usage is not None
    return usage


def test_usage_is_merged_from_start_and_delta() -> None:
    usage = usage_of({"input_tokens": 377, "output_tokens": 1}, {"output_tokens": 89})

    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (377, 89, 466)


def test_cached_input_is_input() -> None:
    usage = usage_of(
        {"input_tokens": 3, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100},
        {"output_tokens": 2},
    )

    assert (usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens) == (113, 100, 10)
    assert usage.total_tokens == 115
    assert usage.raw is not None
    assert usage.raw["input_tokens"] == 3


def test_the_delta_may_state_the_input_again() -> None:
    usage = usage_of(
        {"input_tokens": 3, "cache_read_input_tokens": 0, "output_tokens": 1},
        {"input_tokens": 30, "cache_read_input_tokens": 5, "output_tokens": 2},
    )

    assert (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens) == (35, 5, 2)


def test_null_never_replaces_a_count() -> None:
    usage = usage_of(
        {"input_tokens": 3, "cache_read_input_tokens": 5},
        {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 2},
    )

    assert (usage.prompt_tokens, usage.cached_tokens) == (8, 5)


def test_thinking_is_part_of_the_output() -> None:
    usage = usage_of(
        {"input_tokens": 3},
        {"output_tokens": 106, "output_tokens_details": {"thinking_tokens": 67}},
    )

    assert (usage.completion_tokens, usage.reasoning_tokens) == (106, 67)


def test_usage_comes_with_the_start_and_again_at_the_end() -> None:
    reading = whole(*text("Hi"))

    assert [chunk.kind.value for chunk in reading.chunks if chunk.usage] == [
        "start",
        "usage",
        "final",
    ]


def test_a_stream_without_usage_has_none() -> None:
    assert answer({"type": "message_start", "message": {}}, MESSAGE_STOP).final.usage is None


# -- how it ends -----------------------------------------------------------------------------

REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "pause_turn": FinishReason.PAUSE,
    "refusal": FinishReason.REFUSAL,
    "brand_new": FinishReason.OTHER,
}


@pytest.mark.parametrize(("raw", "unified"), REASONS.items())
def test_stop_reasons_are_unified_and_kept_as_sent(raw: str, unified: FinishReason) -> None:
    final = whole(*text("Hi"), stop_reason=raw).final

    assert (final.finish_reason, final.raw_finish_reason) == (unified, raw)


def test_a_refusal_keeps_the_text_that_came() -> None:
    reading = whole(*text("I was about"), stop_reason="refusal")

    assert (reading.text, reading.final.complete) == ("I was about", True)


def test_the_stop_reason_alone_is_no_signal() -> None:
    failure = answer(message_start(), *text("Hi"), message_delta()).failure

    assert type(failure) is StreamInterruptedError
    assert failure.partial is not None
    assert failure.partial.text == "Hi"


def test_message_stop_alone_is_the_signal() -> None:
    final = answer(message_start(), *text("Hi"), MESSAGE_STOP).final

    assert (final.complete, final.finish_reason) == (True, None)


@pytest.mark.parametrize(
    "after", ["event: data\ndata: [DONE]\n\n", "data: nonsense\n\n", "data: {"]
)
def test_nothing_after_message_stop_is_read(after: str) -> None:
    wire = sse(message_start(), *text("Hi"), message_delta(), MESSAGE_STOP) + after

    assert check_reader(ANTHROPIC, wire).kinds == ["start", "text", "final"]


def test_done_before_message_stop_is_no_signal() -> None:
    wire = sse(message_start(), *text("Hi")) + "event: data\ndata: [DONE]\n\n"

    assert type(check_reader(ANTHROPIC, wire).failure) is StreamInterruptedError


# -- errors ----------------------------------------------------------------------------------

ERRORS = {
    "overloaded_error": (OverloadedError, 529),
    "rate_limit_error": (RateLimitError, 429),
    "api_error": (ProviderError, 500),
    "timeout_error": (ProviderError, 504),
    "brand_new_error": (ProviderError, None),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("named", [True, False], ids=["event: error", "data alone"])
def test_errors_in_the_stream_have_the_type_and_status_of_http(name: str, named: bool) -> None:
    error = {"details": None, "type": name, "message": "Sorry, M"}
    event = {"type": "error", "error": error, "request_id": "req_body"}
    failure = check_reader(
        ANTHROPIC, sse(message_start(), *text("Hi"), event, MESSAGE_STOP, named=named)
    ).failure

    assert (type(failure), failure.status) == ERRORS[name]
    assert (failure.code, failure.request_id) == (name, "req_body")
    assert "Sorry, M" in str(failure)
    assert failure.partial is not None
    assert failure.partial.text == "Hi"


# -- for any answer --------------------------------------------------------------------------

pieces = st.lists(st.sampled_from(["", "a", "\u2028", "😀", '"', "\\"]), max_size=4)


@given(
    st.lists(st.tuples(st.sampled_from(["text", "thinking", "tool"]), pieces), max_size=4),
    st.lists(st.integers(0, 3_000), max_size=6),
)
def test_any_blocks_at_any_cuts_are_read_the_same(
    said: list[tuple[str, list[str]]], cuts: list[int]
) -> None:
    events: list[dict] = []
    for index, (kind, parts) in enumerate(said):
        if kind == "text":
            events += text(*parts, index=index)
        elif kind == "tool":
            events += tool("f", *parts, index=index)
        else:
            deltas = ({"type": "thinking_delta", "thinking": part} for part in parts)
            events += block(index, {"type": "thinking", "thinking": ""}, *deltas)
    body = sse(message_start(), *events, message_delta(), MESSAGE_STOP, named=True).encode()
    reading = check_reader(ANTHROPIC, body, [cut_at(body, [min(cut, len(body)) for cut in cuts])])

    def joined(kind: str) -> str:
        return "".join("".join(parts) for name, parts in said if name == kind)

    assert (reading.text, reading.response.reasoning) == (joined("text"), joined("thinking"))
    assert "".join(c.arguments_raw for c in reading.response.tool_calls) == joined("tool")
