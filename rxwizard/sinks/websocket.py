"""A WebSocket: one browser, one connection."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

from rxwizard.errors import ConfigError, SinkError
from rxwizard.sinks.events import compact, failure, line_of

_ORDERLY = (WSCloseCode.OK, WSCloseCode.GOING_AWAY)
_LAST_RECEIVED = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


class WebSocket:
    """Send items to one browser over a websocket; a sink.

        async def answer(request):
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await rxwizard.fan_out(stream, browser=WebSocket(ws))
            return ws

    Each item is a text message with one line of JSON (`json_of`). The last message is
    ``{"end": true}``, or ``{"error": ..., "type": ...}`` with the error's own words and the name of
    its type; then the websocket is closed with code 1000, or 1011. `write` waits while the browser
    is slow: what is sent but not taken is bounded by aiohttp's `writer_limit` and one message.

    That a browser says good-bye is only noticed by who receives. So this receives, from the first
    `write` to `close`, and what the browser says is dropped.

    Args:
        ws: A websocket that is prepared.
        receives: False where your handler receives from it all the while; two cannot.
        deadline: Seconds that `close` waits for the browser. A connection that is not closed then
            is cut off.

    Raises:
        ConfigError: The websocket is not prepared, or the deadline is not above 0.
    """

    def __init__(
        self, ws: web.WebSocketResponse, *, receives: bool = True, deadline: float = 10.0
    ) -> None:
        if not ws.prepared:
            message = "this websocket is not ready: `await ws.prepare(request)` comes first"
            raise ConfigError(message)
        if deadline <= 0:
            message = f"a deadline of {deadline} seconds cannot work; it must be above 0"
            raise ConfigError(message)
        self._ws = ws
        self._receives = receives
        self._deadline = deadline
        self._receiving: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        # Asked for now: a connection that is closed has none.
        self._socket: socket.socket | None = ws.get_extra_info("socket")

    async def write(self, item: object) -> None:
        """Send an item, and wait while the browser is behind.

        Cancelled while it waits, it may have sent the item.

        Raises:
            SinkError: The browser is gone, or the item cannot be written as JSON.
        """
        line = line_of(item)
        if self._receives and self._receiving is None:
            self._receiving = asyncio.create_task(self._receive(), name="websocket receiver")
        await self._send(line)

    async def close(self, error: BaseException | None = None) -> None:
        """Say how it ended, close the websocket, and wait until the browser has said good-bye.

        Raises:
            SinkError: All went well but here: the connection broke, or the browser did not take the
                end within the deadline.
        """
        try:
            async with asyncio.timeout(self._deadline):
                await self._end(error)
        except TimeoutError as late:
            self._cut_off()
            if error is None:
                message = f"the browser did not take the end within {self._deadline:g} seconds"
                raise SinkError(message) from late
        except SinkError:
            self._cut_off()
            # One that said good-bye has seen enough, and that is no failure.
            if error is None and self._ws.close_code not in _ORDERLY:
                raise
        finally:
            await _stop(self._receiving)
            await _stop(self._sending)

    async def _end(self, error: BaseException | None) -> None:
        await self._send(compact({"end": True} if error is None else failure(error)))
        # While somebody receives, aiohttp does not wait for the browser's answer to the close; and
        # that answer alone shows that the browser has taken everything.
        await _stop(self._receiving)
        code = WSCloseCode.OK if error is None else WSCloseCode.INTERNAL_ERROR
        await self._ws.close(code=code, drain=False)
        if self._ws.close_code == WSCloseCode.ABNORMAL_CLOSURE:
            raise self._gone() from self._ws.exception()

    async def _send(self, line: bytes) -> None:
        await self._sent()  # what was being sent when an earlier wait was cancelled
        if self._ws.closed:
            raise self._gone() from self._ws.exception()
        # A task of its own, which no cancellation reaches: after aiohttp's wait for a socket was
        # cancelled, its next wait for it ends as if that was cancelled, too.
        sending = self._ws.send_frame(line, WSMsgType.TEXT)
        self._sending = asyncio.create_task(sending, name="websocket sender")
        await self._sent()

    async def _sent(self) -> None:
        """Wait until the item is on its way, or the browser is gone."""
        sending = self._sending
        if sending is None:
            return
        while not sending.done():
            receiving = self._receiving
            either = [sending] if receiving is None or receiving.done() else [sending, receiving]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._ws.closed and not sending.done():
                # It said good-bye and may never read what is on its way.
                self._cut_off()
                raise self._gone() from self._ws.exception()
        self._sending = None
        try:
            sending.result()
        except ConnectionError as error:
            raise self._gone() from error

    async def _receive(self) -> None:
        # A RuntimeError says that the handler receives already; then it is noticed there.
        with suppress(RuntimeError):
            while (await self._ws.receive()).type not in _LAST_RECEIVED:
                pass

    def _gone(self) -> SinkError:
        code = self._ws.close_code
        broke = code in (None, WSCloseCode.ABNORMAL_CLOSURE)
        why = "its connection broke" if broke else f"it closed the websocket with code {code}"
        return SinkError(f"the browser is gone: {why}")

    def _cut_off(self) -> None:
        """Close the connection, whatever of it waits to be sent."""
        # aiohttp closes a connection in order, and so waits for a browser that does not read. What
        # is shut down at the socket is noticed by every event loop.
        if self._socket is None or self._socket.fileno() < 0:
            return
        with suppress(OSError):
            same = socket.fromfd(self._socket.fileno(), self._socket.family, self._socket.type)
            with same:
                same.shutdown(socket.SHUT_RDWR)


async def _stop(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would complain
