"""What a paused stream holds of memory, measured in a process of its own."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

from rxwizard import BoundedSubscriber, StreamChunk, StreamingClient
from tests.benchmarks.paths import openai_client
from tests.benchmarks.server import serving
from tests.benchmarks.wires import openai_body


def resident() -> int:
    """Give the resident memory of this process, in bytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def per_paused_stream(streams: int = 100) -> float:
    """Measure the bytes a stream holds whose reader has taken one chunk and sleeps."""
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    # 3 MB are far more than all buffers on the way can take. Event by event, as providers send.
    with serving({"long": openai_body(10_000)}, {"long": float("inf")}) as url:
        process = spawn.Process(target=_pause_many, args=(theirs, url, streams))
        process.start()
        theirs.close()  # so that a child that dies is an EOFError and not a wait for ever
        try:
            held = mine.recv()
        finally:
            process.join()
            mine.close()
    return float(held) / streams


def _pause_many(pipe: Connection, url: str, streams: int) -> None:
    pipe.send(asyncio.run(_pause(url, streams)))


async def _pause(url: str, streams: int) -> int:
    async with openai_client(url, "long") as client:
        # The first streams pay for what is loaded and allocated once.
        readers = await _paused(client, 20)
        gc.collect()
        before = resident()
        readers += await _paused(client, streams)
        gc.collect()
        held = resident() - before
        for reader in readers:
            await reader.aclose()
        return held


async def _paused(client: StreamingClient, streams: int) -> list[BoundedSubscriber[StreamChunk]]:
    readers = [client.generate_stream("Hello").bounded() for _ in range(streams)]
    for reader in readers:
        await anext(reader)
    # Turns of the loop until all are full, and some more until the transports have stopped, too.
    while not all(reader.statistics().pauses for reader in readers):
        await _turns(10)
    await _turns(200)
    return readers


def grown_while_asleep() -> int:
    """Measure the bytes a process grows by while 100 MB are sent to a reader that mostly sleeps."""
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    with serving({"endless": _repeated(openai_body(3_000), 100_000_000)}) as url:
        process = spawn.Process(target=_sleep_alone, args=(theirs, url))
        process.start()
        theirs.close()
        try:
            return int(mine.recv())
        finally:
            process.join()
            mine.close()


def _repeated(body: bytes, size: int) -> bytes:
    """Repeat the text events in the middle of a body until it has so many bytes."""
    events = body.split(b"\n\n")
    middle = b"\n\n".join(events[1:-5]) + b"\n\n"
    head, tail = events[0] + b"\n\n", b"\n\n".join(events[-5:])
    return head + middle * (size // len(middle) + 1) + tail


def _sleep_alone(pipe: Connection, url: str) -> None:
    pipe.send(asyncio.run(_sleep(url)))


async def _sleep(url: str) -> int:
    async with (
        openai_client(url, "endless") as client,
        client.generate_stream("Hello").open() as reader,
    ):
        await _read(reader, 500)  # what is loaded and allocated once
        await _turns(500)
        gc.collect()
        before = most = resident()
        # It sleeps as long as the sender could fill the memory, and wakes for a little.
        for _ in range(100):
            await _turns(500)
            await _read(reader, 40)
            most = max(most, resident())
        assert reader.statistics().pauses >= 50
        return most - before


async def _read(reader: BoundedSubscriber[StreamChunk], count: int) -> None:
    for _ in range(count):
        await anext(reader)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
