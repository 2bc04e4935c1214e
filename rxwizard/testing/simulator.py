"""A real HTTP server on loopback that speaks the providers' wire formats, with faults on demand."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self, TypeAlias, cast

from aiohttp import web

from rxwizard.testing.exchange import Exchange, Progress
from rxwizard.testing.player import Part, Player
from rxwizard.testing.protocols import PROTOCOLS, protocol_of
from rxwizard.testing.protocols.base import Call, WireProtocol, as_object
from rxwizard.testing.scenarios import SCENARIOS
from rxwizard.testing.script import HttpError, Script, Step

if TYPE_CHECKING:
    from types import TracebackType


Scripts: TypeAlias = Script | Step | Sequence[Script | Step]
Responder: TypeAlias = Callable[[Exchange], Scripts]

MAX_REQUEST_BYTES = 64 * 2**20  # a prompt with images in it; aiohttp's own limit is 1 MiB


class Simulator:
    """Serve scripted answers on 127.0.0.1, on a port the system chooses.

    The path of a request says which protocol it is in; all are served at the same time.

    Args:
        script: What to answer: a `Script`, a step, a sequence of steps; a sequence of scripts for
            one request after the other, the last one repeating; a function from the `Exchange` to
            a script. None: the request's model names one of `SCENARIOS`, and requests are checked
            as the vendor would check them (an unknown model is a 404).
        pace: Seconds between two events, for scripts that have no pace of their own.
        protocol: Answer every request in this protocol, whatever its path.
        api_key: If given, requests without it are answered with status 401.
        send_buffer: Bytes of the kernel's send buffer for each connection. Linux doubles it. The
            default is small enough that a client that does not read is felt soon, as over a real
            network; on loopback the system would let it grow to megabytes.

    """

    def __init__(
        self,
        script: Scripts | Responder | None = None,
        *,
        pace: float = 0.0,
        protocol: str | None = None,
        api_key: str | None = None,
        send_buffer: int = 65536,
    ) -> None:
        #: One for each request that arrived, in order.
        self.requests: list[Exchange] = []
        self._script = script
        self._pace = pace
        self._protocol = None if protocol is None else _known(protocol)
        self._api_key = api_key
        self._send_buffer = send_buffer
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[object]] = set()
        self._arrivals = asyncio.Event()

    async def start(self) -> Self:
        """Listen; from here on `url` can be used."""
        if self._runner is not None:
            raise RuntimeError("the simulator has been started already")
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Without handler_cancellation a client that goes away is noticed at the next write only.
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Accepted sockets inherit the size, and it has to be set before they exist.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        listener.bind(("127.0.0.1", 0))
        self._port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()
        return self

    async def close(self) -> None:
        """Stop at once: running answers are cut off. Closing twice is allowed."""
        runner, self._runner = self._runner, None
        if runner is None or runner.server is None:
            return
        for site in list(runner.sites):
            await site.stop()
        # A transport that is closed in order would wait for a client that does not read.
        for connection in runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
        self._arrivals.set()
        # Transports close their sockets in the turn after the one in which they are told to.
        for _ in range(3):
            await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """The origin, without a slash at its end."""
        if not self._port:
            raise RuntimeError("the simulator has not been started")
        return f"http://127.0.0.1:{self._port}"

    def endpoint(self, protocol: str | None = None) -> str:
        """Give the base URL as that vendor's own SDK takes it.

        Without a name: of the protocol this simulator was made for, else OpenAI's.
        """
        chosen = _known(protocol) if protocol else self._protocol or PROTOCOLS["openai"]
        return self.url + chosen.base

    async def request(self, n: int = 0) -> Exchange:
        """Wait until request number `n` has arrived, counting from 0.

        Raises RuntimeError if the simulator is closed before that.
        """
        while len(self.requests) <= n:
            if self._runner is None:
                raise RuntimeError(f"the simulator is closed and request {n} has not arrived")
            self._arrivals.clear()
            await self._arrivals.wait()
        return self.requests[n]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        protocol = self._protocol or protocol_of(request.path)
        name = protocol.name if protocol else None
        progress = Progress()
        exchange = Exchange(request.method, request.path_qs, request.headers, body, name, progress)
        self.requests.append(exchange)
        self._arrivals.set()
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._tasks.add(task)
        player: Player | None = None
        try:
            player = Player(request, self._cast(exchange, protocol), progress)
            await player.play()
        except asyncio.CancelledError:
            if self._runner is not None:
                progress.left()
            raise
        except ConnectionError:
            progress.left()
        finally:
            self._tasks.discard(task)
            progress.end()
        return player.response if player else web.Response(status=500)

    def _cast(self, exchange: Exchange, protocol: WireProtocol | None) -> Part:
        """Choose the script for a request, or the refusal that a vendor would answer with."""
        named = protocol.model_in(exchange.path.partition("?")[0]) if protocol else ""
        call = Call(as_object(exchange.json), len(self.requests), time.time(), named)
        script = self._refusal(exchange, protocol, call) or self._scripted(exchange, call)
        if protocol is None and not script.is_neutral:
            words = f"no protocol of the simulator has the path {exchange.path}"
            script = Script(HttpError(404, {"error": {"message": words}}))
        pace = self._pace if script.pace is None else script.pace
        return Part(script, protocol, call, pace)

    def _refusal(
        self, exchange: Exchange, protocol: WireProtocol | None, call: Call
    ) -> Script | None:
        if protocol is None:
            return None
        if self._api_key is not None and protocol.api_key(exchange.headers) != self._api_key:
            return Script(HttpError(401))
        if self._script is not None:
            return None
        complaint = protocol.complaint(exchange.headers, call.body)
        if complaint is not None:
            return Script(HttpError(400, protocol.error_body(400, complaint, call)))
        if call.model not in SCENARIOS:
            words = protocol.model_not_found(call)
            return Script(HttpError(404, protocol.error_body(404, words, call)))
        return None

    def _scripted(self, exchange: Exchange, call: Call) -> Script:
        script = self._script
        if script is None:
            scenario = SCENARIOS.get(call.model, SCENARIOS["default"])
            return scenario(exchange, call.number) if callable(scenario) else scenario
        if callable(script):
            script = script(exchange)
        if isinstance(script, Sequence) and any(isinstance(item, Script) for item in script):
            script = script[min(call.number, len(script)) - 1]
        if isinstance(script, Script):
            return script
        # What is left has no Script in it, which the type of a sequence cannot say.
        steps = script if isinstance(script, Sequence) else (script,)
        return Script(*cast("Sequence[Step]", steps))


def _known(protocol: str) -> WireProtocol:
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; known are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]
