"""How an answer survives: the settings for failures, made into operators around its requests.

From the request outwards::

    request -> deadlines -> turn (limits, circuit) -> hedge -> retry -> cache -> fallback -> total

The operators are those that anybody may use.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING

from rxwizard.admission import (
    admitted,
    breaker_for,
    endpoint_key,
    estimate_tokens,
    limit_key,
    limiter_for,
)
from rxwizard.cache import cached, request_key
from rxwizard.operators.deadline import deadline, without_heartbeats
from rxwizard.operators.fallback import Alternative, fallback_to
from rxwizard.operators.hedging import FirstTokenTimes, hedge
from rxwizard.operators.retry import Resumed, retry_stream
from rxwizard.providers import PROTOCOLS
from rxwizard.providers.continuing import continuation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reactivex import Observable

    from rxwizard.cache import Cache
    from rxwizard.chunks import StreamChunk, WizardResponse
    from rxwizard.config import WizardConfig
    from rxwizard.errors import WizardError
    from rxwizard.prompts import Prompt
    from rxwizard.source import Source
    from rxwizard.stream import Stream


_simulators = count(1)


@lru_cache(maxsize=1000)
def _times(_endpoint: str, _model: str) -> FirstTokenTimes:
    """Give the times to first token of a model, for all clients of this process."""
    return FirstTokenTimes()


class Model:
    """One model that may be asked, and what the streams of its answers have in common.

    Args:
        source: Asks it once.
        cache: Where whole answers are kept; None: nowhere.
        on: Errors of others after which it is asked.
        closing: Says something when the client is closed, so that nothing waits any longer.
    """

    def __init__(
        self,
        source: Source,
        cache: Cache | None = None,
        on: tuple[type[WizardError], ...] = (),
        closing: Observable[object] | None = None,
    ) -> None:
        config = source.config
        self.name = config.model
        self.on = on
        #: Whether heartbeats are there for the idle clock alone, and nobody else wants them.
        self._hides_heartbeats = config.deadlines.heartbeats and not source.streaming.heartbeats
        if self._hides_heartbeats:
            streaming = source.streaming.model_copy(update={"heartbeats": True})
            source = replace(source, streaming=streaming)
        self._source = source
        self._cache = cache
        self._closing = closing
        self._deadline = deadline(config.deadlines.model_copy(update={"total": None}))
        self._limiter = self._breaker = None
        endpoint = config.endpoint or config.vendor.endpoint or config.provider
        if config.endpoint is None and config.vendor.in_process:
            endpoint = f"{config.provider}-{next(_simulators)}"  # each client has its own
        self._times = _times(endpoint, config.model_name)
        if config.rate_limit is not None:
            key = limit_key(endpoint, config.model_name, config.api_key)
            self._limiter = limiter_for(key, config.rate_limit)
        if config.circuit is not None:
            name = endpoint_key(endpoint)
            self._breaker = breaker_for(name, config.circuit, name)

    def answer(self, prompt: Prompt) -> Stream[StreamChunk]:
        """Make the cold stream of its answer, by all that its settings say of failures."""
        config = self._source.config
        stream = self._requests(prompt)
        if config.retry.retries:
            resume = self._resuming(prompt)
            retry = retry_stream(config.retry, resume=resume, retry_now=self._closing)
            stream = stream.pipe(retry)
        if self._cache is not None:
            stream = cached(self._cache, lambda: self._key(prompt), stream)
        return stream

    def _requests(self, prompt: Prompt) -> Stream[StreamChunk]:
        """Make the stream that is one request each time, or two where the first is slow."""
        config = self._source.config
        stream = self._source.stream(prompt).pipe(self._deadline)
        if self._hides_heartbeats:
            stream = stream.pipe(without_heartbeats())
        if self._limiter is not None or self._breaker is not None:
            size = estimate_tokens(_characters(prompt), config.max_tokens)
            stream = stream.pipe(admitted(self._limiter, self._breaker, size, self._closing))
        if config.hedge is not None:
            stream = stream.pipe(hedge(config.hedge, history=self._times))
        return stream

    def _resuming(self, prompt: Prompt) -> Callable[[WizardResponse], Resumed | None]:
        config = self._source.config

        def resume(partial: WizardResponse) -> Resumed | None:
            has_thought = bool(partial.reasoning)
            rest = continuation(prompt, partial.text, config, has_thought=has_thought)
            if rest is None:
                return None
            return Resumed(self._requests(rest.prompt), rest.is_exact, rest.is_echoed)

        return resume

    def _key(self, prompt: Prompt) -> str:
        config, streaming = self._source.config, self._source.streaming
        vendor = config.vendor
        if config.endpoint is None and vendor.in_process:
            # It is known once the simulator runs, and another one each time.
            config = config.model_copy(update={"endpoint": "http://simulator"})
        request = PROTOCOLS[vendor.protocol].request(prompt, config, vendor)
        request = replace(request, headers={**request.headers, **config.headers})
        return request_key(request, vendor, think_tags=streaming.think_tags, raw=streaming.raw)


def _characters(prompt: Prompt) -> int:
    """Count what is sent, roughly: the texts, and what stands for them elsewhere."""
    parts = [prompt.text, prompt.system or "", prompt.prefill or ""]
    parts += [str(message.content or "") for message in prompt.history]
    parts += [str(tool) for tool in prompt.tools]
    return sum(map(len, parts))


def answer(models: Sequence[Model], prompt: Prompt, config: WizardConfig) -> Stream[StreamChunk]:
    """Make the cold stream of the answer of the first of these models that gives one."""
    first, *others = models
    stream = first.answer(prompt)
    if config.fallback is not None:
        alternatives = [
            Alternative(each.answer(prompt), on=each.on, name=each.name) for each in others
        ]
        after = config.fallback.after_first_token
        stream = stream.pipe(fallback_to(*alternatives, after_first_token=after))
    if config.deadlines.total is not None:
        stream = stream.pipe(deadline(total=config.deadlines.total))
    return stream
