"""One request for many readers, over real HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from streaming import ENDLESS, client, numbered, places, read_on, read_some, settle, until

from rxwizard import BufferOverflowError, Stream, StreamInterruptedError
from rxwizard import operators as ops
from rxwizard.testing import Cut, Hold, Script, Simulator, Text

if TYPE_CHECKING:
    from rxwizard import BoundedSubscriber


async def read_all(reader: BoundedSubscriber[Any]) -> list[Any]:
    chunks: list[Any] = []
    async with asyncio.timeout(30):
        await read_on(reader, chunks)
    return chunks


async def test_one_request_answers_all_readers() -> None:
    async with Simulator(Script(numbered(300))) as simulator, client(simulator) as one_client:
        shared = one_client.generate_stream("Hello").share()
        assert isinstance(shared, Stream)
        readers = [shared.bounded() for _ in range(3)]
        text = shared.pipe(ops.text()).bounded()
        *answers, pieces = await asyncio.gather(*map(read_all, [*readers, text]))

        assert [places(chunks) for chunks in answers] == [list(range(300))] * 3
        assert answers[0] == answers[1] == answers[2]
        assert "".join(pieces) == "".join(chunk.text for chunk in answers[0])
        assert len(simulator.requests) == 1
        assert simulator.requests[0].finished


async def test_the_operator_does_the_same() -> None:
    async with Simulator(Script(numbered(100))) as simulator, client(simulator) as one_client:
        shared = one_client.generate_stream("Hello").pipe(ops.share(replay="all"))
        first = shared.bounded()
        await read_some(first, 50)
        answers = await asyncio.gather(read_all(first), read_all(shared.bounded()))

        assert places(answers[1]) == list(range(100))
        assert answers[1][50:] == answers[0]
        assert len(simulator.requests) == 1


async def test_the_slowest_reader_stops_the_sender() -> None:
    async with Simulator(Script(numbered(1500))) as simulator, client(simulator) as one_client:
        shared = one_client.generate_stream("Hello").share()
        slow, quick = shared.bounded(), shared.bounded()
        reading = asyncio.ensure_future(read_all(quick))
        exchange = await simulator.request()
        await exchange.stalled()
        assert quick.statistics().delivered == slow.statistics().waiting == 64

        assert places(await read_all(slow)) == places(await reading) == list(range(1500))
        assert slow.statistics().peak == 64
        assert quick.statistics().peak <= 64


async def test_a_display_that_merges_stops_nobody() -> None:
    async with Simulator(Script(numbered(300, 100))) as simulator, client(simulator) as one_client:
        shared = one_client.generate_stream("Hello").share()
        display, log = shared.bounded(1, "coalesce"), shared.bounded()
        reading = asyncio.ensure_future(read_all(log))
        shown = [await anext(display), await anext(display)]
        await until(lambda: log.statistics().delivered > 300)  # while nothing is shown
        shown += await read_all(display)

        assert places(await reading) == list(range(300))
        assert "".join(chunk.text for chunk in shown) == "".join(c.text for c in reading.result())
        assert len(shown) < 10


async def test_the_last_to_leave_closes_the_connection_and_the_next_one_asks_anew() -> None:
    async with Simulator(ENDLESS) as simulator, client(simulator) as one_client:
        shared = one_client.generate_stream("Hello").share()
        first, second = shared.bounded(), shared.bounded()
        await read_some(first, 5)
        await read_some(second, 5)
        exchange = await simulator.request()
        await first.aclose()
        await settle()
        assert exchange.gone_at is None
        await second.aclose()
        async with asyncio.timeout(10):
            await exchange.gone()

        async with shared.open() as third:
            await read_some(third, 5)
            assert len(simulator.requests) == 2
        async with asyncio.timeout(10):
            await simulator.requests[1].gone()


async def test_leaving_loops_is_leaving() -> None:
    async with Simulator(ENDLESS) as simulator, client(simulator) as one_client:
        shared = one_client.generate_stream("Hello").share()

        async def read_a_bit(count: int) -> None:
            async for chunk in shared:
                if chunk.seq == count:
                    break

        async with asyncio.timeout(10):
            await asyncio.gather(*(read_a_bit(count) for count in (5, 50, 200)))
            await (await simulator.request()).gone()
        assert len(simulator.requests) == 1


async def test_who_joins_late_gets_what_was_kept() -> None:
    script = Script(Text("Hello ", pieces=1), Hold(), Text("there.", pieces=1))
    async with Simulator(script) as simulator, client(simulator) as one_client:
        shared = one_client.generate_stream("Hello").share(replay="all")
        first = shared.pipe(ops.text()).bounded()
        assert await anext(first) == "Hello "
        late = shared.pipe(ops.text()).bounded()
        assert await anext(late) == "Hello "
        (await simulator.request()).release()

        assert await anext(late) == await anext(first) == "there."
        after = [text async for text in shared.pipe(ops.text())]
        assert after == ["Hello ", "there."]
        assert len(simulator.requests) == 1


async def test_what_breaks_breaks_for_all_with_what_had_arrived() -> None:
    script = Script(Text("Hello there.", pieces=3), Cut())
    async with Simulator(script) as simulator, client(simulator) as one_client:
        shared = one_client.generate_stream("Hello").share()
        readers: list[Any] = [shared.bounded() for _ in range(2)]
        for reader in readers:
            with pytest.raises(StreamInterruptedError) as caught:
                await read_all(reader)
            assert caught.value.partial is not None
            assert caught.value.partial.text == "Hello there."


async def test_an_error_of_one_reader_has_what_had_arrived_for_all() -> None:
    async with Simulator(Script(numbered(100))) as simulator, client(simulator) as one_client:
        shared = one_client.generate_stream("Hello").share()
        strict = shared.bounded(4, "error")
        chunks = await read_all(shared.bounded())
        with pytest.raises(BufferOverflowError) as caught:
            await read_all(strict)

        assert places(chunks) == list(range(100))
        assert caught.value.partial is not None
        assert caught.value.partial.text.startswith("000000")
