"""The circuit breaker: an endpoint that does not work is not asked for a while.

It guards against endpoints that do not answer. So the first token is the success, and what becomes
of an answer after it does not count: the endpoint works, and what breaks answers off is mostly the
way to it. (If it did count, the first token of the next one would make good for it anyway.)
"""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Literal

from rxwizard.admission.buckets import GRAIN, OTHER_CLOCK
from rxwizard.errors import (
    CircuitOpenError,
    ConnectDeadlineError,
    DecodeError,
    FirstTokenDeadlineError,
    HeadersDeadlineError,
    IdleDeadlineError,
    NetworkError,
    ProviderError,
    RateDeadlineError,
    StreamInterruptedError,
    StructureError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxwizard.policies import CircuitConfig

State = Literal["closed", "open", "half-open"]

_log = logging.getLogger("rxwizard.admission")

_COUNTED = (
    ProviderError,
    NetworkError,
    StreamInterruptedError,
    DecodeError,
    ConnectDeadlineError,
    HeadersDeadlineError,
    FirstTokenDeadlineError,
    IdleDeadlineError,
    RateDeadlineError,
)

# The first is ours, and not news; the second is about what the model wrote.
_NEVER_COUNTED = (CircuitOpenError, StructureError)


def counts(error: Exception) -> bool:
    """Tell whether an error says that the endpoint does not work.

    Those of the provider and of the network do. What is wrong with the request or the key does not;
    nor does a 429: that endpoint works, and when to ask it again is the rate limiter's to say.
    """
    if isinstance(error, StreamInterruptedError) and not error.retryable:
        return False  # the client was closed
    return isinstance(error, _COUNTED) and not isinstance(error, _NEVER_COUNTED)


class Attempt:
    """One request to an endpoint. `CircuitBreaker.enter` gives it.

    Only the first thing said of it counts, and only if the circuit has not changed meanwhile.
    """

    __slots__ = ("__weakref__", "_breaker", "gone", "turn")

    def __init__(self, breaker: CircuitBreaker, turn: int, gone: Callable[[], bool]) -> None:
        self._breaker: CircuitBreaker | None = breaker
        #: How often the circuit had changed when it began.
        self.turn = turn
        self.gone = gone

    def succeeded(self) -> None:
        """The endpoint answers: the first token is here."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.succeeded(self)

    def failed(self, error: Exception, now: float) -> None:
        """It ended with this error. One that does not count says nothing, like `abandoned`."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.failed(self, error, now)

    def abandoned(self) -> None:
        """Nobody will know what became of it. If it was a probe, another one may try."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.abandoned(self)


class CircuitBreaker:
    """Let requests to an endpoint pass while it works, and one probe at a time while it may not.

    Like the rate limiter it has no clock: it is told the time, in seconds of one monotonic clock.
    Any thread may call it. Its changes are logged (logger ``rxwizard.admission``): opening as a
    warning, the others as information.

    Args:
        config: When it opens, and for how long.
        name: What the endpoint is called in the log and in errors. It must not have a key in it.
    """

    def __init__(self, config: CircuitConfig, name: str = "the endpoint") -> None:
        self._config = config
        self.name = name
        self._state: State = "closed"
        self._failures = 0
        self._opened_at = 0.0
        self._turn = 0
        self._probe: weakref.ref[Attempt] | None = None
        # Re-entrant: a reader's finaliser can run anywhere, and abandons its attempt.
        self._lock = threading.RLock()

    @property
    def state(self) -> State:
        """How it stood when it was last asked; "open" also when the time is up since."""
        return self._state

    def check(self, now: float) -> None:
        """See whether a request would pass now, without taking part.

        Raises:
            CircuitOpenError: None would. `retry_after` says when the next probe may go: exactly
                while it is open; while a probe is under way, after the whole cool-down at most.
        """
        with self._lock:
            seconds = self._refuses_for(now)
        if seconds > 0:
            what = "has failed too often" if self._state == "open" else "is being tried"
            message = f"{self.name} {what}: it is not asked again for {seconds:.3g} s"
            raise CircuitOpenError(message, retry_after=seconds)

    def enter(self, now: float, gone: Callable[[], bool] = lambda: False) -> Attempt:
        """Begin a request; if the circuit was open long enough, it is the probe.

        What becomes of it must be said to what this gives, also where it is given up. If that is
        dropped without a word, it counts as given up.

        Args:
            now: The time.
            gone: Tells whether nobody is there any more to say so: its loop was closed.

        Raises:
            CircuitOpenError: It may not be asked.
        """
        with self._lock:
            self.check(now)
            begins_trying = self._state == "open"
            if self._state != "closed":
                self._change("half-open")
            attempt = Attempt(self, self._turn, gone)
            if self._state == "half-open":
                self._probe = weakref.ref(attempt)
        if begins_trying:
            _log.info("circuit of %s is half-open: one request tries it", self.name)
        return attempt

    def succeeded(self, attempt: Attempt) -> None:
        """Take in that one succeeded. For attempts alone."""
        with self._lock:
            if attempt.turn != self._turn:
                return
            self._failures = 0
            closes = self._state == "half-open"
            if closes:
                self._change("closed")
        if closes:
            _log.info("circuit of %s is closed: it works again", self.name)

    def failed(self, attempt: Attempt, error: Exception, now: float) -> None:
        """Take in that one failed. For attempts alone."""
        if not counts(error):
            self.abandoned(attempt)
            return
        with self._lock:
            if attempt.turn != self._turn:
                return
            self._failures += 1
            failures = self._failures
            opens = self._state == "half-open" or failures >= self._config.failures
            if opens:
                self._opened_at = now
                self._change("open")
        if opens:
            _log.warning(
                "circuit of %s is open for %g s after %d failures in a row, the last: %s",
                self.name,
                self._config.cool_down,
                failures,
                type(error).__name__,
            )

    def abandoned(self, attempt: Attempt) -> None:
        """Take in that one was given up. For attempts alone."""
        with self._lock:
            if attempt.turn == self._turn:
                self._probe = None

    def _change(self, state: State) -> None:
        self._state = state
        # What began before is of no account from here on: an endpoint fails many at once.
        self._turn += 1
        self._probe = None
        if state == "closed":
            self._failures = 0

    def _refuses_for(self, now: float) -> float:
        """Give the seconds for which none may pass; 0: one may."""
        cool_down = self._config.cool_down
        if self._state == "open":
            left = self._opened_at + cool_down - now
            if left > cool_down + OTHER_CLOCK:
                self._opened_at, left = now, cool_down
            return left if left > GRAIN else 0.0
        if self._state == "half-open" and self._probe is not None:
            probe = self._probe()
            if probe is not None and not probe.gone():
                return cool_down
        return 0.0
