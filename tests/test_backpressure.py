"""A slow reader stops the sender, over real HTTP; nothing is lost and nothing grows."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from reactivex import operators as rx
from streaming import ENDLESS, PIECE, client, numbered, places, read_on, read_some, settle

from rxwizard import (
    BufferOverflowError,
    Stream,
    StreamChunk,
    StreamingConfig,
    StreamInterruptedError,
)
from rxwizard.demand import BoundedSubscriber
from rxwizard.testing import Hold, Raw, Repeat, Reset, Script, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_SENT = 512 * 1024


def plain(stream: Stream[StreamChunk]) -> Any:
    return aiter(stream)


def piped(stream: Stream[StreamChunk]) -> Any:
    return aiter(
        stream.pipe(
            rx.filter(lambda chunk: chunk.seq >= 0),
            rx.map(lambda chunk: chunk),
            rx.scan(lambda _, chunk: chunk),
            rx.do_action(lambda _: None),
            rx.take_while(lambda chunk: not chunk.is_final, inclusive=True),
        )
    )


def fluent(stream: Stream[StreamChunk]) -> Any:
    return aiter(stream.filter(lambda _: True).map(lambda chunk: chunk))


def bounded(stream: Stream[StreamChunk]) -> Any:
    return stream.bounded(64)


def subscribed(stream: Stream[StreamChunk]) -> Any:
    reader = BoundedSubscriber[StreamChunk](64)
    stream.subscribe(reader)
    return reader


WAYS = [plain, piped, fluent, bounded, subscribed]


@pytest.mark.parametrize("read", WAYS)
async def test_an_endless_sender_is_stopped_by_a_reader_that_stops(
    read: Callable[[Stream[StreamChunk]], Any],
) -> None:
    async with Simulator(ENDLESS) as simulator:
        reader = read(client(simulator).generate_stream("Hello"))
        await read_some(reader, 5)
        exchange = await simulator.request()
        await exchange.stalled()
        stopped_at = exchange.sent_bytes
        assert stopped_at <= MOST_SENT
        await exchange.stalled(quiet=1000)

        assert exchange.sent_bytes == stopped_at
        assert reader.statistics().waiting == reader.statistics().peak == 64
        reader.cancel()
        await exchange.gone()


@pytest.mark.parametrize("read", WAYS)
async def test_when_the_reader_goes_on_everything_arrives_in_order(
    read: Callable[[Stream[StreamChunk]], Any],
) -> None:
    async with Simulator(Script(numbered(1500))) as simulator:
        reader = read(client(simulator).generate_stream("Hello"))
        chunks = await read_some(reader, 5)
        exchange = await simulator.request()
        await exchange.stalled()
        async for chunk in reader:
            chunks.append(chunk)
            if len(chunks) in (300, 600, 900):
                await exchange.stalled()  # and asleep again

        assert places(chunks) == list(range(1500))
        assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
        assert chunks[-1].is_final
        assert reader.statistics().peak == 64
        assert exchange.finished


async def test_several_streams_are_each_stopped_by_their_own_reader() -> None:
    async with Simulator(Script(numbered(1000))) as simulator, client(simulator) as one_client:
        readers = [aiter(one_client.generate_stream(f"{n}")) for n in range(8)]
        for reader in readers:
            await read_some(reader, 5)
        for n in range(8):
            await (await simulator.request(n)).stalled()
        assert all(exchange.sent_bytes <= MOST_SENT for exchange in simulator.requests)

        async for _ in readers[3]:
            pass
        assert sorted(exchange.finished for exchange in simulator.requests) == [False] * 7 + [True]
        for reader in readers:
            await reader.aclose()


async def test_a_buffer_size_of_one_works() -> None:
    async with Simulator(Script(numbered(300))) as simulator:
        stream = client(simulator, StreamingConfig(1)).generate_stream("Hello")
        reader = aiter(stream)
        chunks = [chunk async for chunk in reader]

        assert places(chunks) == list(range(300))
        assert reader.statistics().peak == 1


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not say")
async def test_the_process_does_not_grow() -> None:
    # 4 KiB of wire for each character of text: what is kept of an answer is its text.
    event = {"choices": [{"index": 0, "delta": {"content": "x"}}], "padding": "y" * 4096}
    wire = Raw(f"data: {json.dumps(event)}\n\n".encode(), content_type="text/event-stream")
    async with Simulator(Script(Repeat((wire,)))) as simulator:
        reader = aiter(client(simulator).generate_stream("Hello"))
        await read_some(reader, 500)
        before = resident()
        for _ in range(20):
            await read_some(reader, 200)
            await simulator.requests[0].stalled()
        grown = resident() - before

        assert simulator.requests[0].sent_bytes > 4000 * 4096
        assert grown < 2 * 2**20
        reader.cancel()


def resident() -> int:
    """Bytes of memory this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_without_backpressure_the_network_is_read_on() -> None:
    count = 2 * MOST_SENT // PIECE
    async with Simulator(Script(numbered(count))) as simulator:
        streaming = StreamingConfig().with_backpressure(False)
        reader = aiter(client(simulator, streaming).generate_stream("Hello"))
        chunks = await read_some(reader, 5)
        async with asyncio.timeout(30):
            await (await simulator.request()).answered()
        await settle()
        assert reader.statistics().waiting + len(chunks) >= count
        chunks += [chunk async for chunk in reader]

        assert places(chunks) == list(range(count))
        assert reader.statistics().pauses == 0


async def test_without_backpressure_there_is_still_a_bound() -> None:
    async with Simulator(ENDLESS) as simulator:
        streaming = StreamingConfig(max_ahead=100_000).with_backpressure(False)
        reader = aiter(client(simulator, streaming).generate_stream("Hello"))
        await (await simulator.request()).gone()
        chunks: list[StreamChunk] = []
        with pytest.raises(BufferOverflowError, match="100,000"):
            await read_on(reader, chunks)

        # 1 KiB a chunk and four bytes a character
        assert len([chunk for chunk in chunks if chunk.text]) == 100_000 // (1024 + 4 * PIECE)


@pytest.mark.parametrize(("count", "at_least"), [(50, 50), (500, 60)])
async def test_a_reset_while_the_reader_is_slow_loses_nothing_that_had_arrived(
    count: int, at_least: int
) -> None:
    async with Simulator(Script(numbered(count, size=100), Hold(), Reset())) as simulator:
        streaming = StreamingConfig(8, read_bufsize=16 * 1024)
        stream = client(simulator, streaming).generate_stream("Hello")
        reader = aiter(stream)
        chunks = await read_some(reader, 3)
        exchange = await simulator.request()
        await exchange.held()
        await settle()
        exchange.release()
        await exchange.answered()
        await settle()
        with pytest.raises(StreamInterruptedError) as caught:
            await read_on(reader, chunks)

        # The kernel drops what it holds of a connection that is reset; what the process had taken
        # over by then, some 32 KiB in events of 0.4, is all there.
        assert places(chunks) == list(range(len(places(chunks))))
        assert len(places(chunks)) >= at_least
        assert caught.value.partial is not None
        assert caught.value.partial.text == "".join(chunk.text for chunk in chunks)
        assert not caught.value.partial.complete
