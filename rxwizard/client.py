"""The client: prompts in, streams out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rxwizard.chunks import StreamChunk, WizardResponse
from rxwizard.config import StreamingConfig, WizardConfig
from rxwizard.fold import ResponseBuilder
from rxwizard.prompts import Prompt
from rxwizard.source import Source
from rxwizard.stream import Stream
from rxwizard.transport import Transport

if TYPE_CHECKING:
    import aiohttp


class StreamingClient:
    """Asks one provider, and gives its answers as streams::

        async with StreamingClient(WizardConfig.from_env()) as client:
            async for chunk in client.generate_stream("What is Rust?"):
                print(chunk.text, end="", flush=True)

    Inside ``async with`` connections are kept from one request to the next. It works without, too:
    then each stream has a connection of its own, which ends with it, and there is nothing to close.

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
        client._shared = self._shared  # noqa: SLF001
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
        self._shared.transport.open()
        self._shared.is_open = True
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._shared.is_open = False
        await self._shared.transport.close()
        await self._shared.stack.aclose()
        self._shared.simulated = None

    @asynccontextmanager
    async def _endpoint(self) -> AsyncIterator[WizardConfig]:
        """Open the way to the provider; for the built-in simulator, start it first."""
        config, shared = self.config, self._shared
        if not config.vendor.in_process or config.endpoint is not None:
            yield config
        elif not shared.is_open:
            async with _simulated(config) as simulated:
                yield simulated
        else:
            async with shared.lock:
                if shared.simulated is None:
                    shared.simulated = await shared.stack.enter_async_context(_simulated(config))
            yield shared.simulated


class _Shared:
    """What clients with the same connections have in common."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.is_open = False
        self.stack = AsyncExitStack()
        self.lock = asyncio.Lock()
        self.simulated: WizardConfig | None = None


@asynccontextmanager
async def _simulated(config: WizardConfig) -> AsyncIterator[WizardConfig]:
    # Imported here because nobody else needs a server.
    from rxwizard.testing import Simulator

    async with Simulator() as simulator:
        yield config.model_copy(update={"endpoint": simulator.endpoint("openai")})
