"""What an operator wants of the requests that are made for it, told to those that make them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rxwizard.demand import LoopScheduler
from rxwizard.demand.gate import running_loop
from rxwizard.policies import RequestDeadlines, deadlines_below

if TYPE_CHECKING:
    from reactivex import abc, typing

S = TypeVar("S")


@contextmanager
def handing_down(
    deadlines: RequestDeadlines, scheduler: abc.SchedulerBase | None
) -> Generator[abc.SchedulerBase | None]:
    """Have sources that are subscribed to inside know these deadlines; give their scheduler.

    Tasks and timers that begin inside inherit them, so sources that are subscribed to later (retry,
    concat, flat_map) know them, too.
    """
    wanted = deadlines.stricter(deadlines_below.get())
    before = deadlines_below.set(wanted)
    try:
        yield _lending(wanted, scheduler)
    finally:
        deadlines_below.reset(before)


def _lending(
    deadlines: RequestDeadlines, scheduler: abc.SchedulerBase | None
) -> abc.SchedulerBase | None:
    if scheduler is not None and not isinstance(scheduler, LoopScheduler):
        return scheduler
    try:
        return _Lending(deadlines)
    except RuntimeError:  # no loop is running, and so there can be no request
        return scheduler


class _Lending(LoopScheduler):
    """Keeps time on the running loop.

    RxPY's operators (concat, merge, retry) subscribe to their sources in what is due now, which
    waits until the subscription that asked for it is made; nothing is inherited there.
    """

    def __init__(self, deadlines: RequestDeadlines) -> None:
        super().__init__(running_loop())
        self._deadlines = deadlines

    def schedule(
        self, action: typing.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` at the end of what this thread is doing, or at once."""

        def act(scheduler: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase | None:
            before = deadlines_below.set(self._deadlines)
            try:
                return action(scheduler, state)
            finally:
                deadlines_below.reset(before)

        return super().schedule(act, state)
