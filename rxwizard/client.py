"""The client: prompts in, streams out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rxwizard.chunks import StreamChunk, WizardResponse
from rxwizard.config import StreamingConfig, WizardConfig
from rxwizard.errors import ConfigError, StreamInterruptedError
from rxwizard.fold import ResponseBuilder
from rxwizard.prompts import Prompt
from rxwizard.source import Source
from rxwizard.stream import Stream
from rxwizard.transport import Transport

if TYPE_CHECKING:
    import aiohttp


class StreamingClient:
    """Asks one provider, and gives its answers as streams.

    ::

        async with StreamingClient(WizardConfig.from_env()) as client:
            async for chunk in client.generate_stream("What is Rust?"):
                print(chunk.text, end="", flush=True)

    Inside ``async with`` connections are kept from one request to the next. Leaving it ends what
    still streams: what waits is delivered, and then a StreamInterruptedError says so. It works
    without, too: then each stream has a connection of its own, which ends with it, and there is
    nothing to close.

    Args:
        config: Whom to ask; None: `WizardConfig.from_env()`.
        streaming: How the answers flow.
        session: An aiohttp session of your own, for proxies or certificates; you close it.

    Raises:
        ConfigError: `config` is None and the environment has no usable settings.
    """

    def __init__(
        self,
        config: WizardConfig | None = None,
        *,
        streaming: StreamingConfig | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self.config = WizardConfig.from_env() if config is None else config
        self.streaming = StreamingConfig() if streaming is None else streaming
        self._session = session
        self._shared = _Shared(Transport(session))

    def with_streaming_config(self, streaming: StreamingConfig) -> StreamingClient:
        """Give a client with the same connections whose answers flow by other settings."""
        client = StreamingClient(self.config, streaming=streaming, session=self._session)
        client._shared = self._shared
        return client

    def generate_stream(self, prompt: Prompt | str) -> Stream[StreamChunk]:
        """Make the cold stream of the answer to `prompt`.

        Nothing is sent before it is iterated or subscribed to; each time is a request of its own.

        Raises:
            InvalidPromptError: There is nothing to ask.
        """
        source = Source(self.config, self.streaming, self._shared.transport, self._endpoint)
        return source.stream(Prompt.of(prompt))

    async def generate_complete(self, prompt: Prompt | str) -> WizardResponse:
        """Ask, and wait for the whole answer: the fold of `generate_stream`, same request.

        Raises:
            WizardError: The stream failed; `partial` is what had arrived.
        """
        response = ResponseBuilder()
        async with self.generate_stream(prompt).open() as chunks:
            async for chunk in chunks:
                response.add(chunk)
        return response.build()

    async def __aenter__(self) -> Self:
        self._shared.open()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._shared.close()

    @asynccontextmanager
    async def _endpoint(self) -> AsyncGenerator[WizardConfig]:
        """Open the way to the provider; for the built-in simulator, start it first."""
        config, shared = self.config, self._shared
        async with shared.until_closed():
            if not config.vendor.in_process or config.endpoint is not None:
                yield config
            elif not shared.entered:
                async with _simulated(config) as simulated:
                    yield simulated
            else:
                async with shared.lock:
                    if shared.simulated is None:
                        entering = shared.stack.enter_async_context(_simulated(config))
                        shared.simulated = await entering
                yield shared.simulated


class _Shared:
    """What clients with the same connections have in common."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        #: How many of the clients are inside ``async with``, and in which loop.
        self.entered = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.running: dict[asyncio.Timeout, asyncio.Task[Any] | None] = {}
        self.stack = AsyncExitStack()
        self.lock = asyncio.Lock()
        self.simulated: WizardConfig | None = None

    def open(self) -> None:
        """Keep connections from now on."""
        if not self.entered:
            self.loop, self.lock = asyncio.get_running_loop(), asyncio.Lock()
        self._check_loop()
        self.entered += 1
        self.transport.open()

    async def close(self) -> None:
        """Close what was kept and end what still runs, if this was the last client inside."""
        self.entered -= 1
        if self.entered:
            return
        # aiohttp does not tell the readers of a connection that it closes itself: they would wait
        # for ever.
        tasks = {task for task in self.running.values() if task is not None}
        for timeout in self.running:
            timeout.reschedule(0)
        if tasks:
            await asyncio.wait(tasks)
        await self.transport.close()
        await self.stack.aclose()
        self.simulated = None

    @asynccontextmanager
    async def until_closed(self) -> AsyncGenerator[None]:
        """Run one request for as long as the client is not closed.

        Raises:
            StreamInterruptedError: It was.
            RuntimeError: The client was entered in another event loop.
        """
        if not self.entered:
            yield
            return
        self._check_loop()
        timeout = asyncio.timeout(None)
        try:
            async with timeout:
                self.running[timeout] = asyncio.current_task()
                try:
                    yield
                finally:
                    del self.running[timeout]
        except TimeoutError:
            if not timeout.expired():
                raise
            message = "The client was closed in the middle of the answer."
            raise StreamInterruptedError(message, retryable=False) from None

    def _check_loop(self) -> None:
        if self.loop is not asyncio.get_running_loop():
            message = (
                "this client was entered (async with) in another event loop, where its connections "
                "live: make one here, or use it without entering it"
            )
            raise RuntimeError(message)


#: Seconds between two words of the built-in simulator: a quick model's pace, slow enough to see.
#: Suites that play many answers set WIZARD_SIMULATOR_PACE to 0.
_SIMULATOR_PACE = "0.02"


@asynccontextmanager
async def _simulated(config: WizardConfig) -> AsyncGenerator[WizardConfig]:
    # Imported here because nobody else needs a server.
    from rxwizard.testing import Simulator

    try:
        pace = float(os.environ.get("WIZARD_SIMULATOR_PACE") or _SIMULATOR_PACE)
    except ValueError:
        raise ConfigError("WIZARD_SIMULATOR_PACE must be a number of seconds.") from None
    async with Simulator(pace=pace) as simulator:
        yield config.model_copy(update={"endpoint": simulator.endpoint("openai")})
