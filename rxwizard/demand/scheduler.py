"""The clock a reader lends to the operators above it."""

from __future__ import annotations

from typing import TypeVar

from reactivex import abc, typing
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler

S = TypeVar("S")


class LoopScheduler(AsyncIOScheduler):
    """Work due now on the trampoline, inside the push that caused it; timers on the loop.

    RxPY's own `AsyncIOScheduler` moves work due now to a later turn of the loop. An inner
    ``from_iterable`` then goes on pushing after its source was held, and the bound is lost. With no
    scheduler at all, timers run on threads.
    """

    def schedule(
        self, action: typing.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` at the end of what this thread is doing, or at once."""
        return CurrentThreadScheduler.singleton().schedule(action, state)
