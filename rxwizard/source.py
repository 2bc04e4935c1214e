"""Where wire meets Rx: transport, decoder, reader and gate make one cold Stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr
from reactivex import abc

from rxwizard.chunks import ChunkSource, StreamChunk
from rxwizard.config import StreamingConfig, WizardConfig
from rxwizard.decoders import Decoder
from rxwizard.demand import push_batches, pushing
from rxwizard.errors import StreamInterruptedError, WizardError
from rxwizard.policies import DeadlineConfig, RequestDeadlines, deadlines_below, shortest
from rxwizard.prompts import Prompt
from rxwizard.providers import PROTOCOLS, Reader, ReaderOptions
from rxwizard.providers.failures import error_from_response, request_id
from rxwizard.providers.ratelimits import rate_limits
from rxwizard.providers.redaction import SECRET_NAMES, redactor
from rxwizard.providers.remedies import explain
from rxwizard.stream import Stream
from rxwizard.wire import Reply, Timeouts, Wire, encoded

#: Most seconds that the rest of an answered body is waited for: usage, a mark, its end. They come
#: right behind, and what is known without them is a complete answer.
_REST_SECONDS = 10.0


class RequestStream(Stream[StreamChunk]):
    """The stream of one request, with nothing between it and the reader of its wire."""

    #: What the gate of its pump has for evidence is the fold of all that it pushes.
    knows_partial = True


@dataclass(frozen=True, slots=True)
class Source:
    """All that one answer needs, except the moment it is asked for.

    Attributes:
        config: Whom to ask, and how.
        streaming: How the answer flows.
        transport: Sends the request.
        endpoint: Opens the way to the provider and gives the settings to use; that is where the
            simulator is started.
        subscribing: Is entered while a request is subscribed to. What it sets is known to
            `endpoint` then, and to the requests that follow this one.
    """

    config: WizardConfig
    streaming: StreamingConfig
    transport: Wire
    endpoint: Callable[[], AbstractAsyncContextManager[WizardConfig]]
    subscribing: Callable[[], AbstractContextManager[object]] = nullcontext

    def stream(self, prompt: Prompt) -> Stream[StreamChunk]:
        """Make the cold stream of the answers to `prompt`; each subscription asks anew."""

        def subscribe(
            observer: abc.ObserverBase[StreamChunk], _scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            with self.subscribing():
                return push_batches(lambda: self._answer(prompt), observer)

        return RequestStream(subscribe, self.streaming)

    @asynccontextmanager
    async def _answer(self, prompt: Prompt) -> AsyncGenerator[AsyncIterable[Iterable[StreamChunk]]]:
        """Give the answer's chunks, in lazy batches of one read each."""
        reader: Reader | None = None
        try:
            async with self.endpoint() as config, self._ask(config, prompt) as (reader, batches):
                yield batches
        except StreamInterruptedError as error:
            # Where the client was closed, the reader has not seen that, but it knows the partial.
            if reader is not None and error.partial is None:
                if reader.is_told:
                    return  # the final chunk was taken: what closed then was nobody's loss
                for _ in reader.cut(error, 0.0):
                    pass
                error.partial = reader.partial()
            raise

    @asynccontextmanager
    async def _ask(
        self, config: WizardConfig, prompt: Prompt
    ) -> AsyncGenerator[tuple[Reader, AsyncIterable[Iterable[StreamChunk]]]]:
        """Send the request; give its answer's chunks, and the reader that makes them."""
        vendor = config.vendor
        protocol = PROTOCOLS[vendor.protocol]
        request = protocol.request(prompt, config, vendor)
        request = replace(request, headers={**request.headers, **config.headers})
        deadlines = _deadlines(config.deadlines)
        timeouts = Timeouts(deadlines.connect or config.deadlines.connect, deadlines.headers)
        requested_at = asyncio.get_running_loop().time()
        secrets = _secrets(config)
        redact = redactor(*secrets)
        try:
            request = request.signed(encoded)
            redact = redactor(*secrets, *request.secrets.values())
            async with self.transport.post(request, timeouts, self.streaming.read_bufsize) as reply:
                if not 200 <= reply.status < 300:
                    raise error_from_response(reply.status, reply.headers, await reply.error_body())
                options = ReaderOptions(
                    vendor=vendor,
                    source=ChunkSource(
                        provider=vendor.name,
                        model=config.model_name,
                        request_id=request_id(reply.headers),
                        rate_limit=rate_limits(reply.headers),
                        requested_at=requested_at,
                    ),
                    heartbeats=self.streaming.heartbeats,
                    think_tags=self.streaming.think_tags,
                    raw=self.streaming.raw,
                    redact=redact,
                )
                decoder = protocol.decoder(self.streaming.max_event_bytes)
                reader = protocol.reader(options)
                if (gate := pushing.get()) is not None:
                    gate.evidence = reader.partial
                rest = _rest_seconds(deadlines)
                async with aclosing(_read(reply, decoder, reader, rest)) as batches:
                    yield reader, batches
        except WizardError as error:
            explain(error, vendor, config.model_name, request.url, redact)
            raise


async def _read(
    reply: Reply, decoder: Decoder[Any], reader: Reader, rest_seconds: float
) -> AsyncGenerator[Iterable[StreamChunk]]:
    """Read the body to its terminal signal, its end, or where it breaks.

    Nothing is decoded before the batch is asked for; each batch is read before the next one.
    """
    clock = asyncio.get_running_loop().time
    at = clock()
    rest: _Rest | None = None
    try:
        while data := await (reply.read() if rest is None else rest.read()):
            at = clock()
            frames = decoder.feed(data)
            # Not kept while the batch waits at a closed gate: a paused stream would hold it twice.
            del data
            batch = reader.read(frames, at, decoder.position)
            yield batch if rest is None else rest.noted(batch)
            if reader.done:
                reply.is_answered = True
                return
            if rest is None and reader.answered:
                rest = _Rest(reply, rest_seconds)
        last = decoder.finish()
    except WizardError as error:
        # The reader knows the partial, and whether the answer had ended before this.
        if reader.done:
            raise
        yield reader.cut(error, at, _left_in(decoder))
    else:
        yield reader.end(last, at, decoder.position)


class _Rest:
    """Reads what follows a terminal signal, and waits for it only so long.

    What the model still writes begins the wait anew, since with some the answer may go on. Time in
    which nobody asks for it does not count.

    Args:
        reply: The rest of it is read.
        seconds: Longest wait.
    """

    def __init__(self, reply: Reply, seconds: float) -> None:
        self._reply = reply
        self._seconds = self._left = seconds

    async def read(self) -> bytes:
        """Give the next slice of the body.

        Raises:
            StreamInterruptedError: The connection broke, or nothing came in time.
        """
        began = asyncio.get_running_loop().time()
        in_time = asyncio.timeout(self._left)
        try:
            async with in_time:
                data = await self._reply.read()
        except TimeoutError:
            if not in_time.expired():
                raise
            message = f"nothing more came within {self._seconds:g} seconds"
            raise StreamInterruptedError(message) from None
        self._left -= asyncio.get_running_loop().time() - began
        return data

    def noted(self, batch: Iterable[StreamChunk]) -> Iterator[StreamChunk]:
        """Give the chunks of a slice."""
        for chunk in batch:
            if chunk.text or chunk.reasoning or chunk.tool_call is not None:
                self._left = self._seconds
            yield chunk


def _deadlines(config: DeadlineConfig) -> RequestDeadlines:
    """Give what holds for a request: what is configured, and what those below it want."""
    window = None if config.min_rate is None else config.window
    configured = RequestDeadlines(config.connect, config.headers, shortest(config.idle, window))
    return configured.stricter(deadlines_below.get())


def _rest_seconds(deadlines: RequestDeadlines) -> float:
    """Give how long to wait for the rest: not until somebody makes an error of the silence."""
    silence = deadlines.silence
    return _REST_SECONDS if silence is None else min(_REST_SECONDS, silence / 2)


def _left_in(decoder: Decoder[Any]) -> list[Any]:
    """Give what a decoder holds of a body that broke off: a last event may be whole."""
    try:
        return decoder.finish()
    except WizardError:
        return []


def _secrets(config: WizardConfig) -> list[SecretStr]:
    """Give all that must not be shown: the key, secret headers, what the endpoint carries."""
    found = [config.api_key] if config.api_key is not None else []
    found += [
        SecretStr(value) for name, value in config.headers.items() if SECRET_NAMES.search(name)
    ]
    try:
        url = urlsplit(config.endpoint or "")
    except ValueError:  # no URL at all, which the transport says
        return found
    if url.password:
        found.append(SecretStr(url.password))
    found += [SecretStr(value) for name, value in parse_qsl(url.query) if SECRET_NAMES.search(name)]
    return found
