"""The operator that has a stream wait for its turn, or fail at once where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactivex import Observable
from reactivex.disposable import (
    CompositeDisposable,
    Disposable,
    SingleAssignmentDisposable,
)

from rxwizard.admission.ledger import Ledger
from rxwizard.admission.turn import Turn
from rxwizard.chunks import ChunkKind, StreamChunk
from rxwizard.errors import ConfigError, StreamInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import abc

    from rxwizard.admission.breaker import CircuitBreaker
    from rxwizard.admission.limiter import RateLimiter


def admitted(
    limiter: RateLimiter | None,
    breaker: CircuitBreaker | None,
    estimate: int = 0,
    closing: Observable[object] | None = None,
) -> Callable[[Observable[StreamChunk]], Observable[StreamChunk]]:
    """Subscribe to the source when it is its turn, and not at all while the circuit is open.

    The source is one request. Subscribing waits in the limiter's line, for as long as that takes,
    and then subscribes to the source once. Its chunks pass as they are; the limiter learns from
    them what the provider says of its limits, and at the end what the answer did cost.

    While the circuit is open it fails at once with a CircuitOpenError, also where it opens while
    this waits; the source is then never subscribed to. The first token closes a circuit that is
    being tried.

    What an answer counts for the limiter: its final usage, or the estimate where none is reported.
    An attempt that fails before its first token counts what it had reported, mostly nothing. One
    that fails later, or is disposed of, counts the estimate, or what it had reported where that is
    more: what it did cost nobody says. A 429 that says for how long has everybody wait.

    Completion and errors of the source pass through at once. Disposing while it waits leaves the
    line, and those behind move up; later it closes the source.

    Args:
        limiter: Shared by the streams of one account; None: nothing limits them.
        breaker: Shared by the streams of one endpoint; None: nobody watches it.
        estimate: Tokens the request is believed to cost, 0 or more; see `estimate_tokens`.
        closing: When it says something, whoever still waits fails with a StreamInterruptedError.

    Raises:
        ConfigError: The estimate is below 0.
    """
    if estimate < 0:
        message = f"an estimate of {estimate} tokens cannot work; it must be 0 or more"
        raise ConfigError(message)

    def operator(source: Observable[StreamChunk]) -> Observable[StreamChunk]:
        def subscribe(
            observer: abc.ObserverBase[StreamChunk], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            request = _Request(limiter, breaker, estimate, source, observer, scheduler)
            return request.begin(closing)

        return Observable(subscribe)

    return operator


class _Request:
    """One subscription: it waits for its turn, then subscribes and sees what comes."""

    __slots__ = (
        "_last",
        "_ledger",
        "_observer",
        "_plain",
        "_push",
        "_scheduler",
        "_source",
        "_subscription",
        "_turn",
    )

    def __init__(
        self,
        limiter: RateLimiter | None,
        breaker: CircuitBreaker | None,
        estimate: int,
        source: Observable[StreamChunk],
        observer: abc.ObserverBase[StreamChunk],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._source = source
        self._observer = observer
        self._push = observer.on_next
        self._scheduler = scheduler
        self._subscription = SingleAssignmentDisposable()
        self._turn = Turn(limiter, breaker, estimate, scheduler, self._send, observer.on_error)
        self._ledger = Ledger(limiter, self._turn, estimate)
        self._last: StreamChunk | None = None
        # Nine of ten chunks are text, and from the second one on there is nothing in them to see.
        self._plain: ChunkKind | None = None

    def begin(self, closing: Observable[object] | None) -> abc.DisposableBase:
        self._turn.begin()
        if closing is None:
            return Disposable(self._dispose)
        return CompositeDisposable(Disposable(self._dispose), closing.subscribe(self._give_up))

    def _give_up(self, _said: object) -> None:
        if self._turn.leave():
            message = "The client was closed before this request had its turn."
            self._observer.on_error(StreamInterruptedError(message, retryable=False))

    def _send(self) -> None:
        self._subscription.disposable = self._source.subscribe(
            self._on_next, self._on_error, self._on_completed, scheduler=self._scheduler
        )

    def _dispose(self) -> None:
        self._subscription.dispose()
        self._ledger.leave(self._last)

    def _on_next(self, chunk: StreamChunk) -> None:
        if chunk.kind is not self._plain:
            self._ledger.take(chunk)
            if self._ledger.has_answered:
                self._plain = ChunkKind.TEXT
        self._last = chunk
        self._push(chunk)

    def _on_error(self, error: Exception) -> None:
        self._ledger.fail(error, self._last)
        self._observer.on_error(error)

    def _on_completed(self) -> None:
        self._ledger.complete(self._last)
        self._observer.on_completed()
