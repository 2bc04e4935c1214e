"""Each protocol as a client on a real socket reads it, with parsers that know nothing of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_parsers import (
    PROTOCOLS,
    anthropic_events,
    ask,
    asking,
    blocks,
    cohere_events,
    ollama_lines,
    openai_chunks,
    request_body,
    responses_events,
)

from rxwizard.testing import (
    Finish,
    KeepAlive,
    Raw,
    Reasoning,
    Refusal,
    Repeat,
    Script,
    Simulator,
    Text,
    ToolCall,
    Usage,
)

CONVERSATION = Script(
    Reasoning("think it over"),
    Text("Héllo  there,\u2028<you>!\n"),
    ToolCall("weather", {"city": "Åre", "days": 2}, id="call_1"),
    ToolCall("now", ""),
    usage=Usage(20, 9, cached_tokens=5, reasoning_tokens=4),
)
COUNTED = request_body(stream_options={"include_usage": True})


def deltas(chunks: list[dict[str, Any]], key: str) -> list[Any]:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return [choice["delta"][key] for choice in choices if choice["delta"].get(key)]


async def test_openai_says_a_whole_conversation() -> None:
    async with Simulator(CONVERSATION) as simulator, asking(simulator, "openai", COUNTED) as reply:
        chunks = openai_chunks(await reply.read())

        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reply.headers["x-ratelimit-reset-requests"] == "6ms"
    first = {"role": "assistant", "content": "", "refusal": None}
    assert chunks[0]["choices"][0]["delta"] == first
    assert {chunk["model"] for chunk in chunks} == {"default"}
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert deltas(chunks, "reasoning_content") == ["think", " it", " over"]
    assert "".join(deltas(chunks, "content")) == "Héllo  there,\u2028<you>!\n"
    calls = [call for calls in deltas(chunks, "tool_calls") for call in calls]
    assert [call["index"] for call in calls] == [0, 0, 0, 0, 1]
    assert calls[0]["id"] == "call_1"
    assert calls[0]["function"] == {"name": "weather", "arguments": ""}
    joined = "".join(call["function"]["arguments"] for call in calls if call["index"] == 0)
    assert json.loads(joined) == {"city": "Åre", "days": 2}
    assert [c["choices"][0]["finish_reason"] for c in chunks[-2:-1]] == ["tool_calls"]


async def test_openai_reports_usage_after_the_finish_in_a_chunk_of_its_own() -> None:
    async with Simulator(CONVERSATION) as simulator:
        chunks = openai_chunks(await ask(simulator, "openai", COUNTED))

    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 29
    assert chunks[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 5
    assert chunks[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] == 4
    assert {chunk["usage"] for chunk in chunks[:-1]} == {None}


@pytest.mark.parametrize(
    ("usage_at", "reporting"),
    [
        (None, []),
        ("never", []),
        ("after_finish", [4]),
        ("with_finish", [3]),
        ("before_finish", [3]),
        ("every_chunk", [0, 1, 2, 3]),
    ],
)
async def test_openai_reports_usage_where_the_script_says(
    usage_at: Any, reporting: list[int]
) -> None:
    script = Script(Text("a b"), Usage(7, 2, usage_at=usage_at))
    async with Simulator(script) as simulator:
        chunks = openai_chunks(await ask(simulator, "openai"))

    assert [n for n, chunk in enumerate(chunks) if chunk.get("usage")] == reporting
    assert all(chunk["usage"]["total_tokens"] == 9 for chunk in chunks if chunk.get("usage"))
    if usage_at == "before_finish":
        assert chunks[3]["choices"] == []


async def test_openai_without_padding_or_usage_has_neither_key() -> None:
    body = request_body(stream_options={"include_obfuscation": False})
    async with Simulator(Text("hi")) as simulator:
        chunks = openai_chunks(await ask(simulator, "openai", body))

    assert not any("usage" in chunk or "obfuscation" in chunk for chunk in chunks)


async def test_openai_can_send_a_tool_call_whole() -> None:
    async with Simulator(ToolCall("now", {"zone": "UTC"}, fragments=0)) as simulator:
        chunks = openai_chunks(await ask(simulator, "openai"))

    [[call]] = deltas(chunks, "tool_calls")
    assert call["function"] == {"name": "now", "arguments": '{"zone":"UTC"}'}


async def test_openai_has_a_field_for_refusals() -> None:
    async with Simulator(Refusal("I can't.")) as simulator:
        chunks = openai_chunks(await ask(simulator, "openai"))

    assert deltas(chunks, "refusal") == ["I", " can't."]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_anthropic_says_a_whole_conversation() -> None:
    async with (
        Simulator(CONVERSATION) as simulator,
        asking(simulator, "anthropic") as reply,
    ):
        events = anthropic_events(await reply.read())

        assert reply.headers["request-id"] == "req_simulated0001"
        assert reply.headers["anthropic-ratelimit-tokens-reset"].endswith("Z")
    spoken = [event for event in events if event["type"] != "ping"]
    assert [spoken[0]["type"], spoken[-2]["type"], spoken[-1]["type"]] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    starts = [event for event in spoken if event["type"] == "content_block_start"]
    assert [start["index"] for start in starts] == [0, 1, 2, 3]
    kinds = [start["content_block"]["type"] for start in starts]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]
    stops = [event["index"] for event in spoken if event["type"] == "content_block_stop"]
    assert stops == [0, 1, 2, 3]
    found = [event for event in spoken if event["type"] == "content_block_delta"]

    def joined(index: int, key: str) -> str:
        return "".join(e["delta"].get(key, "") for e in found if e["index"] == index)

    assert joined(0, "thinking") == "think it over"
    assert [e["delta"]["type"] for e in found if e["index"] == 0][-1] == "signature_delta"
    assert joined(1, "text") == "Héllo  there,\u2028<you>!\n"
    assert json.loads(joined(2, "partial_json")) == {"city": "Åre", "days": 2}
    assert joined(3, "partial_json") == ""
    assert spoken[-2]["delta"]["stop_reason"] == "tool_use"


async def test_anthropic_reports_cached_input_apart_and_output_cumulatively() -> None:
    async with Simulator(CONVERSATION) as simulator:
        events = anthropic_events(await ask(simulator, "anthropic"))

    start = events[0]["message"]["usage"]
    assert (start["input_tokens"], start["cache_read_input_tokens"]) == (15, 5)
    assert start["output_tokens"] == 1
    assert events[-2]["usage"]["output_tokens"] == 9
    assert events[-2]["usage"]["output_tokens_details"] == {"thinking_tokens": 4}


async def test_ollama_says_a_whole_conversation() -> None:
    async with Simulator(CONVERSATION) as simulator, asking(simulator, "ollama") as reply:
        body = await reply.read()

        assert reply.headers["content-type"] == "application/x-ndjson"
    lines = ollama_lines(body)
    messages = [line["message"] for line in lines]
    assert b"\\u2028\\u003cyou\\u003e" in body
    assert "".join(message.get("thinking", "") for message in messages) == "think it over"
    assert "".join(m["content"] for m in messages) == "Héllo  there,\u2028<you>!\n"
    calls = [call["function"] for m in messages for call in m.get("tool_calls", ())]
    assert [call["arguments"] for call in calls] == [{"city": "Åre", "days": 2}, {}]
    assert [call["index"] for call in calls] == [0, 1]
    assert [line["done"] for line in lines].count(True) == 1
    assert lines[-1]["done_reason"] == "stop"
    assert (lines[-1]["prompt_eval_count"], lines[-1]["eval_count"]) == (20, 9)
    assert lines[-1]["total_duration"] >= lines[-1]["eval_duration"]


async def test_ollama_sends_arguments_that_are_no_json_as_they_are() -> None:
    async with Simulator(ToolCall("now", '{"zo')) as simulator:
        lines = ollama_lines(await ask(simulator, "ollama"))

    assert lines[0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"zo'


@pytest.mark.parametrize(
    ("reason", "openai", "anthropic", "ollama"),
    [
        ("stop", "stop", "end_turn", "stop"),
        ("length", "length", "max_tokens", "length"),
        ("tool_calls", "tool_calls", "tool_use", "stop"),
        ("refusal", "stop", "refusal", "stop"),
        ("content_filter", "content_filter", "refusal", "stop"),
        ("pause", "stop", "pause_turn", "stop"),
        ("own_reason", "own_reason", "own_reason", "own_reason"),
    ],
)
async def test_a_unified_reason_becomes_each_protocols_own(
    reason: str, openai: str, anthropic: str, ollama: str
) -> None:
    async with Simulator(Script(Text("a"), Finish(reason))) as simulator:
        chunks = openai_chunks(await ask(simulator, "openai"))
        events = anthropic_events(await ask(simulator, "anthropic"))
        lines = ollama_lines(await ask(simulator, "ollama"))

    assert chunks[-1]["choices"][0]["finish_reason"] == openai
    assert events[-2]["delta"]["stop_reason"] == anthropic
    assert lines[-1]["done_reason"] == ollama


async def test_keep_alives_are_a_comment_a_ping_and_a_blank_line() -> None:
    async with Simulator(Script(KeepAlive("PROCESSING"), Text("a"))) as simulator:
        assert blocks(await ask(simulator, "openai"))[0] == {":": "PROCESSING"}
        assert anthropic_events(await ask(simulator, "anthropic"))[1] == {"type": "ping"}
        assert (await ask(simulator, "ollama")).startswith(b"\n{")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_usage_is_counted_in_words_unless_the_script_says(protocol: str) -> None:
    body = request_body("one two three", stream_options={"include_usage": True})
    async with Simulator(Repeat((Text("a b "),), times=3)) as simulator:
        reply = await ask(simulator, protocol, body)

    if protocol == "openai":
        usage = openai_chunks(reply)[-1]["usage"]
        counts = usage["prompt_tokens"], usage["completion_tokens"]
    elif protocol == "anthropic":
        usage = anthropic_events(reply)[-2]["usage"]
        counts = usage["input_tokens"], usage["output_tokens"]
    elif protocol == "responses":
        usage = responses_events(reply)[-1]["response"]["usage"]
        counts = usage["input_tokens"], usage["output_tokens"]
    elif protocol == "cohere":
        usage = cohere_events(reply)[-1]["delta"]["usage"]["tokens"]
        counts = usage["input_tokens"], usage["output_tokens"]
    else:
        last = ollama_lines(reply)[-1]
        counts = last["prompt_eval_count"], last["eval_count"]
    assert counts == (3, 6)


@pytest.mark.parametrize("protocol", ["anthropic", "ollama"])
async def test_never_leaves_the_numbers_out(protocol: str) -> None:
    async with Simulator(Script(Text("a"), Usage(1, 1, usage_at="never"))) as simulator:
        reply = await ask(simulator, protocol)

    assert b"usage" not in reply
    assert b"count" not in reply


async def test_every_event_is_a_chunk_of_http_of_its_own() -> None:
    async with Simulator(Text("a b c")) as simulator, asking(simulator, "ollama") as reply:
        # aiohttp marks the end of each HTTP chunk for a reader who asks with iter_chunks.
        chunks = [data async for data, whole in reply.content.iter_chunks() if whole]

    assert len([chunk for chunk in chunks if chunk]) == 4


async def test_raw_bytes_arrive_as_they_are_in_the_pieces_asked_for() -> None:
    data = b"data: one\r\n\r\ndata: tw"
    script = Script(Raw(data, splits=(3, 11), content_type="text/event-stream"))
    async with Simulator(script) as simulator, asking(simulator, "openai") as reply:
        pieces = [piece async for piece, whole in reply.content.iter_chunks() if whole and piece]

        assert reply.headers["content-type"] == "text/event-stream"
        assert pieces == [data[:3], data[3:11], data[11:]]
    assert [len(piece) for piece in Raw(data, size=8).split()] == [8, 8, 5]
