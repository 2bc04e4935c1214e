"""Browsers for the tests beside this file: some that read, and one that does not."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from rxwizard.decoders.frames import ServerSentEvent
from rxwizard.decoders.sse import SSEDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

#: Bytes of the kernel's buffers of a connection to a browser that does not read; what a real
#: network holds. On loopback the system would let them grow to megabytes.
SMALL = 8192


async def settle(turns: int = 50) -> None:
    """Let what is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let what is ready run until something is true; an error where it does not become true."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def until_still(count: Callable[[], int]) -> None:
    """Let what is ready run until a number does not change any more."""
    before = -1
    while before != (before := count()):
        await settle(200)


@asynccontextmanager
async def mounted(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncGenerator[str]:
    """Serve a handler as an application of the user's would, with aiohttp's defaults."""
    application = web.Application()
    application.router.add_get("/", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Accepted sockets inherit the size, and it has to be set before they exist.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    listener.bind(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        assert runner.server is not None
        for connection in runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()
        await settle(3)  # transports close their sockets in the turn after they are told to


class Reading:
    """What a browser has read of an event stream."""

    def __init__(self, take: Callable[[], Awaitable[bytes]]) -> None:
        self.events: list[ServerSentEvent] = []
        self.decoder = SSEDecoder()
        self.received = 0
        self._take = take

    async def some(self, count: int) -> list[Any]:
        """Read on until there are so many events; give their data."""
        async with asyncio.timeout(10):
            while len(self.events) < count and await self._more():
                pass
        assert len(self.events) == count
        return self.data

    async def all(self) -> list[Any]:
        """Read to the end; give the data of all events."""
        async with asyncio.timeout(10):
            while await self._more():
                pass
        return self.data

    async def _more(self) -> bool:
        data = await self._take()
        self.received += len(data)
        frames = self.decoder.feed(data)
        self.events += [frame for frame in frames if isinstance(frame, ServerSentEvent)]
        return bool(data)

    @property
    def data(self) -> list[Any]:
        return [json.loads(event.data) for event in self.events]

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.events]

    @property
    def ids(self) -> list[int]:
        return [int(event.id) for event in self.events]


@asynccontextmanager
async def browsing(url: str, last: str | None = None) -> AsyncGenerator[Reading]:
    """Connect as an EventSource does; `last` is the last event it has seen."""
    headers = {} if last is None else {"Last-Event-ID": last}
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers) as response,
    ):
        assert response.status == 200
        yield Reading(response.content.readany)


async def read_all(url: str, last: str | None = None) -> Reading:
    async with browsing(url, last) as reading:
        await reading.all()
        return reading


@asynccontextmanager
async def not_reading(url: str) -> AsyncGenerator[Reading]:
    """Ask for the stream, and read nothing of it before the test does."""
    loop = asyncio.get_running_loop()
    host, port = url.split("/")[2].split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as browser:
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        browser.setblocking(False)
        await loop.sock_connect(browser, (host, int(port)))
        # HTTP/1.0 has no chunks: what comes behind the headers is the stream as it is.
        await loop.sock_sendall(browser, b"GET /%b HTTP/1.0\r\n\r\n" % url.split("/")[3].encode())
        headers = b""
        while not headers.endswith(b"\r\n\r\n"):
            headers += await loop.sock_recv(browser, 1)
        assert b" 200 " in headers

        async def take() -> bytes:
            try:
                return await loop.sock_recv(browser, 65536)
            except ConnectionResetError:
                return b""

        yield Reading(take)
