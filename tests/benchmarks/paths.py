"""The ways through which a body is read: the floor, and ours."""

from __future__ import annotations

import aiohttp
from pydantic_core import from_json
from reactivex import operators as rx

from rxwizard import StreamChunk, StreamingClient, WizardConfig


async def floor(url: str, session: aiohttp.ClientSession) -> int:
    """Read as bare as can be: split on blank lines, parse, count."""
    count = 0
    rest = b""
    async with session.post(url, json={}) as response:
        async for data in response.content.iter_any():
            *blocks, rest = (rest + data).split(b"\n\n")
            for block in blocks:
                start = block.find(b"data: ") + 6
                if block[start:] != b"[DONE]":
                    from_json(block[start:])
                count += 1
    return count


async def bare(client: StreamingClient) -> int:
    """Read with ``async for`` and nothing between."""
    count = 0
    async for _ in client.generate_stream("Hello"):
        count += 1
    return count


def _count(total: int, _chunk: StreamChunk) -> int:
    return total + 1


async def five_operators(client: StreamingClient) -> int:
    """Read with ``async for`` through five operators."""
    stream = client.generate_stream("Hello").pipe(
        rx.map(lambda chunk: chunk),
        rx.filter(lambda chunk: chunk is not None),
        rx.do_action(lambda _: None),
        rx.scan(_count, 0),
        rx.take(10_000_000),
    )
    count = 0
    async for total in stream:
        count = total
    return count


def openai_client(url: str, name: str) -> StreamingClient:
    """Make a client that asks for the body `name` in OpenAI's format."""
    config = WizardConfig(model="openai:gpt-4.1", api_key="sk-none", endpoint=f"{url}/{name}")
    return StreamingClient(config)


def anthropic_client(url: str, name: str) -> StreamingClient:
    """Make a client that asks for the body `name` in Anthropic's format."""
    config = WizardConfig(model="anthropic:claude", api_key="sk-none", endpoint=f"{url}/{name}")
    return StreamingClient(config)
