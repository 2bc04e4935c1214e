"""An answer that comes at known moments of virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rxwizard import from_async_iterable
from rxwizard.chunks import ChunkSource, StreamChunk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rxwizard import Stream


def chunks(*steps: tuple[float, dict[str, Any]], requested_at: float | None = 0.0) -> list[Any]:
    """Chunks as they were read at so many seconds of the clock."""
    source = ChunkSource(provider="openai", model="gpt-test", requested_at=requested_at)
    return [
        StreamChunk(seq=number, at=at, source=source, **fields)
        for number, (at, fields) in enumerate(steps)
    ]


def timed(
    *steps: tuple[float, Any], error: Exception | None = None, fails_at: float = 0.0
) -> Stream[Any]:
    """A stream that can be paused, of items at so many seconds from its subscription on."""

    async def give() -> AsyncGenerator[Any]:
        now = asyncio.get_running_loop().time
        began = now()
        for at, item in steps:
            await asyncio.sleep(max(began + at - now(), 0))
            yield item
        if error is not None:
            await asyncio.sleep(max(began + fails_at - now(), 0))
            raise error

    return from_async_iterable(give())
