"""Where wire meets Rx: transport, decoder, reader and gate make one cold Stream."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
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
from rxwizard.prompts import Prompt
from rxwizard.providers import PROTOCOLS, Reader, ReaderOptions
from rxwizard.providers.failures import error_from_response, request_id
from rxwizard.providers.ratelimits import rate_limits
from rxwizard.providers.redaction import redactor
from rxwizard.providers.remedies import explain
from rxwizard.stream import Stream
from rxwizard.transport import Reply, Timeouts, Transport, encoded

#: What names of headers and of query fields have in them whose values are secrets.
_TELLING = re.compile("auth|key|token|secret|cookie", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """All that one answer needs, except the moment it is asked for.

    Attributes:
        config: Whom to ask, and how.
        streaming: How the answer flows.
        transport: Sends the request.
        endpoint: Opens the way to the provider and gives the settings to use; that is where the
            simulator is started.
    """

    config: WizardConfig
    streaming: StreamingConfig
    transport: Transport
    endpoint: Callable[[], AbstractAsyncContextManager[WizardConfig]]

    def stream(self, prompt: Prompt) -> Stream[StreamChunk]:
        """Make the cold stream of the answers to `prompt`; each subscription asks anew."""

        def subscribe(
            observer: abc.ObserverBase[StreamChunk], _scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return push_batches(lambda: self._answer(prompt), observer)

        return Stream(subscribe, self.streaming)

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
                for _ in reader.cut(error, 0.0):
                    pass
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
        timeouts = Timeouts(connect=config.connect_timeout, idle=config.idle_timeout)
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
                async with aclosing(_read(reply, decoder, reader)) as batches:
                    yield reader, batches
        except WizardError as error:
            explain(error, vendor, config.model_name, request.url, redact)
            raise


async def _read(
    reply: Reply, decoder: Decoder[Any], reader: Reader
) -> AsyncGenerator[Iterable[StreamChunk]]:
    """Read the body to its terminal signal, its end, or where it breaks.

    Nothing is decoded before the batch is asked for; each batch is read before the next one.
    """
    clock = asyncio.get_running_loop().time
    at = clock()
    try:
        while data := await reply.read():
            at = clock()
            frames = decoder.feed(data)
            # Not kept while the batch waits at a closed gate: a paused stream would hold it twice.
            del data
            yield reader.read(frames, at, decoder.position)
            if reader.done:
                reply.is_answered = True
                return
        last = decoder.finish()
    except WizardError as error:
        # The reader knows the partial, and whether the answer had ended before this.
        if reader.done:
            raise
        yield reader.cut(error, at, _left_in(decoder))
    else:
        yield reader.end(last, at, decoder.position)


def _left_in(decoder: Decoder[Any]) -> list[Any]:
    """Give what a decoder holds of a body that broke off: a last event may be whole."""
    try:
        return decoder.finish()
    except WizardError:
        return []


def _secrets(config: WizardConfig) -> list[SecretStr]:
    """Give all that must not be shown: the key, secret headers, what the endpoint carries."""
    found = [config.api_key] if config.api_key is not None else []
    found += [SecretStr(value) for name, value in config.headers.items() if _TELLING.search(name)]
    try:
        url = urlsplit(config.endpoint or "")
    except ValueError:  # no URL at all, which the transport says
        return found
    if url.password:
        found.append(SecretStr(url.password))
    found += [SecretStr(value) for name, value in parse_qsl(url.query) if _TELLING.search(name)]
    return found
