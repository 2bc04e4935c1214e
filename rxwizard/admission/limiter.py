"""The rate limiter: who may ask a provider now, among all streams of a process.

aiolimiter has the leaky bucket, and not what a model needs beside it. Its time and its futures are
those of one loop; here streams of several loops, and of virtual time, stand in one line. It takes
what a request costs beforehand, where the tokens are known only after the answer, and refuses one
that costs more than the bucket holds. It knows nothing of the provider's own count. And when there
is room for several waiters of different cost, the cheap ones pass; here it is first come, first
served, and who goes away leaves no gap.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING, Literal

from rxwizard.admission.buckets import GRAIN, Allowance, Bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rxwizard.chunks import RateLimit
    from rxwizard.policies import RateLimitConfig

#: Most seconds for which a provider can have everybody wait. Its limits count by the minute. What
#: is used up for longer (a day's requests) each request finds out for itself, and its error says
#: for how long; a line that stands still for hours would say nothing.
MAX_BLOCK = 60.0

#: Seconds after which those who wait behind another look whether that one is still there.
LOOK_AGAIN = 5.0


def estimate_tokens(characters: int, max_tokens: int | None = None) -> int:
    """Estimate what a request will cost: a token for four characters, and the longest answer.

    It is an estimate, and put right when the usage is known: four characters are about right for
    English, while a Chinese character is about a token. Where no longest answer is set, the answer
    counts as nothing until then.

    Args:
        characters: Length of all that is sent to the model.
        max_tokens: Most tokens the answer may have; None: not set.
    """
    return -(-characters // 4) + (max_tokens or 0)


class Ticket:
    """A place in the line of a limiter. `RateLimiter.join` gives it."""

    __slots__ = ("gone", "notify", "state", "tokens")

    def __init__(
        self, tokens: float, notify: Callable[[], object], gone: Callable[[], bool]
    ) -> None:
        #: Tokens that the request is believed to cost.
        self.tokens = tokens
        self.notify = notify
        self.gone = gone
        self.state: Literal["waiting", "admitted", "over"] = "waiting"


class RateLimiter:
    """Admit requests one after the other, as fast as our limits and the provider's allow.

    It has no clock and no timer: those who wait tell it the time, in seconds of one monotonic
    clock, and have their own timers. Any thread may call it.

    Each request is one `join`; then `admit`, again whenever the time it said is up or `notify` was
    called, until it gives 0; and at the end `settle`, or `leave` at any time before that.

    Args:
        config: The limits. Without any, it still does what the provider says.
    """

    def __init__(self, config: RateLimitConfig) -> None:
        self._requests = _bucket(config.requests_per_minute, config.burst)
        self._tokens = _bucket(config.tokens_per_minute, config.burst)
        self._follows = config.follow_provider
        self._allowances: dict[str, Allowance] = {}
        self._blocked_until = -inf
        self._line: OrderedDict[Ticket, None] = OrderedDict()
        # Re-entrant: a reader's finaliser can run anywhere, and leaves the line.
        self._lock = threading.RLock()

    @property
    def waiting(self) -> int:
        """How many stand in the line."""
        return len(self._line)

    def join(
        self, tokens: float, notify: Callable[[], object], gone: Callable[[], bool] = lambda: False
    ) -> Ticket:
        """Stand at the end of the line.

        Args:
            tokens: What the request is believed to cost, 0 or more.
            notify: Called, from any thread, when asking again may be worth it sooner than `admit`
                had said. It must not raise, and not do the work itself.
            gone: Tells whether nobody is there any more to ask or to leave: its loop was closed.
        """
        ticket = Ticket(tokens, notify, gone)
        with self._lock:
            self._line[ticket] = None
        return ticket

    def admit(self, ticket: Ticket, now: float) -> float:
        """Let it go if it is its turn and there is room: 0; else the seconds until to ask again."""
        with self._lock:
            if ticket.state != "waiting":
                return 0.0
            if self._head() is not ticket:
                return LOOK_AGAIN
            if (seconds := self._wait(ticket.tokens, now)) > 0:
                return seconds
            self._line.pop(ticket, None)
            ticket.state = "admitted"
            self._change(-1, -ticket.tokens, now)
        self._call_next()
        return 0.0

    def leave(self, ticket: Ticket, now: float) -> None:
        """Give the place up, and what was taken if it had been admitted: it was not asked.

        Those behind move up. Does nothing after `settle`, or a second time.
        """
        with self._lock:
            state, ticket.state = ticket.state, "over"
            if state == "over":
                return
            self._line.pop(ticket, None)
            if state == "admitted":
                self._change(1, ticket.tokens, now)
        self._call_next()

    def settle(self, ticket: Ticket, tokens: float, now: float) -> None:
        """Put right what an admitted request took, once it is known: more, or less.

        What it took too much is put back, as far as the bucket has room; what it took too little is
        a debt, which those behind wait for. The request itself counts in any case. Does nothing a
        second time.

        Args:
            ticket: The request's.
            tokens: What it did cost; 0 where it failed before anything was generated.
            now: The time.
        """
        with self._lock:
            if ticket.state != "admitted":
                return
            ticket.state = "over"
            self._change(0, ticket.tokens - tokens, now)
        self._call_next()

    def learn(self, limits: Mapping[str, RateLimit], now: float) -> None:
        """Take in what the provider said of its limits with an answer that has just begun.

        Where nothing is left, nobody is admitted until it is full again, or for `MAX_BLOCK` seconds
        where that is longer. A later answer does not change that: answers overtake each other.
        Where less is left than we thought, that is what is left; each request takes from it. Counts
        of other things than requests and tokens are none of ours.
        """
        if not self._follows:
            return
        with self._lock:
            self._allowances = {}
            for name, limit in limits.items():
                if limit.remaining is None or not (_of_tokens(name) or "request" in name):
                    continue
                bucket = self._tokens if _of_tokens(name) else self._requests
                if bucket is not None:
                    bucket.hold_at_most(limit.remaining, now)
                if not (seconds := limit.reset_after):
                    continue
                if limit.remaining == 0:
                    self._block(seconds, now)
                if seconds <= MAX_BLOCK:
                    self._allowances[name] = Allowance(limit.remaining, limit.limit, seconds, now)
        self._call_next()

    def blocked(self, seconds: float, now: float) -> None:
        """Admit nobody for so long, at most `MAX_BLOCK` seconds: the provider said so (429).

        Not where the provider is not to be followed.
        """
        if self._follows:
            with self._lock:
                self._block(seconds, now)

    def _block(self, seconds: float, now: float) -> None:
        self._blocked_until = max(self._blocked_until, now + min(seconds, MAX_BLOCK))

    def _wait(self, tokens: float, now: float) -> float:
        if self._blocked_until > now + MAX_BLOCK:  # by another clock
            self._blocked_until = now + MAX_BLOCK
        waits = [self._blocked_until - now]
        waits += [allowance.wait(now) for allowance in self._allowances.values()]
        waits += [bucket.wait(cost, now) for bucket, cost in self._buckets(1, tokens)]
        longest = max(waits)
        return longest if longest > GRAIN else 0.0

    def _change(self, requests: float, tokens: float, now: float) -> None:
        for bucket, by in self._buckets(requests, tokens):
            bucket.change(by, now)
        for name, allowance in self._allowances.items():
            allowance.change(tokens if _of_tokens(name) else requests)

    def _buckets(self, requests: float, tokens: float) -> Iterator[tuple[Bucket, float]]:
        if self._requests is not None:
            yield self._requests, requests
        if self._tokens is not None:
            yield self._tokens, tokens

    def _head(self) -> Ticket | None:
        while self._line:
            head = next(iter(self._line), None)
            if head is None or not head.gone():
                return head
            head.state = "over"
            self._line.pop(head, None)
        return None

    def _call_next(self) -> None:
        """Have who is first look again. Not under the lock: it is theirs what they do."""
        with self._lock:
            head = self._head()
        if head is not None:
            head.notify()


def _bucket(per_minute: float | None, burst: float) -> Bucket | None:
    return None if per_minute is None else Bucket(per_minute / 60, per_minute / 60 * burst)


def _of_tokens(name: str) -> bool:
    """Tell whether a limit is one of tokens: ``tokens``, ``input_tokens``, ``tokens_minute``."""
    return "token" in name
