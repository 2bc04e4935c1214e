"""Parsers of the three framings that share nothing with rxwizard: what the tests believe in."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rxwizard.testing import Simulator

PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "ollama": "/api/chat",
    "responses": "/v1/responses",
    "cohere": "/v2/chat",
}
PROTOCOLS = list(PATHS)


def blocks(body: bytes) -> list[dict[str, str]]:
    """Split an event stream that ends lines with LF into its blocks; `:` holds a comment."""
    assert body.endswith(b"\n\n")
    parsed = []
    for block in body.decode().removesuffix("\n\n").split("\n\n"):
        lines = [line.partition(":") for line in block.split("\n")]
        parsed.append({field or ":": value.removeprefix(" ") for field, _, value in lines})
    return parsed


def openai_chunks(body: bytes) -> list[dict[str, Any]]:
    """Give the chunks of a complete stream, which says `[DONE]` at its end."""
    data = [block["data"] for block in blocks(body) if "data" in block]
    assert data[-1] == "[DONE]"
    return [json.loads(item) for item in data[:-1]]


def anthropic_events(body: bytes) -> list[dict[str, Any]]:
    """Give the events, whose name is their type."""
    events = [(block["event"], json.loads(block["data"])) for block in blocks(body)]
    assert all(name == event["type"] for name, event in events)
    return [event for _, event in events]


def responses_events(body: bytes) -> list[dict[str, Any]]:
    """Give the events, whose name is their type and which are numbered from 0."""
    events = anthropic_events(body)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def cohere_events(body: bytes) -> list[dict[str, Any]]:
    """Give the events, whose name is their type; `[DONE]` follows them without a name."""
    assert body.endswith(b"}\n\ndata: [DONE]\n\n")
    return anthropic_events(body.removesuffix(b"data: [DONE]\n\n"))


def ollama_lines(body: bytes) -> list[dict[str, Any]]:
    """Give the objects, one a line; blank lines are left out."""
    assert body.endswith(b"\n")
    return [json.loads(line) for line in body.split(b"\n") if line]


def request_body(prompt: str = "Say hi", model: str = "default", **more: Any) -> dict[str, Any]:
    """Give a body that every protocol accepts."""
    messages = [{"role": "user", "content": prompt}]
    said = {"messages": messages, "input": prompt}
    return {"model": model, "max_tokens": 9, "stream": True, **said, **more}


@asynccontextmanager
async def asking(
    simulator: Simulator, protocol: str, body: dict[str, Any] | None = None, **headers: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send one request, on a connection of its own."""
    chosen = {"anthropic-version": "2023-06-01", **headers}
    async with (
        aiohttp.ClientSession(read_bufsize=2**14) as session,
        session.post(
            simulator.url + PATHS[protocol], json=body or request_body(), headers=chosen
        ) as response,
    ):
        yield response


async def ask(
    simulator: Simulator, protocol: str, body: dict[str, Any] | None = None, **headers: str
) -> bytes:
    """Send one request and give the body of the answer."""
    async with asking(simulator, protocol, body, **headers) as response:
        return await response.read()
