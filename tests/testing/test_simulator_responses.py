"""The Responses API as a client on a real socket reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_parsers import ask, asking, blocks, request_body, responses_events

from rxwizard.testing import (
    Finish,
    KeepAlive,
    Reasoning,
    Refusal,
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


async def events_of(*steps: Any, **more: Any) -> list[dict[str, Any]]:
    async with Simulator(Script(*steps)) as simulator:
        return responses_events(await ask(simulator, "responses", request_body(**more)))


def short(events: list[dict[str, Any]]) -> list[str]:
    """Name the events, without what is common and without repeats."""
    names = [event["type"].removeprefix("response.") for event in events]
    return [name for n, name in enumerate(names) if n == 0 or name != names[n - 1]]


async def test_a_whole_conversation() -> None:
    async with (
        Simulator(CONVERSATION) as simulator,
        asking(simulator, "responses") as reply,
    ):
        events = responses_events(await reply.read())

        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reply.headers["x-ratelimit-reset-requests"] == "6ms"
    assert short(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    assert [event["output_index"] for event in added] == [0, 1, 2, 3]
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "think it over"}]
    assert output[1]["content"][0]["text"] == "Héllo  there,\u2028<you>!\n"
    assert output[2]["call_id"] == "call_1"
    assert json.loads(output[2]["arguments"]) == {"city": "Åre", "days": 2}
    assert output[3]["arguments"] == ""
    for place, kind in enumerate(["reasoning_summary_text", "output_text", None]):
        deltas = [e["delta"] for e in events if e["type"] == f"response.{kind}.delta"]
        whole = [e["text"] for e in events if e["type"] == f"response.{kind}.done"]
        assert kind is None or ["".join(deltas)] == whole, place


async def test_usage_comes_with_the_whole_response() -> None:
    async with Simulator(CONVERSATION) as simulator:
        first, *_, last = responses_events(await ask(simulator, "responses"))

    assert first["response"]["usage"] is None
    assert (first["response"]["status"], last["response"]["status"]) == ("in_progress", "completed")
    assert first["response"]["id"] == last["response"]["id"]
    assert last["response"]["model"] == "default"
    assert last["response"]["usage"] == {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 5},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 29,
    }


async def test_never_leaves_the_numbers_out() -> None:
    events = await events_of(Text("a"), Usage(1, 1, usage_at="never"))

    assert events[-1]["response"]["usage"] is None


async def test_padding_may_be_left_out() -> None:
    padded = await events_of(Text("a"))
    plain = await events_of(Text("a"), stream_options={"include_obfuscation": False})

    assert [event["type"] for event in padded if "obfuscation" in event] == [
        "response.output_text.delta"
    ]
    assert not any("obfuscation" in event for event in plain)


async def test_a_tool_call_can_come_whole() -> None:
    events = await events_of(ToolCall("now", {"zone": "UTC"}, fragments=0))

    assert "function_call_arguments.delta" not in short(events)
    assert events[3]["arguments"] == '{"zone":"UTC"}'


async def test_refusals_have_parts_of_their_own() -> None:
    events = await events_of(Refusal("I can't."))

    deltas = [event["delta"] for event in events if event["type"] == "response.refusal.delta"]
    assert deltas == ["I", " can't."]
    content = events[-1]["response"]["output"][0]["content"]
    assert content == [{"type": "refusal", "refusal": "I can't."}]
    assert events[-1]["response"]["status"] == "completed"


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("refusal", "completed", None),
        ("pause", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        ("own_reason", "own_reason", None),
    ],
)
async def test_a_unified_reason_becomes_a_status(
    reason: str, status: str, details: dict[str, str] | None
) -> None:
    last = (await events_of(Text("a"), Finish(reason)))[-1]

    assert last["type"] == f"response.{'incomplete' if details else 'completed'}"
    assert last["response"]["status"] == status
    assert last["response"]["incomplete_details"] == details


async def test_an_error_is_an_event_and_a_failed_response() -> None:
    events = await events_of(Text("a"), StreamError("It broke.", code="server_is_overloaded"))

    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert events[-2]["error"]["code"] == "server_is_overloaded"
    assert events[-1]["response"]["error"]["message"] == "It broke."
    assert events[-1]["response"]["status"] == "failed"


async def test_keep_alives_are_comments() -> None:
    async with Simulator(Script(KeepAlive("PROCESSING"), Text("a"))) as simulator:
        body = await ask(simulator, "responses")

    assert blocks(body)[0] == {":": "PROCESSING"}


@pytest.mark.parametrize("missing", ["model", "input", "stream"])
async def test_it_asks_for_what_the_service_asks_for(missing: str) -> None:
    body = {name: value for name, value in request_body().items() if name != missing}
    async with Simulator() as simulator, asking(simulator, "responses", body) as reply:
        assert reply.status == 400
        assert missing in (await reply.json())["error"]["message"]


@pytest.mark.parametrize(
    "said",
    [
        {"input": "Echo me"},
        {"input": [{"role": "user", "content": "Echo me"}]},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Echo me"}]}]},
    ],
)
async def test_the_prompt_is_found_in_every_form_of_the_input(said: dict[str, Any]) -> None:
    body = {"model": "default", "stream": True, "instructions": "Be brief.", **said}
    async with Simulator() as simulator:
        events = responses_events(await ask(simulator, "responses", body))

    assert "You wrote: “Echo me”" in events[-1]["response"]["output"][0]["content"][0]["text"]
    assert events[-1]["response"]["usage"]["input_tokens"] == 4
