"""Lists by number and by time: what `batched` does between its two ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from rxwizard.demand.boundary import is_left

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from rxwizard.demand.gate import Gate
    from rxwizard.demand.ring import Ring

A = TypeVar("A")


async def lists(
    gate: Gate, ring: Ring[A], count: int, seconds: float
) -> AsyncGenerator[Iterable[list[A]]]:
    """Give lists of `count` items, or of those that came within `seconds` of the list's first.

    Time goes on while the gate is held; a list that is due then is given when it opens.
    """
    now = asyncio.get_running_loop().time
    #: When the first of those that wait arrived.
    since: float | None = None

    def arrived() -> None:
        nonlocal since
        since = now()

    def due(is_time: bool) -> Iterator[list[A]]:
        nonlocal since
        while not gate.holders and (len(ring.queue) >= count or (is_time and ring.queue)):
            taken = ring.take_waiting(count)
            is_time = False
            since = now() if ring.queue else None
            yield taken
        if gate.holders and not ring.queue:
            # It will not be looked at until the gate opens, and its time begins before.
            ring.call_when_ready(arrived)

    while True:
        ring.call_off(arrived)
        if not await is_left(ring):
            return
        if since is None:
            since = now()
        if len(ring.queue) < count:
            await _wait(ring, count, since + seconds)
        yield due(is_time=len(ring.queue) < count)


async def _wait(ring: Ring[A], count: int, until: float) -> None:
    """Wait until `count` items wait, the end has come, or it is time."""
    try:
        async with asyncio.timeout_at(until):
            await ring.wait(count)
    except TimeoutError:
        pass
