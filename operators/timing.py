"""What operators with a clock have in common: the time, a timer, and a look at the reader."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reactivex.disposable import Disposable, SerialDisposable

from rxwizard.demand import Gate, LoopScheduler
from rxwizard.demand.gate import downstream, running_loop
from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import abc

#: A scheduler runs what is due now at once, inside what asks for it.
_SOON = 1e-6


class Alarm:
    """The one timer of a subscription, to be set again and again.

    Args:
        scheduler: Keeps the time.
        ring: Called when the time is up, under `lock`.
    """

    __slots__ = ("_ring", "_scheduler", "_timer", "lock")

    def __init__(self, scheduler: abc.SchedulerBase, ring: Callable[[], object]) -> None:
        self._scheduler = scheduler
        self._ring = ring
        self._timer = SerialDisposable()
        #: For what must not meet. Where no loop keeps the time, the alarm rings on a thread.
        self.lock = self._timer.lock

    def set(self, seconds: float) -> None:
        """Have it ring once, in so many seconds, and not when it would have before."""
        self._timer.disposable = self._scheduler.schedule_relative(max(seconds, _SOON), self._up)

    def unset(self) -> None:
        """Have it not ring until it is set again."""
        self._timer.disposable = Disposable()

    def dispose(self) -> None:
        """Have it never ring any more."""
        self._timer.dispose()

    def _up(self, _scheduler: abc.SchedulerBase, _state: Any = None) -> None:
        with self.lock:
            if not self._timer.is_disposed:
                self._ring()


def stopwatch(scheduler: abc.SchedulerBase) -> Callable[[], float]:
    """Give what tells the time in seconds, since whenever.

    On a loop it is the loop's own clock, as in a chunk's `at`. Asking a scheduler costs ten times
    as much: a date is made for each answer.
    """
    if isinstance(scheduler, LoopScheduler):
        with suppress(RuntimeError):  # it is another thread's
            return running_loop().time
    began = scheduler.now
    return lambda: (scheduler.now - began).total_seconds()


def fullness() -> Callable[[], bool]:
    """Give what tells whether the reader is full, for which this is being subscribed to.

    What a clock sends to a full reader is beyond its bound: it holds sources, and no clocks.
    """
    reader = downstream.get()
    return _never if reader is None else lambda: reader.holding


def _never() -> bool:
    return False


class PauseWatch(Gate):
    """A gate that stops nothing and sees when, and for how long, the reader holds its sources.

    Args:
        now: Tells the time in seconds.
    """

    __slots__ = ("_now", "_since", "count", "seconds")

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._since: float | None = None
        #: How often they were held.
        self.count = 0
        #: How long in all; what is not over yet is not in it.
        self.seconds = 0.0
        reader = downstream.get()
        if reader is not None:
            reader.attach(self)

    @property
    def finished(self) -> bool:
        """Whether it was closed."""
        return self.closed

    @property
    def pausable(self) -> bool:
        """Whether holding it stops what comes: it does not."""
        return False

    async def wait_finished(self) -> None:
        """Wait for nothing: there is nothing to free."""

    def hold(self, holder: object) -> None:
        """Note that a pause begins."""
        with self._lock:
            if self._since is None and not self.closed:
                self._since = self._now()
                self.count += 1
            super().hold(holder)

    def _opened(self) -> None:
        since, self._since = self._since, None
        if since is not None:
            self.seconds += self._now() - since


def check_over_zero(operator: str, **options: Any) -> None:
    """Refuse options that are no finite numbers over 0.

    Raises:
        ConfigError: One is not.
    """
    for name, value in options.items():
        # True is a number to Python, and never meant as one.
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 < value < math.inf:
            message = f"{operator}: {name}={value!r} cannot work; it must be over 0, and finite"
            raise ConfigError(message)
