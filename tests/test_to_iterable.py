"""Streams read by plain synchronous code, over real HTTP.

The simulator runs in the test's own loop, and the synchronous code in a thread beside it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from reactivex import operators as rx
from streaming import ENDLESS, client, numbered, places, until

from rxwizard import ConfigError, StreamChunk, StreamInterruptedError
from rxwizard import operators as ops
from rxwizard.testing import Reset, Script, Simulator

T = TypeVar("T")

#: What a sender can be ahead of a reader that sleeps: its sockets' buffers and ours.
MOST_SENT = 512 * 1024


def streams_left() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "rxwizard stream"]


async def no_stream_is_left() -> None:
    for thread in streams_left():
        await asyncio.to_thread(thread.join, 10)
    assert not streams_left()


async def test_a_loop_gets_what_async_for_gets() -> None:
    async with Simulator(Script(numbered(300))) as simulator:
        stream = client(simulator).generate_stream("Hello")
        chunks = await asyncio.to_thread(lambda: list(stream.to_iterable()))

        assert places(chunks) == list(range(300))
        assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
        assert chunks[-1].is_final
        assert chunks[-1].complete
        assert (await simulator.request()).finished
    assert not streams_left()


async def test_it_can_be_composed_and_bounded_before() -> None:
    async with Simulator(Script(numbered(300))) as simulator:
        text = client(simulator).generate_stream("Hello").pipe(ops.text(), rx.map(len))
        sizes = await asyncio.to_thread(lambda: list(text.to_iterable(2, low=0)))

    assert sizes == [1000] * 300


@pytest.mark.parametrize("way", ["break", "error", "close", "with", "drop", "generator"])
async def test_leaving_closes_the_connection(way: str) -> None:
    def leave() -> None:
        items = stream.to_iterable()
        if way == "break":
            for chunk in items:
                if chunk.text:
                    break
        elif way == "error":
            with pytest.raises(KeyError):
                raise_inside(items)
        elif way == "close":
            next(items)
            items.close()
            assert not streams_left()
        elif way == "with":
            with items:
                next(items)
            assert not streams_left()
        elif way == "drop":
            next(items)
        else:
            texts = (chunk.text for chunk in items)
            next(texts)

    def raise_inside(items: Iterator[StreamChunk]) -> None:
        for chunk in items:
            raise KeyError(chunk.seq)

    async with Simulator(ENDLESS) as simulator:
        stream = client(simulator).generate_stream("Hello")
        await asyncio.to_thread(leave)
        await (await simulator.request()).gone()
        await no_stream_is_left()


async def test_an_error_is_raised_with_the_partial_after_what_had_arrived() -> None:
    def read() -> None:
        chunks.extend(stream.to_iterable())

    chunks: list[StreamChunk] = []
    async with Simulator(Script(numbered(5), Reset())) as simulator:
        stream = client(simulator).generate_stream("Hello")
        with pytest.raises(StreamInterruptedError) as caught:
            await asyncio.to_thread(read)

    assert places(chunks) == list(range(5))
    assert caught.value.partial is not None
    assert caught.value.partial.text == "".join(chunk.text for chunk in chunks)
    assert not streams_left()


async def test_a_slow_body_stops_the_sender_and_gets_everything_in_order() -> None:
    asleep, goes_on = threading.Event(), threading.Event()

    def read() -> list[int]:
        items = stream.to_iterable()
        rings.append(items._ring)
        chunks = [next(items) for _ in range(5)]
        asleep.set()
        assert goes_on.wait(30)
        chunks.extend(items)
        return places(chunks)

    rings: list[Any] = []
    async with Simulator(Script(numbered(1500))) as simulator:
        stream = client(simulator).generate_stream("Hello")
        reading = asyncio.ensure_future(asyncio.to_thread(read))
        await asyncio.to_thread(asleep.wait, 30)
        exchange = await simulator.request()
        await until(lambda: rings[0].group.holding)
        await exchange.stalled(quiet=1000)
        assert exchange.sent_bytes <= MOST_SENT

        goes_on.set()
        assert await reading == list(range(1500))
    assert rings[0].statistics().peak == 64


async def test_coalesce_gives_a_slow_body_everything_in_few_pieces() -> None:
    async with Simulator(Script(numbered(300, size=20))) as simulator:
        text = client(simulator).generate_stream("Hello").pipe(ops.text())

        def read() -> list[str]:
            with text.to_iterable(1, "coalesce") as items:
                while not items._ring.ended:  # a body that is slow
                    threading.Event().wait(0)
                return list(items)

        pieces = await asyncio.to_thread(read)
    assert len(pieces) == 1
    assert "".join(pieces) == numbered(300, size=20).text


async def test_two_at_once() -> None:
    async with Simulator(Script(numbered(200))) as simulator:
        one_client = client(simulator)

        def read() -> list[tuple[int, int]]:
            first, second = (one_client.generate_stream(name).to_iterable() for name in "ab")
            return [(a.seq, b.seq) for a, b in zip(first, second, strict=True)]

        pairs = await asyncio.to_thread(read)
        assert len(simulator.requests) == 2
    assert pairs == [(n, n) for n in range(len(pairs))]
    assert len(pairs) > 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"capacity": 0}, "capacity of 0"),
        ({"capacity": -3}, "capacity of -3"),
        ({"overflow": "bounce"}, "no overflow policy 'bounce'"),
        ({"low": 64}, "low mark of 64"),
    ],
)
async def test_options_that_cannot_work_ask_nobody(options: dict[str, Any], words: str) -> None:
    async with Simulator(ENDLESS) as simulator:
        stream = client(simulator).generate_stream("Hello")
        with pytest.raises(ConfigError, match=words):
            await asyncio.to_thread(lambda: stream.to_iterable(**options))

        assert not streams_left()
        assert simulator.requests == []


async def test_where_a_loop_runs_it_says_what_to_use_instead() -> None:
    async with Simulator(ENDLESS) as simulator:
        with pytest.raises(RuntimeError, match="use `async for`"):
            client(simulator).generate_stream("Hello").to_iterable()

        assert simulator.requests == []


async def test_a_client_that_is_entered_elsewhere_says_so() -> None:
    async with Simulator(ENDLESS) as simulator, client(simulator) as one_client:
        stream = one_client.generate_stream("Hello")
        with pytest.raises(RuntimeError, match=r"entered .* in another event loop"):
            await asyncio.to_thread(lambda: list(stream.to_iterable()))

        assert not streams_left()


#: Ends with streams that nobody has closed: one that is kept, one that another thread waits for,
#: and one that was left in the last line.
PROGRAM = """
import threading
from rxwizard import StreamingClient, WizardConfig

def ask():
    config = WizardConfig("openai:gpt-test", api_key="key", endpoint={endpoint!r})
    return StreamingClient(config).generate_stream("Hello").to_iterable()

kept = ask()
next(kept)
read = threading.Event()

def wait():
    for chunk in waited_for:
        read.set()

waited_for = ask()
threading.Thread(target=wait, daemon=True).start()
read.wait()
for chunk in ask():
    break
print("done")
"""


async def test_the_end_of_the_program_closes_what_is_open_and_says_nothing() -> None:
    async with Simulator(ENDLESS) as simulator:
        program = PROGRAM.format(endpoint=simulator.endpoint("openai"))
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-X", "dev", "-W", "error", "-c", program],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
        for number in range(3):
            await (await simulator.request(number)).gone()

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
