"""Cohere's chat as a client on a real socket reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_parsers import anthropic_events, ask, asking, blocks, cohere_events, request_body

from rxwizard.testing import (
    Close,
    Finish,
    KeepAlive,
    Reasoning,
    Script,
    Simulator,
    StreamError,
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


def message(event: dict[str, Any]) -> Any:
    return event["delta"]["message"]


async def test_a_whole_conversation() -> None:
    async with Simulator(CONVERSATION) as simulator, asking(simulator, "cohere") as reply:
        events = cohere_events(await reply.read())

        assert reply.headers["content-type"] == "text/event-stream"
    names = [event["type"] for event in events]
    assert [name for n, name in enumerate(names) if n == 0 or name != names[n - 1]] == [
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "content-start",
        "content-delta",
        "content-end",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "tool-call-start",
        "tool-call-end",
        "message-end",
    ]
    starts = [event for event in events if event["type"] == "content-start"]
    assert [(e["index"], message(e)["content"]["type"]) for e in starts] == [
        (0, "thinking"),
        (1, "text"),
    ]
    content = [message(event)["content"] for event in events if event["type"] == "content-delta"]
    assert "".join(part.get("thinking", "") for part in content) == "think it over"
    assert "".join(part.get("text", "") for part in content) == "Héllo  there,\u2028<you>!\n"
    calls = [event for event in events if event["type"] == "tool-call-start"]
    assert [event["index"] for event in calls] == [0, 1]
    assert message(calls[0])["tool_calls"]["id"] == "call_1"
    pieces = [
        message(event)["tool_calls"]["function"]["arguments"]
        for event in events
        if event["type"] == "tool-call-delta"
    ]
    assert json.loads("".join(pieces)) == {"city": "Åre", "days": 2}
    assert events[-1]["delta"] == {
        "finish_reason": "TOOL_CALL",
        "usage": {
            "billed_units": {"input_tokens": 20, "output_tokens": 9},
            "tokens": {"input_tokens": 20, "output_tokens": 9, "reasoning_tokens": 4},
            "cached_tokens": 5,
        },
    }


async def test_a_tool_call_can_come_whole() -> None:
    async with Simulator(ToolCall("now", {"zone": "UTC"}, fragments=0)) as simulator:
        events = cohere_events(await ask(simulator, "cohere"))

    function = message(events[1])["tool_calls"]["function"]
    assert function == {"name": "now", "arguments": '{"zone":"UTC"}'}
    assert events[2] == {"type": "tool-call-end", "index": 0}


@pytest.mark.parametrize(
    ("reason", "own"),
    [
        ("stop", "COMPLETE"),
        ("length", "MAX_TOKENS"),
        ("tool_calls", "TOOL_CALL"),
        ("refusal", "COMPLETE"),
        ("content_filter", "COMPLETE"),
        ("pause", "COMPLETE"),
        ("STOP_SEQUENCE", "STOP_SEQUENCE"),
    ],
)
async def test_a_unified_reason_becomes_its_own(reason: str, own: str) -> None:
    async with Simulator(Script(Text("a"), Finish(reason))) as simulator:
        events = cohere_events(await ask(simulator, "cohere"))

    assert events[-1]["delta"]["finish_reason"] == own


async def test_never_leaves_the_numbers_out() -> None:
    async with Simulator(Script(Text("a"), Usage(1, 1, usage_at="never"))) as simulator:
        assert b"usage" not in await ask(simulator, "cohere")


async def test_an_error_is_the_end_of_the_message() -> None:
    step = StreamError("It broke.", code="INVALID_TOOL_GENERATION")
    async with Simulator(Script(Text("a"), step)) as simulator:
        events = anthropic_events(await ask(simulator, "cohere"))

    assert events[-1]["delta"] == {
        "finish_reason": "ERROR",
        "usage": {},
        "error": "It broke.",
        "error_type": "INVALID_TOOL_GENERATION",
    }


async def test_steps_after_the_finish_happen_before_done() -> None:
    async with Simulator(Script(Text("a"), Finish(), Close())) as simulator:
        body = await ask(simulator, "cohere")

    assert anthropic_events(body)[-1]["type"] == "message-end"
    assert b"DONE" not in body


async def test_keep_alives_are_comments() -> None:
    async with Simulator(Script(KeepAlive("waiting"), Text("a"))) as simulator:
        assert blocks(await ask(simulator, "cohere"))[0] == {":": "waiting"}


@pytest.mark.parametrize("missing", ["model", "messages", "stream"])
async def test_it_asks_for_what_the_service_asks_for(missing: str) -> None:
    body = {name: value for name, value in request_body().items() if name != missing}
    async with Simulator() as simulator, asking(simulator, "cohere", body) as reply:
        assert reply.status == 400
        assert missing in (await reply.json())["message"]


async def test_an_unknown_model_is_not_found_in_its_own_words() -> None:
    body = request_body(model="no-such-model")
    async with Simulator() as simulator, asking(simulator, "cohere", body) as reply:
        assert reply.status == 404
        assert (await reply.json())["message"].startswith("model 'no-such-model' not found")
