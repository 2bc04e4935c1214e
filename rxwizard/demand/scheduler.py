"""The clock a reader lends to the operators above it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler

if TYPE_CHECKING:
    import asyncio
    from datetime import datetime

    from reactivex import abc, typing

S = TypeVar("S")


class LoopScheduler(AsyncIOScheduler):
    """Work due now on the trampoline, inside the push that caused it; timers on the loop.

    RxPY's own `AsyncIOScheduler` moves work due now to a later turn of the loop. An inner
    ``from_iterable`` then goes on pushing after its source was held, and the bound is lost. With no
    scheduler at all, timers run on threads.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._began = super().now - timedelta(seconds=loop.time())

    @property
    def now(self) -> datetime:
        """The wall clock's time when this was made, and the loop's time since.

        RxPY's own asks the wall clock while its timers go by the loop's: an operator that compares
        the two (`delay`) then depends on nobody setting the clock.
        """
        return self._began + timedelta(seconds=self._loop.time())

    def schedule(
        self, action: typing.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` at the end of what this thread is doing, or at once."""

        def act(_: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase | None:
            # The trampoline would hand itself on, and an action that then asks it for a timer
            # blocks the thread, and with it the loop.
            return action(self, state)

        return CurrentThreadScheduler.singleton().schedule(act, state)
