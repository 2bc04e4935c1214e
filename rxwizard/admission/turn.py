"""How a subscription waits until it may ask: with its own timer, in its own loop and context."""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from reactivex.disposable import SerialDisposable

from rxwizard.admission.buckets import GRAIN
from rxwizard.demand.clock import clock, common_time, loop_of
from rxwizard.errors import CircuitOpenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import abc

    from rxwizard.admission.breaker import Attempt, CircuitBreaker
    from rxwizard.admission.limiter import RateLimiter, Ticket


class Turn:
    """One request's way through the limiter's line and past the breaker.

    Args:
        limiter: Whose line it stands in; None: there is none.
        breaker: Who may refuse it; None: nobody.
        estimate: Tokens it is believed to cost.
        scheduler: Keeps the time.
        go: Called once, when it may ask.
        refuse: Called instead, when the circuit is open.
    """

    def __init__(
        self,
        limiter: RateLimiter | None,
        breaker: CircuitBreaker | None,
        estimate: float,
        scheduler: abc.SchedulerBase | None,
        go: Callable[[], object],
        refuse: Callable[[CircuitOpenError], object],
    ) -> None:
        self._limiter = limiter
        self._breaker = breaker
        self._estimate = estimate
        self._go = go
        self._refuse = refuse
        self._clock = clock(scheduler)
        #: Tells the time in seconds.
        self.now = common_time(self._clock)
        self._loop = loop_of(self._clock)
        self._timer = SerialDisposable()
        # Who wakes this may be inside another stream, and a timer that is set then would be, too:
        # the source would take that one's reader for its own. It is entered once, when it goes.
        self._context = copy_context()
        self._is_waiting = True
        # Re-entrant: a reader's finaliser can run anywhere, and leaves.
        self._lock = threading.RLock()
        self.ticket: Ticket | None = None
        self.attempt: Attempt | None = None

    def begin(self) -> None:
        """Wait, or go at once. Called inside the subscription."""
        if self._limiter is not None:
            self.ticket = self._limiter.join(self._estimate, self._wake, self._is_gone)
        self._look(_call)

    def leave(self) -> bool:
        """Wait no more, and give the place up. False: it was over, it has asked or was refused."""
        with self._lock:
            was_waiting, self._is_waiting = self._is_waiting, False
        self._timer.dispose()
        if was_waiting:
            self._give_up_place()
        return was_waiting

    def _look(self, run: Callable[[Callable[[], object]], object]) -> None:
        then: Callable[[], object] = self._go
        with self._lock:
            if not self._is_waiting:
                return
            try:
                seconds = self._ask(self.now())
            except CircuitOpenError as error:
                then = partial(self._turn_away, error)
            else:
                if seconds > 0:
                    # No less: what is due now runs at once, inside what asks for it.
                    self._timer.disposable = self._clock.schedule_relative(
                        max(seconds, GRAIN), self._look_later
                    )
                    return
            self._is_waiting = False
        self._timer.dispose()
        run(then)

    def _ask(self, now: float) -> float:
        """Give 0 where it may go, else the seconds to wait.

        Raises:
            CircuitOpenError: It may not go at all.
        """
        if self._breaker is not None:
            self._breaker.check(now)
        if self._limiter is not None and self.ticket is not None:
            seconds = self._limiter.admit(self.ticket, now)
            if seconds > 0:
                return seconds
        if self._breaker is not None:
            # Not before its turn: a probe that stood in the line would keep all others out.
            self.attempt = self._breaker.enter(now, self._is_gone)
        return 0.0

    def _turn_away(self, error: CircuitOpenError) -> None:
        self._give_up_place()
        self._refuse(error)

    def _give_up_place(self) -> None:
        if self._limiter is not None and self.ticket is not None:
            self._limiter.leave(self.ticket, self.now())

    def _look_later(self, _scheduler: object = None, _state: Any = None) -> None:
        self._look(self._context.run)

    def _wake(self) -> None:
        """Have it look again: not here, inside whatever somebody else does, but by itself."""
        if self._loop is None:
            self._clock.schedule(self._look_later)
        else:
            with suppress(RuntimeError):  # closed: nobody is left for whom it would matter
                self._loop.call_soon_threadsafe(self._look_later)

    def _is_gone(self) -> bool:
        return self._loop is not None and self._loop.is_closed()


def _call(function: Callable[[], object]) -> None:
    function()
