"""The websocket sink over real HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from rxwizard import ConfigError, ProviderError, SinkError, StreamChunk
from rxwizard.sinks.protocol import is_sink
from rxwizard.sinks.websocket import WebSocket

from .browsing import SMALL, mounted, settle, until, until_still

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

BIG = "x" * 16_000

#: What no JSON can hold: a list in itself.
RING: list[object] = []
RING.append(RING)


class Ends:
    """The two ends of a websocket: the server's and the browser's."""

    def __init__(self, server: web.WebSocketResponse, browser: aiohttp.ClientWebSocketResponse):
        self.server = server
        self.browser = browser

    async def read_all(self) -> list[Any]:
        """Read to the end, as a browser does."""
        async with asyncio.timeout(10):
            return [json.loads(message.data) async for message in self.browser]

    def break_connection(self) -> None:
        connection = self.browser._response.connection  # type: ignore[union-attr]
        connection.close()


def small_socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    return made


@asynccontextmanager
async def connected() -> AsyncGenerator[Ends]:
    arrived: asyncio.Future[web.WebSocketResponse] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        arrived.set_result(ws)
        await done.wait()
        return ws

    connector = aiohttp.TCPConnector(socket_factory=small_socket)
    async with mounted(handler) as url, aiohttp.ClientSession(connector=connector) as session:
        browser = await session.ws_connect(url, compress=0)
        try:
            yield Ends(await arrived, browser)
            names = {task.get_name() for task in asyncio.all_tasks()}
            assert names.isdisjoint({"websocket receiver", "websocket sender"})
        finally:
            if (connection := browser._response.connection) is not None:
                connection.close()
            done.set()
            await browser.close()


async def test_items_come_as_lines_of_json_and_then_the_end() -> None:
    chunks = [StreamChunk(text="a\u2028\n\r", seq=0), StreamChunk(text="</script>", seq=1)]
    async with connected() as ends:
        sink = WebSocket(ends.server)
        reading = asyncio.ensure_future(ends.read_all())
        assert is_sink(sink)
        for item in (*chunks, "text", "half \ud83d"):
            await sink.write(item)
        await sink.close()
        first, second, *others = await reading

        assert [StreamChunk.model_validate(item) for item in (first, second)] == chunks
        assert others == ["text", "half \ud83d", {"end": True}]
        assert ends.browser.close_code == 1000


async def test_a_failure_is_told_in_the_errors_words() -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)
        reading = asyncio.ensure_future(ends.read_all())
        await sink.close(ProviderError("tired", request_id="secret"))

        assert await reading == [{"error": "tired", "type": "ProviderError"}]
        assert ends.browser.close_code == 1011


async def test_writing_waits_for_a_browser_that_is_slow() -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(200):
                await sink.write(BIG)
                written += 1

        writing = asyncio.ensure_future(write())
        await until_still(lambda: written)
        assert not writing.done()
        assert written < 100

        reading = asyncio.ensure_future(ends.read_all())
        await writing
        await sink.close()
        assert await reading == [BIG] * 200 + [{"end": True}]


async def test_a_browser_that_said_good_bye_between_two_items_is_gone() -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)
        await sink.write("a")
        leaving = asyncio.ensure_future(ends.browser.close(code=1001))
        await until(lambda: ends.server.closed)
        with pytest.raises(SinkError, match="websocket with code 1001") as caught:
            await sink.write("b")
        await leaving
        await sink.close(caught.value)


async def test_a_browser_that_vanished_between_two_items_is_gone() -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)
        await sink.write("a")
        ends.break_connection()
        await until(lambda: ends.server.closed)
        with pytest.raises(SinkError, match="the browser is gone: its connection broke") as caught:
            await sink.write("b")
        await sink.close(caught.value)

        assert isinstance(caught.value.__cause__, ConnectionError)


@pytest.mark.parametrize("politely", [True, False])
async def test_a_browser_that_leaves_while_it_is_waited_for_ends_the_wait(politely: bool) -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)

        written = 0

        async def write() -> None:
            nonlocal written
            while True:
                await sink.write(BIG)
                written += 1

        writing = asyncio.ensure_future(write())
        await until_still(lambda: written)
        if politely:
            # It says so, and reads nothing that is on its way.
            await ends.browser._writer.close(1001)
        else:
            ends.break_connection()
        with pytest.raises(SinkError, match="the browser is gone") as caught:
            async with asyncio.timeout(10):
                await writing
        await sink.close(caught.value)


async def test_one_that_said_good_bye_before_the_end_has_seen_enough() -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)
        await sink.write("a")
        leaving = asyncio.ensure_future(ends.browser.close())
        await until(lambda: ends.server.closed)
        await sink.close()
        await leaving


async def test_one_that_vanished_before_the_end_did_not_get_it() -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)
        await sink.write("a")
        ends.break_connection()
        await until(lambda: ends.server.closed)
        with pytest.raises(SinkError, match="gone"):
            await sink.close()


@pytest.mark.parametrize("error", [None, ValueError("mine")])
async def test_the_end_does_not_wait_for_ever(error: ValueError | None) -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server, deadline=0.05)
        written = 0

        async def write() -> None:
            nonlocal written
            while True:
                await sink.write(BIG)
                written += 1

        writing = asyncio.ensure_future(write())
        await until_still(lambda: written)
        writing.cancel()
        transport = ends.server._req.transport  # type: ignore[union-attr]
        assert transport.get_write_buffer_size() > 0
        if error is None:
            with pytest.raises(SinkError, match=r"did not take the end within 0.05 seconds"):
                await sink.close()
        else:
            await sink.close(error)

        # Nothing of it is left to wait for that browser.
        await until(lambda: transport.get_write_buffer_size() == 0)


async def test_what_a_browser_says_is_dropped_and_its_pings_are_answered() -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)
        await sink.write("a")
        for number in range(100):
            await ends.browser.send_str(f"message {number}")
        await ends.browser.ping(b"there?")
        ends.browser._autoping = False
        assert (await ends.browser.receive()).data == '"a"'
        assert (await ends.browser.receive()).type is aiohttp.WSMsgType.PONG
        reading = asyncio.ensure_future(ends.read_all())
        await sink.close()

        assert await reading == [{"end": True}]


@pytest.mark.parametrize("told", [True, False])
async def test_a_handler_may_receive_itself(told: bool) -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server, receives=False) if told else WebSocket(ends.server)
        receiving = asyncio.ensure_future(ends.server.receive_str())
        await settle()
        await sink.write("a")
        await ends.browser.send_str("stop")
        assert await receiving == "stop"
        reading = asyncio.ensure_future(ends.read_all())
        await sink.close()

        assert await reading == ["a", {"end": True}]


async def test_a_write_may_be_cancelled_and_another_may_follow() -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)
        written = 0

        async def write() -> None:
            nonlocal written
            while True:
                await sink.write(BIG)
                written += 1

        for _ in range(2):
            writing = asyncio.ensure_future(write())
            await until_still(lambda: written)
            assert not writing.done()
            writing.cancel()
            await asyncio.wait([writing])
            assert writing.cancelled()
        reading = asyncio.ensure_future(ends.read_all())
        await sink.write("after it")
        await sink.close(asyncio.CancelledError())

        *items, after, end = await reading
        assert items == [BIG] * (written + 1)
        assert after == "after it"
        assert end["type"] == "CancelledError"


async def test_an_item_that_is_no_json_is_an_error() -> None:
    async with connected() as ends:
        sink = WebSocket(ends.server)
        reading = asyncio.ensure_future(ends.read_all())
        with pytest.raises(SinkError, match="cannot be written as JSON") as caught:
            await sink.write(RING)
        await sink.close(caught.value)

        assert (await reading)[0]["type"] == "SinkError"


async def test_a_websocket_that_is_not_prepared_is_refused() -> None:
    ws = web.WebSocketResponse()
    assert not ws.can_prepare(make_mocked_request("GET", "/"))
    with pytest.raises(ConfigError, match="prepare"):
        WebSocket(ws)


async def test_a_deadline_that_cannot_work_is_refused() -> None:
    async with connected() as ends:
        with pytest.raises(ConfigError, match="above 0"):
            WebSocket(ends.server, deadline=0)
