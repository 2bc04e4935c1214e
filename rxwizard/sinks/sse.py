"""Server-sent events: browsers watch a stream live, as many as like."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from rxwizard.errors import ConfigError, SinkError
from rxwizard.sinks.browsers import Broadcast, Browser, BrowserStatistics, Slow
from rxwizard.sinks.events import compact, failure, line_of, opening
from rxwizard.sinks.page import PAGE, PAGE_HEADERS

#: Bytes the log holds. With the usual 200 bytes an event, `history` is reached long before.
MAX_HISTORY_BYTES = 16 * 2**20

# Longer ones are nobody's count of events, and int() refuses to read them beyond 4,300.
_MAX_ID_DIGITS = 18

_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # or nginx would keep events back
}


class ServerSentEvents:
    """Show items to any number of browsers, live; a sink.

        async with ServerSentEvents().serve() as url: ...          # a page of its own
        application.router.add_get("/events", events.handler)      # or in your application

    Each item is an event with one line of JSON (`json_of`) and an id that rises by one from 1. The
    end is an event ``end`` with how many there were; a failure, ``failed``, with the error's own
    words and the name of its type; a ``gap`` says how many events were missed. Events are encoded
    once. The last ones are kept in one log for all, and a browser is a place in it, so memory is
    the log and one batch (64 KiB) a browser, of whom there may be any number.

    A new browser gets what the log holds, then what comes; with ``?from=now`` only what comes. One
    that comes back with the header ``Last-Event-ID``, which an EventSource does by itself, or with
    ``?lastEventId=``, goes on behind that event; an id that cannot be one of this stream counts as
    none. After the end, browsers get the log and the end, and one that comes back having it gets
    status 204, at which an EventSource stops.

    Everything happens on one event loop. A browser that goes away is forgotten at once; where your
    application runs without ``handler_cancellation``, its handler ends at the next event or
    heartbeat. Who may read is your application's business: no CORS header is sent.

    Args:
        history: Events the log holds, 1 or more. Also how far the slowest browser may be behind.
        slow: ``"wait"``: `write` waits until the slowest browser has read the log's oldest event,
            so nobody who stays connected misses any; after `deadline` its connection is closed.
            ``"skip"``: it misses what it was too slow for. ``"close"``: its connection is closed.
            With the last two a slow browser slows nobody.
        deadline: Seconds that `write` and `close` wait for browsers at most.
        heartbeat: Seconds without an event after which a comment is sent, for the sake of proxies.
        retry: Seconds after which an EventSource comes back when its connection breaks.
        max_bytes: Bytes the log holds. A single event may be larger, and is held alone.

    Raises:
        ConfigError: An option cannot work.
    """

    def __init__(
        self,
        *,
        history: int = 1024,
        slow: Slow | str = Slow.WAIT,
        deadline: float = 30.0,
        heartbeat: float = 15.0,
        retry: float = 1.0,
        max_bytes: int = MAX_HISTORY_BYTES,
    ) -> None:
        if retry < 0:
            message = f"a browser cannot come back after {retry} seconds; 0 or more"
            raise ConfigError(message)
        self._retry = retry
        self._broadcast = Broadcast(
            history=history,
            max_bytes=max_bytes,
            slow=slow,
            deadline=deadline,
            heartbeat=heartbeat,
        )

    async def write(self, item: object) -> None:
        """Give an item to all browsers.

        Cancelled while it waits for a slow one, it has written nothing.

        Raises:
            SinkError: The item cannot be written as JSON, or the sink is closed.
        """
        await self._broadcast.write(line_of(item))

    async def close(self, error: BaseException | None = None) -> None:
        """Send the end, or the failure, and wait until the browsers that are here have it.

        Their connections are closed when `deadline` is over. Those that come later still get the
        log and the end, while the server runs. Closing again changes nothing.
        """
        if error is None:
            await self._broadcast.end(compact({"events": self._broadcast.count}), "end")
        else:
            await self._broadcast.end(compact(failure(error)), "failed")

    def statistics(self) -> BrowserStatistics:
        """Say what has happened so far."""
        return self._broadcast.statistics()

    # -- the server's side ---------------------------------------------------------------------

    async def handler(self, request: web.Request) -> web.StreamResponse:
        """Answer a GET or HEAD with the stream; mount it where you like."""
        transport = request.transport
        if request.method == "HEAD" or transport is None:
            return web.Response(headers=_HEADERS)
        number = self._number_of(request)
        if self._broadcast.ended and number > self._broadcast.count:
            return web.Response(status=204, headers={"Cache-Control": "no-store"})

        response = web.StreamResponse(headers=_HEADERS)
        browser = self._broadcast.join(transport, number)
        try:
            # Only so much is handed over as the socket takes: what waits for it waits in the log.
            transport.set_write_buffer_limits(0)
            # An EventSource that has got no event yet must come back to where it began.
            begins_at = number if request.query.get("from") == "now" else None
            await self._send(request, response, browser, opening(self._retry, begins_at))
        except ConnectionError:
            pass  # it is gone, and that is its right
        finally:
            browser.leave()
            if not transport.is_closing():
                transport.set_write_buffer_limits()
        return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, browser: Browser, first: bytes
    ) -> None:
        writer = await response.prepare(request)
        if writer is None:
            return
        data = first
        while data:
            await response.write(data)
            await writer.drain()
            data = await browser.read()
        if browser.has_end:
            await response.write_eof()

    def _number_of(self, request: web.Request) -> int:
        """Find out how many events a browser has already."""
        last = request.headers.get("Last-Event-ID") or request.query.get("lastEventId")
        count = self._broadcast.count
        if last is None:
            return count if request.query.get("from") == "now" else 0
        if not (last.isascii() and last.isdecimal() and len(last) <= _MAX_ID_DIGITS):
            return 0
        number = int(last)
        # The end has an id, too. Beyond that it is that of another stream, before a restart.
        return number if number <= count + self._broadcast.ended else 0

    async def page(self, _request: web.Request) -> web.StreamResponse:
        """Answer with a page that shows the stream growing; it wants the handler at ``events``."""
        return web.Response(text=PAGE, content_type="text/html", headers=PAGE_HEADERS)

    async def on_shutdown(self, _application: web.Application) -> None:
        """Let go of the browsers, for ``application.on_shutdown``.

        Before the end they are cut off: the stream is not complete. After it, those that still
        read get the rest, within `deadline`.
        """
        if not self._broadcast.ended:
            self._broadcast.cut_off()
        await self._broadcast.wait_until_gone()

    def application(self) -> web.Application:
        """Make an application with the page at ``/`` and the stream at ``/events``."""
        application = web.Application()
        application.router.add_get("/", self.page)
        application.router.add_get("/events", self.handler)
        application.on_shutdown.append(self.on_shutdown)
        return application

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 8080) -> AsyncGenerator[str]:
        """Serve the page, while the block runs; it gives the page's URL.

        Args:
            host: The address to listen at. The default is this machine's own; any other lets
                others read the stream.
            port: 0: the system chooses one.

        Raises:
            SinkError: The address cannot be listened at.
        """
        runner = web.AppRunner(
            self.application(), handler_cancellation=True, access_log=None, shutdown_timeout=1.0
        )
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                message = f"cannot serve at {host}:{port}: {error.strerror or error}"
                raise SinkError(message) from error
            yield _url(runner.addresses[0])
        finally:
            await runner.cleanup()


def _url(address: tuple[str, int]) -> str:
    host, port = address[:2]
    # What is listened at everywhere is asked for at home.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
