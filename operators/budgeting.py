"""How a stream is ended, or its reader warned, when a budget is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from reactivex import Observable, abc
from reactivex.disposable import SingleAssignmentDisposable

from rxwizard.chunks import ChunkKind, FinishReason, StreamChunk, altered
from rxwizard.errors import BudgetExceededError
from rxwizard.fold import ResponseBuilder

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from rxwizard.operators.making import Operator
    from rxwizard.operators.spending import Spending

OnExceed: TypeAlias = Literal["cut", "error", "warn"]


class Limits(NamedTuple):
    """What may be spent; None: as much as there is."""

    tokens: int | None
    usd: Decimal | None

    def overrun(self, spending: Spending, *, is_over: bool) -> str | None:
        """Say what was spent, where a limit was reached; a stream that is over may reach it."""
        if (limit := self.tokens) is not None:
            spent = spending.tokens
            if spent >= limit + is_over:
                amount = f"{spent:,} tokens ({spending.source})"
                return f"the budget of {limit:,} tokens is spent: {amount} have come"
        if self.usd is not None:
            cost = spending.cost()
            if cost.usd > self.usd or (cost.usd == self.usd and not is_over):
                return f"the budget of ${self.usd} is spent: it has cost {cost}"
        return None


def within(
    limits: Limits, on_exceed: OnExceed, begin: Callable[[], Spending]
) -> Operator[StreamChunk, StreamChunk]:
    """Make the operator that holds a stream to these limits."""

    def operator(source: Observable[StreamChunk]) -> Observable[StreamChunk]:
        def subscribe(
            observer: abc.ObserverBase[StreamChunk], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            subscription = SingleAssignmentDisposable()
            guard = _Guard(limits, on_exceed, begin(), observer, subscription)
            subscription.disposable = source.subscribe(
                guard.on_next, guard.on_error, guard.on_completed, scheduler=scheduler
            )
            return subscription

        return Observable(subscribe)

    return operator


class _Guard:
    """One subscription: passes chunks on, and counts them."""

    def __init__(
        self,
        limits: Limits,
        on_exceed: OnExceed,
        spending: Spending,
        observer: abc.ObserverBase[StreamChunk],
        subscription: abc.DisposableBase,
    ) -> None:
        self._limits = limits
        self._on_exceed = on_exceed
        self._spending = spending
        self._observer = observer
        self._subscription = subscription
        self._builder = ResponseBuilder() if on_exceed == "error" else None
        self._over = False
        # How many chunks of ours stand among the source's.
        self._added = 0

    def on_next(self, chunk: StreamChunk) -> None:
        if self._over:  # a source that pushes on while it is being disposed of
            return
        try:
            wrote = self._spending.add(chunk)
            if self._builder is not None:
                self._builder.add(chunk)
            # What comes without output costs nothing, and may be the last word before the end.
            looks = (wrote or chunk.is_final) and not self._added
            overrun = (
                self._limits.overrun(self._spending, is_over=chunk.is_final) if looks else None
            )
        except Exception as error:
            self._fail(error)
            return
        if overrun is None:
            self._emit(chunk)
        elif self._on_exceed == "error":
            if not chunk.is_final:  # a stream that fails has no final chunk
                self._emit(chunk)
            self._fail(self._exceeded(overrun, chunk))
        elif self._on_exceed == "warn":
            self._warn(overrun, chunk)
        elif chunk.is_final:
            self._emit(chunk)
        else:
            self._cut(chunk)

    def on_error(self, error: Exception) -> None:
        if not self._over:
            self._observer.on_error(error)

    def on_completed(self) -> None:
        if not self._over:
            self._observer.on_completed()

    def _emit(self, chunk: StreamChunk) -> None:
        added = self._added
        self._observer.on_next(altered(chunk, seq=chunk.seq + added) if added else chunk)

    def _warn(self, sentence: str, chunk: StreamChunk) -> None:
        # The final chunk must be the last one.
        after = not chunk.is_final
        if after:
            self._emit(chunk)
        self._observer.on_next(
            StreamChunk(
                kind=ChunkKind.WARNING,
                data=sentence,
                seq=chunk.seq + after,
                epoch=chunk.epoch,
                at=chunk.at,
                source=chunk.source,
            )
        )
        self._added = 1
        if not after:
            self._emit(chunk)

    def _cut(self, chunk: StreamChunk) -> None:
        self._over = True
        # First of all, so that the provider stops and nobody pays while the reader is busy.
        self._subscription.dispose()
        self._observer.on_next(chunk)
        self._observer.on_next(
            StreamChunk(
                kind=ChunkKind.FINAL,
                is_final=True,
                complete=False,
                finish_reason=FinishReason.BUDGET,
                usage=self._spending.usage,
                seq=chunk.seq + 1,
                epoch=chunk.epoch,
                at=chunk.at,
                source=chunk.source,
            )
        )
        self._observer.on_completed()

    def _fail(self, error: Exception) -> None:
        self._over = True
        self._subscription.dispose()
        self._observer.on_error(error)

    def _exceeded(self, sentence: str, chunk: StreamChunk) -> BudgetExceededError:
        partial = self._builder.build() if self._builder is not None else None
        source = chunk.source
        return BudgetExceededError(
            sentence,
            request_id=source.request_id,
            provider=source.provider or None,
            partial=partial,
        )
