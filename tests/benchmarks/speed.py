"""What is measured of speed; `test_speed.py` asserts it and `make bench` prints it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import aiohttp

from tests.benchmarks.measure import Way, cpu_per_event
from tests.benchmarks.paths import anthropic_client, bare, five_operators, floor, openai_client
from tests.benchmarks.peers import peers
from tests.benchmarks.server import serving
from tests.benchmarks.wires import anthropic_body, openai_body, tool_body

#: Paced streams at once, events a second of each, and events of each.
STREAMS, PACE, EVENTS = 200, 50, 100


@dataclass(frozen=True, slots=True)
class WholePath:
    """CPU time of the ways through the whole path, in µs a chunk."""

    times: dict[str, float]

    @property
    def floors(self) -> float:
        """Our OpenAI path with five operators, in floors."""
        return self.times["openai, five operators"] / self.times["openai, floor"]

    def above_floor(self, body: str) -> float:
        """Our path above the body's own floor, in OpenAI floors."""
        above = self.times[f"{body}, five operators"] - self.times[f"{body}, floor"]
        return above / self.times["openai, floor"]


async def whole_path(chunks: int, rounds: int, *, with_peers: bool = False) -> WholePath:
    """Measure socket, decoding, chunks, five operators, bounded subscriber, ``async for``."""
    bodies = {"openai": openai_body(chunks), "anthropic": anthropic_body(chunks)}
    with serving(bodies) as url:
        async with (
            aiohttp.ClientSession() as session,
            openai_client(url, "openai") as openai,
            anthropic_client(url, "anthropic") as anthropic,
        ):
            ways: dict[str, Way] = {
                "openai, floor": partial(floor, f"{url}/openai", session),
                "openai, bare": partial(bare, openai),
                "openai, five operators": partial(five_operators, openai),
                "anthropic, floor": partial(floor, f"{url}/anthropic", session),
                "anthropic, bare": partial(bare, anthropic),
                "anthropic, five operators": partial(five_operators, anthropic),
            }
            if with_peers:
                ways |= peers(url)
            return WholePath(await cpu_per_event(ways, rounds))


async def by_length(lengths: tuple[int, ...], rounds: int) -> dict[int, float]:
    """Measure the CPU time of answers of these numbers of chunks, in µs a chunk."""
    with serving({f"n{length}": openai_body(length) for length in lengths}) as url:
        ways: dict[str, Way] = {
            str(length): partial(five_operators, openai_client(url, f"n{length}"))
            for length in lengths
        }
        times = await cpu_per_event(ways, rounds)
    return {length: times[str(length)] for length in lengths}


async def tool_arguments(sizes: tuple[int, ...], rounds: int) -> dict[int, float]:
    """Measure the CPU time of assembling one tool call of these sizes, in µs a fragment."""
    with serving({f"t{size}": tool_body(size) for size in sizes}) as url:

        async def complete(size: int) -> int:
            response = await openai_client(url, f"t{size}").generate_complete("Hello")
            (call,) = response.tool_calls
            assert len(call.arguments["text"]) == size
            return size // 16

        ways: dict[str, Way] = {str(size): partial(complete, size) for size in sizes}
        times = await cpu_per_event(ways, rounds)
    return {size: times[str(size)] for size in sizes}


async def paced(rounds: int) -> dict[str, float]:
    """Measure many slow streams at once, in µs of CPU an event. To be run under uvloop.

    With one event a read, wake-ups are what counts, and ours has two: the socket wakes the pump,
    the pump wakes the reader. A lower figure takes one of them away: where a stream has a single
    reader, that reader's own task would read the socket and push through the operators until an
    item comes out. It would have to carry the pump's context for the operators it runs.
    """
    with serving({"paced": openai_body(EVENTS)}, {"paced": PACE}) as url:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
            openai_client(url, "paced") as client,
        ):

            async def all_at_once(way: Way) -> int:
                return sum(await asyncio.gather(*(way() for _ in range(STREAMS))))

            ways: dict[str, Way] = {
                "raw loop": partial(all_at_once, partial(floor, f"{url}/paced", session)),
                "bare": partial(all_at_once, partial(bare, client)),
                "five operators": partial(all_at_once, partial(five_operators, client)),
            }
            return await cpu_per_event(ways, rounds)
