"""Bedrock's Converse as a client on a real socket reads it, with a parser that knows only zlib."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import aiohttp
import pytest

from rxwizard import (
    NotFoundError,
    ProviderError,
    RateLimitError,
    RequestError,
    RetryConfig,
    StreamingClient,
    StreamInterruptedError,
    WizardConfig,
    WizardResponse,
)
from rxwizard.testing import (
    Close,
    Cut,
    Finish,
    HttpError,
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
    ToolCall("weather", {"city": "Åre", "days": 2}, id="tooluse_1"),
    ToolCall("now", ""),
    usage=Usage(20, 9, cached_tokens=5),
)
BODY = {"messages": [{"role": "user", "content": [{"text": "one two three"}]}]}


def messages(body: bytes) -> list[tuple[dict[str, str], Any]]:
    """Read a binary event stream by its specification, with all checksums."""
    found = []
    while body:
        total, in_headers, checksum = struct.unpack_from(">III", body)
        assert zlib.crc32(body[:8]) == checksum
        assert zlib.crc32(body[: total - 4]) == int.from_bytes(body[total - 4 : total])
        block, headers = body[12 : 12 + in_headers], {}
        while block:
            name, kind, block = block[1 : 1 + block[0]], block[1 + block[0]], block[2 + block[0] :]
            assert kind == 7
            size = int.from_bytes(block[:2])
            headers[name.decode()] = block[2 : 2 + size].decode()
            block = block[2 + size :]
        found.append((headers, json.loads(body[12 + in_headers : total - 4])))
        body = body[total:]
    return found


def events(body: bytes) -> list[tuple[str, Any]]:
    """Give the events by their type; there is nothing else in the body."""
    found = messages(body)
    assert {headers[":message-type"] for headers, _ in found} == {"event"}
    assert {headers[":content-type"] for headers, _ in found} == {"application/json"}
    return [(headers[":event-type"], payload) for headers, payload in found]


async def ask(simulator: Simulator, model: str = "default", body: Any = BODY) -> bytes:
    url = f"{simulator.url}/model/{model}/converse-stream"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as reply:
        assert reply.headers["content-type"] == "application/vnd.amazon.eventstream"
        assert reply.headers["x-amzn-requestid"].endswith("01")
        return await reply.read()


async def complete(simulator: Simulator, model: str = "default") -> WizardResponse:
    once = RetryConfig(retries=0)
    config = WizardConfig(f"bedrock:{model}", api_key="k" * 20, endpoint=simulator.url, retry=once)
    async with StreamingClient(config) as client:
        return await client.generate_complete("one two three")


async def test_bedrock_says_a_whole_conversation() -> None:
    async with Simulator(CONVERSATION) as simulator:
        found = events(await ask(simulator))
        response = await complete(simulator)

    assert [found[0][0], found[-2][0], found[-1][0]] == ["messageStart", "messageStop", "metadata"]
    starts = [payload for kind, payload in found if kind == "contentBlockStart"]
    assert [start["contentBlockIndex"] for start in starts] == [2, 3]
    assert starts[0]["start"]["toolUse"] == {"name": "weather", "toolUseId": "tooluse_1"}
    stops = [payload["contentBlockIndex"] for kind, payload in found if kind == "contentBlockStop"]
    assert stops == [0, 1, 2, 3]
    deltas = [payload for kind, payload in found if kind == "contentBlockDelta"]

    def joined(index: int, *path: str) -> str:
        pieces = []
        for delta in (d["delta"] for d in deltas if d["contentBlockIndex"] == index):
            for name in path:
                delta = delta.get(name, {})
            pieces.append(delta or "")
        return "".join(pieces)

    assert joined(0, "reasoningContent", "text") == "think it over"
    assert joined(1, "text") == "Héllo  there,\u2028<you>!\n"
    assert json.loads(joined(2, "toolUse", "input")) == {"city": "Åre", "days": 2}
    assert joined(3, "toolUse", "input") == ""
    assert found[-2][1]["stopReason"] == "tool_use"
    numbers = found[-1][1]["usage"]
    assert (numbers["inputTokens"], numbers["cacheReadInputTokens"]) == (15, 5)
    assert (numbers["outputTokens"], numbers["totalTokens"]) == (9, 29)
    assert all(payload["p"] for _, payload in found)

    assert (response.text, response.reasoning) == ("Héllo  there,\u2028<you>!\n", "think it over")
    assert [call.arguments for call in response.tool_calls] == [{"city": "Åre", "days": 2}, {}]
    assert response.usage is not None
    assert (response.usage.prompt_tokens, response.usage.cached_tokens) == (20, 5)


@pytest.mark.parametrize(
    ("reason", "written"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "guardrail_intervened"),
        ("refusal", "end_turn"),
        ("own_reason", "own_reason"),
    ],
)
async def test_a_unified_reason_becomes_bedrocks_own(reason: str, written: str) -> None:
    async with Simulator(Script(Text("a"), Finish(reason))) as simulator:
        found = events(await ask(simulator))

    assert found[-2][1]["stopReason"] == written


async def test_usage_is_counted_in_words_or_left_out() -> None:
    async with Simulator(Text("a b")) as simulator:
        numbers = events(await ask(simulator))[-1][1]["usage"]
    assert (numbers["inputTokens"], numbers["outputTokens"]) == (3, 2)

    async with Simulator(Script(Text("a b"), Usage(1, 1, usage_at="never"))) as simulator:
        assert b"usage" not in await ask(simulator)
        assert (await complete(simulator)).complete


async def test_there_is_no_sign_of_life() -> None:
    async with Simulator(Script(KeepAlive(), Text("a"))) as simulator:
        assert [kind for kind, _ in events(await ask(simulator))][:2] == [
            "messageStart",
            "contentBlockDelta",
        ]


@pytest.mark.parametrize(
    ("step", "name", "error"),
    [
        (StreamError("Sorry"), "internalServerException", ProviderError),
        (StreamError("Sorry", status=429), "throttlingException", RateLimitError),
        (StreamError("Sorry", code="validationException"), "validationException", RequestError),
    ],
)
async def test_an_error_is_an_exception_message(step: StreamError, name: str, error: type) -> None:
    async with Simulator(Script(Text("a"), step)) as simulator:
        headers, payload = messages(await ask(simulator))[-1]
        with pytest.raises(error, match="Sorry") as caught:
            await complete(simulator)

    assert headers == {":exception-type": name, ":message-type": "exception"}
    assert payload == {"message": "Sorry"}
    assert caught.value.partial.text == "a"


@pytest.mark.parametrize("ending", [Close(), Cut()])
async def test_an_early_end_is_an_interruption(ending: Close | Cut) -> None:
    async with Simulator(Script(Text("a"), ending)) as simulator:
        with pytest.raises(StreamInterruptedError) as caught:
            await complete(simulator)

    assert caught.value.partial is not None
    assert caught.value.partial.text == "a"


async def test_the_model_is_that_of_the_url() -> None:
    async with Simulator() as simulator:
        assert "You wrote" in (await complete(simulator)).text
        with pytest.raises(NotFoundError, match="identifier is invalid"):
            await complete(simulator, "no/such:model")
        exchange = await simulator.request(1)
    assert exchange.protocol == "bedrock"


async def test_an_http_error_has_amazons_shape() -> None:
    async with Simulator(HttpError(429)) as simulator:
        with pytest.raises(RateLimitError, match="Too many requests") as caught:
            await complete(simulator)

    assert caught.value.request_id == "00000000-0000-4000-8000-000000000001"
