"""Streams over real HTTP, for the tests beside this file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rxwizard import RetryConfig, StreamingClient, StreamingConfig, WizardConfig
from rxwizard.testing import Repeat, Script, Simulator, Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rxwizard import BoundedSubscriber, StreamChunk

#: Bytes of one numbered piece: with its event it is a little over 1 KiB of wire.
PIECE = 1000

ENDLESS = Script(Repeat((Text("x" * PIECE, pieces=1),)))


def config(simulator: Simulator, **settings: Any) -> WizardConfig:
    return WizardConfig(
        **{
            "model": "openai:gpt-test",
            "api_key": "test-key",
            "endpoint": simulator.endpoint("openai"),
            "retry": RetryConfig(retries=0),
            **settings,
        }
    )


def client(
    simulator: Simulator, streaming: StreamingConfig | None = None, **settings: Any
) -> StreamingClient:
    return StreamingClient(config(simulator, **settings), streaming=streaming)


def numbered(count: int, size: int = PIECE) -> Text:
    """Text whose pieces tell their place."""
    pieces = tuple(f"{number:06d}".ljust(size, ".") for number in range(count))
    return Text("".join(pieces), pieces=pieces)


def places(chunks: list[StreamChunk]) -> list[int]:
    """The places of the numbered pieces among the chunks."""
    return [int(chunk.text[:6]) for chunk in chunks if chunk.text]


async def settle(turns: int = 50) -> None:
    """Let what is ready run. A turn of the loop polls all sockets, so on loopback a message from
    one task to another through a socket takes a handful of them."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let what is ready run until something is true; an error where it does not become true."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def read_some(reader: BoundedSubscriber[Any], count: int) -> list[Any]:
    return [await anext(reader) for _ in range(count)]


async def read_on(reader: AsyncIterator[StreamChunk], chunks: list[StreamChunk]) -> None:
    """Read to the end, or to an error; `chunks` has what came before it."""
    async for chunk in reader:
        chunks.append(chunk)  # noqa: PERF401
