"""How long an answer may take: a clock for each stage of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from reactivex import Observable

from rxwizard.chunks import ChunkKind, StreamChunk, altered
from rxwizard.errors import ConfigError
from rxwizard.operators.handing_down import handing_down
from rxwizard.operators.limits import Limits
from rxwizard.operators.making import PassThrough, Steps, check_settings, lift
from rxwizard.operators.timing import check_over_zero
from rxwizard.operators.watchdog import watch
from rxwizard.policies import DeadlineConfig, RequestDeadlines

if TYPE_CHECKING:
    from reactivex import abc

    from rxwizard.operators.making import Operator

A = TypeVar("A")

_HEARTBEAT = ChunkKind.HEARTBEAT


def deadline(
    config: DeadlineConfig | None = None,
    *,
    connect: float | None = None,
    headers: float | None = None,
    first_token: float | None = None,
    idle: float | None = None,
    heartbeats: bool | None = None,
    min_rate: float | None = None,
    window: float | None = None,
    total: float | None = None,
) -> PassThrough:
    """End the stream with an error where it takes too long; one clock for each stage.

    .. marble::
        -s-a-b----------|
        [deadline(idle=3)]
        -s-a-b--#

    Emits the items of the source, unchanged and at once. When a clock runs out, the source is
    disposed of, which closes its connection, and then the error comes: a DeadlineError, one class a
    clock, whose `seconds` is what the clock was set to and whose `partial` is what had arrived.
    Nothing is held back: completion and errors pass through at once and stop the clocks, and so
    does the final chunk, after which nothing but completion can come. Disposing lets go of the
    source and the timer at once.

    All clocks stand still while a reader holds the source, and nobody is blamed for what waits in
    the socket because the event loop itself stood still (but by `connect` and `headers`, which are
    clocks of the HTTP client's). The clock is that of the subscription.

    An item that is no chunk has content, but for an empty string. Where the answer begins anew (a
    retraction, a second start, a newer epoch), so do the wait for the first token and the rate; a
    retry that comes before the first token does not begin it anew, it is a part of the wait. So,
    around a retry, `first_token` is for all attempts together, and for each one inside.

    Args:
        config: All clocks, as settings have them. With nothing at all given: DeadlineConfig().
        connect: Seconds until there is a connection, for every request that this subscription leads
            to, where its own settings give no less.
        headers: Seconds from the request to the headers of the response, likewise.
        first_token: Seconds from the subscription to the first text, reasoning, refusal or tool
            call that is not empty.
        idle: Seconds without content, from the first token on. Content is what is not empty of
            these, and citations, chunks of kind other and the final chunk.
        heartbeats: Whether heartbeats are content, too. None: they are not. They come where they
            are asked for, with StreamingConfig(heartbeats=True).
        min_rate: Tokens a second, estimated, that must come over any `window` from the first token
            on.
        window: Seconds for `min_rate`; None: 30. It is exact to 0.4 %.
        total: Seconds from the subscription to the end.

    Raises:
        ConfigError: A number cannot work, there is no clock, or both a config and clocks are given;
            as errors of the stream: FirstTokenDeadlineError, IdleDeadlineError, RateDeadlineError,
            TotalDeadlineError, and from the request ConnectDeadlineError, HeadersDeadlineError.

    Example:
        >>> reactivex.of("Hel", "lo").pipe(ops.deadline(idle=60, total=600), rx.to_list()).run()
        ['Hel', 'lo']
        >>> late = reactivex.never().pipe(ops.deadline(first_token=0.01))
        >>> late.pipe(rx.catch(lambda error, _: reactivex.of(type(error).__name__))).run()
        'FirstTokenDeadlineError'
    """
    check_settings("deadline", config, DeadlineConfig)
    given = {
        name: value
        for name, value in (
            *(("connect", connect), ("headers", headers), ("first_token", first_token)),
            *(("idle", idle), ("heartbeats", heartbeats), ("min_rate", min_rate)),
            *(("window", window), ("total", total)),
        )
        if value is not None
    }
    if config is not None and given:
        message = f"deadline takes a config or clocks of its own, not both: {', '.join(given)}"
        raise ConfigError(message)
    limits, below = _from_settings(config or DeadlineConfig()) if not given else _alone(given)

    def operator(source: Observable[A]) -> Observable[A]:
        # A request's own stream; behind an operator, what it knows is not what came by here.
        knows_partial = getattr(source, "knows_partial", False)

        def subscribe(
            observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            with handing_down(below, scheduler) as lent:
                if not limits.has_any:
                    return source.subscribe(observer, scheduler=lent)
                return watch(source, limits, observer, lent, knows_partial=knows_partial)

        return Observable(subscribe)

    return operator


def _alone(given: dict[str, Any]) -> tuple[Limits, RequestDeadlines]:
    """Have those clocks alone that are given."""
    check_over_zero("deadline", **{k: v for k, v in given.items() if k != "heartbeats"})
    request = RequestDeadlines(given.pop("connect", None), given.pop("headers", None))
    limits = Limits(**given)
    if not limits.has_any and request == RequestDeadlines():
        message = "deadline needs a clock: connect, headers, first_token, idle, min_rate or total"
        raise ConfigError(message)
    return limits, replace(request, silence=limits.silence)


def _from_settings(config: DeadlineConfig) -> tuple[Limits, RequestDeadlines]:
    fields = dict(config)
    request = RequestDeadlines(fields.pop("connect"), fields.pop("headers"))
    limits = Limits(**fields)
    return limits, replace(request, silence=limits.silence)


def without_heartbeats() -> Operator[StreamChunk, StreamChunk]:
    """Drop chunks of kind heartbeat, which only a clock had to see; `seq` goes on rising by one."""

    def begin() -> Steps[StreamChunk, StreamChunk]:
        dropped = 0

        def take(chunk: StreamChunk) -> tuple[StreamChunk, ...]:
            nonlocal dropped
            if chunk.kind is _HEARTBEAT:
                dropped += 1
                return ()
            return (altered(chunk, seq=chunk.seq - dropped) if dropped else chunk,)

        return Steps(take)

    return lift(begin)
