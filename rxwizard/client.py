"""The client: prompts in, streams out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from reactivex import Subject

from rxwizard.chunks import StreamChunk, WizardResponse
from rxwizard.config import StreamingConfig, WizardConfig
from rxwizard.errors import ConfigError, StreamInterruptedError, WizardError
from rxwizard.fold import ResponseBuilder
from rxwizard.prompts import Prompt
from rxwizard.recording import Recorder, RecordingWire
from rxwizard.recovery import Model, answer
from rxwizard.source import Source
from rxwizard.stream import Stream
from rxwizard.transport import Transport
from rxwizard.wire import Wire

if TYPE_CHECKING:
    import aiohttp

    from rxwizard.cache import Cache


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
        cache: Where whole answers are looked for first, and kept; None: nowhere.
        record: A file that gets all that the provider sends, for `rxwizard.recording.load`; or the
            `Recorder` of one, which several clients can share. It is replaced by the first request.

    Raises:
        ConfigError: `config` is None and the environment has no usable settings; or the file of the
            recording cannot be made.
    """

    def __init__(
        self,
        config: WizardConfig | None = None,
        *,
        streaming: StreamingConfig | None = None,
        session: aiohttp.ClientSession | None = None,
        cache: Cache | None = None,
        record: str | os.PathLike[str] | Recorder | None = None,
    ) -> None:
        self.config = WizardConfig.from_env() if config is None else _checked(config)
        self.streaming = StreamingConfig() if streaming is None else streaming
        self._session = session
        self._cache = cache
        if record is None or isinstance(record, Recorder):
            self._recorder = record
        else:
            self._recorder = Recorder(record)
        self._shared = _Shared(Transport(session))
        self._models = self._make_models()

    def with_streaming_config(self, streaming: StreamingConfig) -> StreamingClient:
        """Give a client with the same connections whose answers flow by other settings."""
        client = StreamingClient(
            self.config,
            streaming=streaming,
            session=self._session,
            cache=self._cache,
            record=self._recorder,
        )
        client._shared = self._shared
        client._models = client._make_models()
        return client

    def generate_stream(self, prompt: Prompt | str) -> Stream[StreamChunk]:
        """Make the cold stream of the answer to `prompt`.

        Nothing is sent before it is iterated or subscribed to; each time is a request of its own.
        What fails is asked for again, and others are asked, as the client's settings say; a chunk
        of kind warning tells of it.

        Raises:
            InvalidPromptError: There is nothing to ask.
        """
        return answer(self._models, Prompt.of(prompt), self.config)

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

    def _make_models(self) -> list[Model]:
        """Make the models that may be asked, the first one first."""
        config = self.config
        others = () if config.fallback is None else config.fallback.models
        return [
            self._model(config),
            *(self._model(config.for_model(each), each.classes) for each in others),
        ]

    def _model(self, config: WizardConfig, on: tuple[type[WizardError], ...] = ()) -> Model:
        wire: Wire = self._shared.transport
        if self._recorder is not None:
            wire = RecordingWire(wire, self._recorder, config)
        shared, endpoint = self._shared, partial(self._endpoint, config)
        source = Source(config, self.streaming, wire, endpoint, shared.subscribing)
        return Model(source, self._cache, on, shared.closing)

    @asynccontextmanager
    async def _endpoint(self, config: WizardConfig) -> AsyncGenerator[WizardConfig]:
        """Open the way to the provider; for the built-in simulator, start it first."""
        shared = self._shared
        async with shared.until_closed():
            if not config.vendor.in_process or config.endpoint is not None:
                yield config
            elif not shared.entered:
                async with _simulated() as endpoint:
                    yield config.model_copy(update={"endpoint": endpoint})
            else:
                async with shared.lock:
                    if shared.simulated is None:
                        entering = shared.stack.enter_async_context(_simulated())
                        shared.simulated = await entering
                yield config.model_copy(update={"endpoint": shared.simulated})


def _checked(config: object) -> WizardConfig:
    if isinstance(config, WizardConfig):
        return config
    message = f"a client takes a WizardConfig, and {config!r} is none"
    raise ConfigError(message)


class _Shared:
    """What clients with the same connections have in common."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        #: How many of the clients are inside ``async with``, and in which loop.
        self.entered = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.running: dict[asyncio.Timeout, asyncio.Task[Any] | None] = {}
        #: Says something when it is closed; and how often it was.
        self.closing: Subject[None] = Subject()
        self.closed = 0
        self.stack = AsyncExitStack()
        self.lock = asyncio.Lock()
        #: Where the built-in simulator is, once it was needed.
        self.simulated: str | None = None

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
        self.closed += 1
        # aiohttp does not tell the readers of a connection that it closes itself: they would wait
        # for ever.
        tasks = {task for task in self.running.values() if task is not None}
        for timeout in self.running:
            timeout.reschedule(0)
        self.closing.on_next(None)
        if tasks:
            await asyncio.wait(tasks)
        await self.transport.close()
        await self.stack.aclose()
        self.simulated = None

    @contextmanager
    def subscribing(self) -> Generator[None]:
        """Note which time of being open a stream belongs to, for the requests it is going to make.

        One that follows another, after a wait, has that from the one before it.
        """
        began = _began.get()
        if began is not None and began[0] is self:
            yield
            return
        before = _began.set((self, self.closed))
        try:
            yield
        finally:
            _began.reset(before)

    @asynccontextmanager
    async def until_closed(self) -> AsyncGenerator[None]:
        """Run one request for as long as the client is not closed.

        Raises:
            StreamInterruptedError: It was.
            RuntimeError: The client was entered in another event loop.
        """
        began = _began.get()
        if began is not None and began[0] is self and began[1] != self.closed:
            raise _closed()
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
            raise _closed() from None

    def _check_loop(self) -> None:
        if self.loop is not asyncio.get_running_loop():
            message = (
                "this client was entered (async with) in another event loop, where its connections "
                "live: make one here, or use it without entering it"
            )
            raise RuntimeError(message)


#: Whose stream is being subscribed to, and how often that had been closed by then.
_began: ContextVar[tuple[_Shared, int] | None] = ContextVar("rxwizard_began", default=None)


def _closed() -> StreamInterruptedError:
    message = "The client was closed in the middle of the answer."
    return StreamInterruptedError(message, retryable=False)


#: Seconds between two words of the built-in simulator: a quick model's pace, slow enough to see.
#: Suites that play many answers set WIZARD_SIMULATOR_PACE to 0.
_SIMULATOR_PACE = "0.02"


@asynccontextmanager
async def _simulated() -> AsyncGenerator[str]:
    # Imported here because nobody else needs a server.
    from rxwizard.testing import Simulator

    try:
        pace = float(os.environ.get("WIZARD_SIMULATOR_PACE") or _SIMULATOR_PACE)
    except ValueError:
        raise ConfigError("WIZARD_SIMULATOR_PACE must be a number of seconds.") from None
    async with Simulator(pace=pace) as simulator:
        yield simulator.endpoint("openai")
