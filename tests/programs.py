"""Programs that end in mid stream; test_cancellation runs them all in one process."""

from __future__ import annotations

import asyncio
import os
import signal

from reactivex import operators as rx
from streaming import ENDLESS, client

from rxwizard.testing import Simulator


async def interrupted(one_client, stream):
    async for chunk in stream:
        if chunk.seq == 5:
            os.kill(os.getpid(), signal.SIGINT)


async def interrupted_kept(one_client, stream):
    async with one_client:
        await interrupted(one_client, stream)


async def left(one_client, stream):
    async for _ in stream:
        break


async def taken(one_client, stream):
    async for _ in stream.pipe(rx.take(3)):
        pass


async def forgotten(one_client, stream):
    began = asyncio.Event()
    stream.pipe(rx.retry()).subscribe(lambda chunk: began.set())
    await began.wait()


async def kept_for_ever(one_client, stream):
    global reader
    reader = aiter(stream)
    await anext(reader)


async def not_closed(one_client, stream):
    await one_client.__aenter__()
    global reader
    reader = aiter(stream)
    await anext(reader)
    await one_client.__aexit__(None, None, None)


async def run(program):
    async with Simulator(ENDLESS) as simulator:
        one_client = client(simulator)
        await program(one_client, one_client.generate_stream("Hello"))


for program in (interrupted, interrupted_kept, left, taken, forgotten, kept_for_ever, not_closed):
    try:
        asyncio.run(run(program))
        print(program.__name__, "ended")  # noqa: T201 - the test reads it
    except KeyboardInterrupt:
        print(program.__name__, "was interrupted")  # noqa: T201
