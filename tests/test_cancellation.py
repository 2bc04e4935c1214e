"""Every way to leave a stream closes its connection, there and then, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvloop
from reactivex import operators as rx
from streaming import ENDLESS, client, settle, until

from rxwizard import StreamingConfig
from rxwizard.testing import Hold, Script, Simulator, Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rxwizard import Stream, StreamChunk, StreamingClient

    Leave = Callable[[Stream[StreamChunk], Simulator], Awaitable[float]]

HERE = Path(__file__).parent
TIMES = 100
SOON = 0.05

#: What is sent of the script that falls silent; the reader of the tests is full by then as well.
ENOUGH = 4

#: The reader waits for a server that is silent, or sleeps before one that does not end.
SILENT = Script(Text("a b c"), Hold())
STATES = {"waiting": SILENT, "full": ENDLESS}


def now() -> float:
    return asyncio.get_running_loop().time()


async def reach(simulator: Simulator) -> None:
    """Wait until the server is silent, or has sent more than fills the reader."""

    def is_there() -> bool:
        if not simulator.requests:
            return False
        exchange = simulator.requests[-1]
        return exchange.gone_at is None and exchange.sent_events >= ENOUGH

    await until(is_there)
    await settle(5)


async def sleep_if_full(simulator: Simulator) -> None:
    """Sleep before the server that does not end."""
    if simulator.requests[-1].sent_events > ENOUGH:
        await asyncio.get_running_loop().create_future()


async def by_break(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    async for chunk in stream:
        if chunk.text:
            await reach(simulator)
            break
    return now()


async def by_return(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    async def first() -> str:
        async for chunk in stream:
            if chunk.text:
                await reach(simulator)
                return chunk.text
        return ""

    assert await first()
    return now()


async def by_exception(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    async def fail() -> None:
        async for chunk in stream:
            if chunk.text:
                await reach(simulator)
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    return now()


async def by_cancellation(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    async def read() -> None:
        async for _ in stream:
            await sleep_if_full(simulator)

    task = asyncio.create_task(read())
    await reach(simulator)
    left_at = now()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return left_at


async def by_timeout(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    left_at = 0.0

    async def read() -> None:
        nonlocal left_at
        async with asyncio.timeout(None) as deadline:
            async for chunk in stream:
                if chunk.text and not left_at:
                    await reach(simulator)
                    left_at = now()
                    deadline.reschedule(left_at)
                    await sleep_if_full(simulator)

    with pytest.raises(TimeoutError):
        await read()
    return left_at


async def by_cancelling_an_await(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    async def last() -> StreamChunk:
        return await stream

    task = asyncio.create_task(last())
    await reach(simulator)
    left_at = now()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return left_at


async def by_dispose(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    got: list[StreamChunk] = []
    subscription = stream.subscribe(got.append)
    await until(lambda: len(got) > 2)
    left_at = now()
    subscription.dispose()
    before = len(got)
    await settle()
    assert len(got) == before
    return left_at


async def by_take(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    assert len([chunk async for chunk in stream.pipe(rx.take(3))]) == 3
    return now()


async def by_awaiting_the_first(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    assert (await stream.pipe(rx.first())).seq == 0
    return now()


async def by_dropping_the_iterator(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    reader = aiter(stream)
    await anext(reader)
    await reach(simulator)
    del reader
    return now()


async def by_leaving_a_block(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    async with stream.open() as reader:
        await anext(reader)
        await reach(simulator)
    return now()


async def by_cancelling_the_reader(stream: Stream[StreamChunk], simulator: Simulator) -> float:
    reader = stream.bounded()
    await anext(reader)
    await reach(simulator)
    reader.cancel()
    return now()


WAYS: list[Leave] = [
    by_break,
    by_return,
    by_exception,
    by_cancellation,
    by_timeout,
    by_cancelling_an_await,
    by_dispose,
    by_take,
    by_awaiting_the_first,
    by_dropping_the_iterator,
    by_leaving_a_block,
    by_cancelling_the_reader,
]


def sockets() -> int:
    """How many sockets this process has open; 0 on systems that do not say."""
    if not Path("/proc/self/fd").exists():
        return 0
    links = (entry for entry in Path("/proc/self/fd").iterdir())
    return sum(1 for link in links if _target(link).startswith("socket:"))


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # the one by which the folder was read
        return ""


async def leave_often(leave: Leave, simulator: Simulator, one_client: StreamingClient) -> None:
    tasks, open_before = asyncio.all_tasks(), sockets()
    delays: list[float] = []
    for _ in range(TIMES):
        left_at = await leave(one_client.generate_stream("Hello"), simulator)
        exchange = simulator.requests[-1]
        async with asyncio.timeout(5):
            await exchange.gone()
        assert exchange.gone_at is not None
        delays.append(exchange.gone_at - left_at)
    for _ in range(500):
        if asyncio.all_tasks() == tasks and sockets() <= open_before:
            break
        await asyncio.sleep(0)

    assert asyncio.all_tasks() == tasks
    assert sockets() == open_before
    assert len(simulator.requests) == TIMES
    # Nine of ten, because the machine may have other things to do.
    assert sorted(delays)[TIMES * 9 // 10] < SOON


async def leave_by(leave: Leave, script: Script, kept: bool) -> None:
    async with Simulator(script) as simulator:
        one_client = client(simulator, StreamingConfig(4))
        if kept:
            async with one_client:
                await leave_often(leave, simulator, one_client)
        else:
            await leave_often(leave, simulator, one_client)


@pytest.mark.parametrize("kept", [False, True], ids=["alone", "kept"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("leave", WAYS)
async def test_the_server_sees_it_at_once_and_nothing_is_left(
    leave: Leave, state: str, kept: bool
) -> None:
    await leave_by(leave, STATES[state], kept)


@pytest.mark.parametrize("leave", [by_break, by_cancellation, by_dispose, by_leaving_a_block])
def test_the_same_under_uvloop(leave: Leave) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(leave_by(leave, ENDLESS, kept=False))


def test_a_program_that_ends_in_mid_stream_says_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(HERE / "programs.py")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "interrupted was interrupted",
        "interrupted_kept was interrupted",
        "left ended",
        "taken ended",
        "forgotten ended",
        "kept_for_ever ended",
        "not_closed ended",
    ]
    assert done.returncode == 0
