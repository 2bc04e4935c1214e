"""A clock that goes only while the source may."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from rxwizard.demand.gate import running_loop
from rxwizard.operators.timing import PauseWatch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from rxwizard.demand.gate import Gate


def quick_time(now: Callable[[], float]) -> Callable[[], float]:
    """Give the same clock, without the frame that asyncio's own loops put around it."""
    is_asyncios = getattr(now, "__module__", None) == "asyncio.base_events"
    return time.monotonic if is_asyncios else now


class RunningClock(PauseWatch):
    """Tells the time in which nobody held the source.

    Args:
        now: Tells the time in seconds.
        go_on: Called when the clock goes on, where somebody asked for that.
    """

    __slots__ = ("_below", "_go_on", "is_awaited", "loop")

    def __init__(self, now: Callable[[], float], go_on: Callable[[], object]) -> None:
        self._go_on = go_on
        self._below: Gate | None = None
        #: The loop in which it was made, if any.
        self.loop: asyncio.AbstractEventLoop | None = None
        #: Whether somebody wants to know when it goes on.
        self.is_awaited = False
        with suppress(RuntimeError):
            self.loop = running_loop()
        super().__init__(now)

    def read(self) -> float:
        """Give the time in seconds, since whenever."""
        since = self._since
        return (self._now() if since is None else since) - self.seconds

    @property
    def stands_still(self) -> bool:
        """Whether somebody holds the source."""
        return bool(self.holders) and not self.closed

    def follow(self, gate: Gate | None) -> None:
        """Stand still for those, too, who hold this gate and are not the reader below.

        They found it in a push: behind a Subject, or a `share` of RxPY's.
        """
        self._leave()
        if gate is not None and not gate.closed:
            # Who holds a gate holds its parents as well.
            self.parent, gate.parent = gate.parent, self
            self._below = gate

    def _leave(self) -> None:
        below, self._below = self._below, None
        while below is not None and below.parent is not self:
            below = below.parent
        if below is not None:
            below.parent = self.parent
        self.parent = None

    def stop(self) -> None:
        """Have it never go on."""
        self.is_awaited = False
        self._leave()
        self.close()

    def _opened(self) -> None:
        super()._opened()
        if self.is_awaited:
            self.is_awaited = False
            # Not from in here: the locks of who lets go are held, on whatever thread that is.
            if self.loop is None:
                self._go_on()
            else:
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self.loop.call_soon_threadsafe(self._go_on)
