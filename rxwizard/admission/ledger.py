"""What limiter and breaker learn from one request: how it went, and what it did cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.chunks import ANSWERING, RateLimit, StreamChunk, TokenUsage
from rxwizard.errors import RateLimitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rxwizard.admission.limiter import RateLimiter
    from rxwizard.admission.turn import Turn


class Ledger:
    """Tells them of one request.

    The limiter last: it wakes who waits, and they are to see what the breaker knows by now.

    Args:
        limiter: Is told of limits and cost.
        turn: The request's; its breaker is told how it went.
        estimate: Tokens it was believed to cost.
    """

    def __init__(self, limiter: RateLimiter | None, turn: Turn, estimate: int) -> None:
        self._limiter = limiter
        self._turn = turn
        self._estimate = estimate
        self._limits: Mapping[str, RateLimit] | None = None
        self.has_answered = False
        self._usage: TokenUsage | None = None

    def take(self, chunk: StreamChunk) -> None:
        """See a chunk; those of plain text need not be, once there was one."""
        limits = chunk.source.rate_limit
        if limits is not None and limits is not self._limits:
            self._limits = limits
            if self._limiter is not None:
                self._limiter.learn(limits, self._turn.now())
        if chunk.usage is not None:
            self._usage = chunk.usage
        if not self.has_answered and (chunk.kind in ANSWERING or chunk.is_final):
            self._answers()

    def complete(self, last: StreamChunk | None) -> None:
        """It is whole, with this as its last chunk."""
        self._answers()
        reported = _total(last.usage) if last is not None else None
        self._settle(self._estimate if reported is None else reported)

    def fail(self, error: Exception, last: StreamChunk | None) -> None:
        """It failed after this chunk."""
        now = self._turn.now()
        if self._turn.attempt is not None:
            self._turn.attempt.failed(error, now)
        if (
            self._limiter is not None
            and isinstance(error, RateLimitError)
            and error.retryable  # a spent quota is not filled up by waiting
            and error.retry_after is not None
        ):
            self._limiter.blocked(error.retry_after, now)
        self._settle(self._at_least(self._estimate if self.has_answered else 0, last))

    def leave(self, last: StreamChunk | None) -> None:
        """Nobody wants more than this chunk. Does nothing after the end."""
        if self._turn.leave():
            return
        if last is not None and last.is_final:
            self.complete(last)
            return
        if self._turn.attempt is not None:
            self._turn.attempt.abandoned()
        self._settle(self._at_least(self._estimate, last))

    def _at_least(self, tokens: int, last: StreamChunk | None) -> int:
        """Give what it did cost, of which a part may have been reported."""
        seen = (self._usage, None if last is None else last.usage)
        return max(tokens, *(_total(usage) or 0 for usage in seen))

    def _answers(self) -> None:
        self.has_answered = True
        if self._turn.attempt is not None:
            self._turn.attempt.succeeded()

    def _settle(self, tokens: int) -> None:
        if self._limiter is not None and self._turn.ticket is not None:
            self._limiter.settle(self._turn.ticket, tokens, self._turn.now())


def _total(usage: TokenUsage | None) -> int | None:
    return None if usage is None else (usage.latest or usage).total_tokens
