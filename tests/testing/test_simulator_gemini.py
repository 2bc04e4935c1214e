"""Gemini as a client on a real socket reads it, with a parser that knows nothing of ours."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from rxwizard.testing import (
    SCENARIOS,
    Close,
    Cut,
    Finish,
    HttpError,
    KeepAlive,
    Reasoning,
    Repeat,
    Script,
    Simulator,
    StreamError,
    Text,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONVERSATION = Script(
    Reasoning("think it over"),
    Text("Héllo  there,\u2028<you>!\n"),
    ToolCall("weather", {"city": "Åre", "days": 2}, id="call_1"),
    ToolCall("now", ""),
    usage=Usage(20, 9, cached_tokens=5, reasoning_tokens=4),
)


def events(body: bytes) -> list[dict[str, Any]]:
    """Give the events of a whole stream: one line of data each, CRLF, and nothing at the end."""
    assert body.endswith(b"\r\n\r\n")
    blocks = body.decode().removesuffix("\r\n\r\n").split("\r\n\r\n")
    return [json.loads(block.removeprefix("data: ")) for block in blocks if block[0] != ":"]


def parts(body: bytes) -> list[dict[str, Any]]:
    return [part for e in events(body) for part in e["candidates"][0]["content"]["parts"]]


@asynccontextmanager
async def asking(
    simulator: Simulator, model: str = "default", prompt: str = "Say hi", **headers: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    url = f"{simulator.endpoint('gemini')}/models/{model}:streamGenerateContent?alt=sse"
    body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]} if prompt else {}
    async with (
        aiohttp.ClientSession(read_bufsize=2**14) as session,
        session.post(url, json=body, headers=headers) as response,
    ):
        yield response


async def ask(simulator: Simulator, model: str = "default", prompt: str = "Say hi") -> bytes:
    async with asking(simulator, model, prompt) as response:
        return await response.read()


async def test_it_says_a_whole_conversation() -> None:
    async with Simulator(CONVERSATION) as simulator, asking(simulator) as reply:
        body = await reply.read()

        assert reply.headers["content-type"] == "text/event-stream"
        assert simulator.endpoint("gemini") == f"{simulator.url}/v1beta"
    said = parts(body)
    assert "".join(p["text"] for p in said if p.get("thought")) == "think it over"
    texts = [p["text"] for p in said if "text" in p and "thought" not in p]
    assert "".join(texts) == "Héllo  there,\u2028<you>!\n"
    calls = [p["functionCall"] for p in said if "functionCall" in p]
    assert calls == [
        {"id": "call_1", "name": "weather", "args": {"city": "Åre", "days": 2}},
        {"name": "now", "args": {}},
    ]
    reasons = [e["candidates"][0].get("finishReason") for e in events(body)]
    assert {*reasons[:-1]} == {None}
    assert reasons[-1] == "STOP"
    assert {e["modelVersion"] for e in events(body)} == {"default"}
    assert {e["responseId"] for e in events(body)} == {"simulated0001"}


async def test_thoughts_are_counted_apart_and_the_total_holds() -> None:
    async with Simulator(CONVERSATION) as simulator:
        told = [e["usageMetadata"] for e in events(await ask(simulator))]

    assert told[-1] == {
        "promptTokenCount": 20,
        "candidatesTokenCount": 5,
        "totalTokenCount": 29,
        "cachedContentTokenCount": 5,
        "thoughtsTokenCount": 4,
    }


async def test_usage_grows_with_every_event_and_counts_words() -> None:
    async with Simulator(Repeat((Text("a b "),), times=3)) as simulator:
        told = [e["usageMetadata"] for e in events(await ask(simulator, prompt="one two three"))]

    counts = [usage["candidatesTokenCount"] for usage in told]
    assert counts == sorted(counts)
    assert (told[-1]["promptTokenCount"], counts[-1]) == (3, 6)


async def test_never_leaves_the_numbers_out() -> None:
    async with Simulator(Script(Text("a"), Usage(1, 1, usage_at="never"))) as simulator:
        assert b"Count" not in await ask(simulator)


@pytest.mark.parametrize(
    ("reason", "raw"),
    [
        ("stop", "STOP"),
        ("length", "MAX_TOKENS"),
        ("tool_calls", "STOP"),
        ("content_filter", "SAFETY"),
        ("RECITATION", "RECITATION"),
    ],
)
async def test_a_unified_reason_becomes_its_own(reason: str, raw: str) -> None:
    async with Simulator(Script(Text("a"), Finish(reason))) as simulator:
        last = events(await ask(simulator))[-1]["candidates"][0]

    assert last["finishReason"] == raw
    assert last["content"]["parts"] == [{"text": ""}]


async def test_a_keep_alive_is_a_comment() -> None:
    async with Simulator(Script(KeepAlive("PROCESSING"), Text("a"))) as simulator:
        assert (await ask(simulator)).startswith(b": PROCESSING\r\n\r\ndata: ")


async def test_arguments_that_are_no_json_are_sent_as_they_are() -> None:
    async with Simulator(ToolCall("now", '{"zo')) as simulator:
        assert parts(await ask(simulator))[0]["functionCall"]["args"] == '{"zo'


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StreamError("Sorry"), (500, "INTERNAL")),
        (StreamError("Sorry", type="overloaded_error"), (503, "UNAVAILABLE")),
        (StreamError("Sorry", status=499), (499, "CANCELLED")),
    ],
)
async def test_an_error_in_mid_stream_is_a_bare_document(
    error: StreamError, status: tuple[int, str]
) -> None:
    async with Simulator(Script(Text("a"), error)) as simulator:
        body = await ask(simulator)

    *before, document = body.partition(b"\r\n\r\n{\n")
    assert before[0].startswith(b"data: ")
    code, name = status
    assert json.loads(b"{" + document) == {
        "error": {"code": code, "message": "Sorry", "status": name}
    }


async def test_close_and_cut_end_the_body_too_early() -> None:
    async with Simulator(Script(Text("a"), Close())) as simulator:
        assert b"finishReason" not in await ask(simulator)
    async with Simulator(Script(Text("a"), Cut())) as simulator:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(simulator)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500, 503, 529])
async def test_an_http_error_has_googles_body(status: int) -> None:
    async with Simulator(HttpError(status)) as simulator, asking(simulator) as reply:
        error = (await reply.json())["error"]

        assert reply.status == error["code"] == status
    assert {*error} == {"code", "message", "status"} | ({"details"} if status == 429 else set())
    if status == 429:
        assert error["details"][0]["retryDelay"] == "1s"


async def test_the_model_is_that_of_the_path() -> None:
    async with Simulator() as simulator:
        async with asking(simulator, "gemini-x") as reply:
            assert reply.status == 404
            error = (await reply.json())["error"]
            assert error["message"].startswith("models/gemini-x is not found for API version")
            assert error["status"] == "NOT_FOUND"
        assert "“Say hi”" in "".join(part["text"] for part in parts(await ask(simulator)))


async def test_contents_are_asked_for() -> None:
    async with Simulator() as simulator, asking(simulator, prompt="") as reply:
        assert reply.status == 400
        assert "contents" in await reply.text()


@pytest.mark.parametrize("headers", [{"x-goog-api-key": "K"}, {"Authorization": "Bearer K"}])
async def test_a_key_is_asked_for(headers: dict[str, str]) -> None:
    async with Simulator(Text("hi"), api_key="K") as simulator:
        async with asking(simulator) as reply:
            assert reply.status == 401
            assert (await reply.json())["error"]["status"] == "UNAUTHENTICATED"
        async with asking(simulator, **headers) as reply:
            assert reply.status == 200


@pytest.mark.parametrize(
    "name", sorted({*SCENARIOS} - {"endless", "slow", "cut", "reset", "flaky"})
)
async def test_every_scenario_plays(name: str) -> None:
    statuses = {"unauthorized": 401, "rate-limited": 429, "overloaded": 529}
    async with Simulator() as simulator, asking(simulator, name) as reply:
        await reply.read()

        assert reply.status == statuses.get(name, 200)
