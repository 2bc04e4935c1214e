"""Who keeps the time of a subscription, and what the time is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reactivex.scheduler import TimeoutScheduler, VirtualTimeScheduler

from rxwizard.demand.gate import running_loop
from rxwizard.demand.scheduler import LoopScheduler

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from reactivex import abc


def clock(scheduler: abc.SchedulerBase | None) -> abc.SchedulerBase:
    """Give what keeps time for one subscription: the scheduler that was handed over with it.

    Without one it is the running loop, and where none is running, threads, as RxPY does.
    """
    if scheduler is not None:
        return scheduler
    try:
        return LoopScheduler(running_loop())
    except RuntimeError:
        return TimeoutScheduler.singleton()


def loop_of(scheduler: abc.SchedulerBase) -> asyncio.AbstractEventLoop | None:
    """Give the loop in which a subscription lives; None where virtual time or threads keep it."""
    if isinstance(scheduler, VirtualTimeScheduler):
        return None
    try:
        return running_loop()
    except RuntimeError:
        return None


def common_time(scheduler: abc.SchedulerBase) -> Callable[[], float]:
    """Give what tells the time in seconds, on the one clock that all streams of a process share.

    It is the running loop's, and without a loop the one by which loops go; of a scheduler whose
    time is virtual, its own. What schedulers call `now` is the wall clock with some, and with
    others not.
    """
    if isinstance(scheduler, VirtualTimeScheduler):
        return lambda: scheduler.to_seconds(scheduler.now)
    loop = loop_of(scheduler)
    return time.monotonic if loop is None else loop.time
