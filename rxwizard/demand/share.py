"""The operator `share`: one request for many readers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, TypeVar

from reactivex import Observable

from rxwizard.demand.hub import Hub as Hub
from rxwizard.demand.hub import TooLateError
from rxwizard.demand.stall import OnStall, Stall
from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from reactivex import abc

T = TypeVar("T")

#: Items that "everything so far" means: the longest answers of today's models have some 100,000.
MAX_REPLAY = 131_072


def sharing(
    *, replay: int | str = 0, stall_timeout: float = 30.0, on_stall: OnStall | str = OnStall.WARN
) -> Callable[[Observable[T]], Observable[T]]:
    """Make the operator `share`; see there.

    Raises:
        ConfigError: An option cannot work.
    """
    stall: Stall | None = Stall.of(stall_timeout, on_stall)
    if stall_timeout == inf:
        stall = None
    kept, forgets = (MAX_REPLAY, False) if replay == "all" else (replay, True)
    if isinstance(kept, bool) or not isinstance(kept, int) or kept < 0:
        message = f'share: a replay of {kept!r} cannot work; it must be 0 or more, or "all"'
        raise ConfigError(message)

    def operator(source: Observable[T]) -> Observable[T]:
        hub: Hub[T] | None = None
        lock = threading.Lock()

        def current() -> Hub[T]:
            nonlocal hub
            with lock:
                if hub is None or not hub.joinable:
                    hub = Hub(source, replay=kept, forgets=forgets, stall=stall)
                return hub

        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            while True:
                joining = current()
                try:
                    joined = joining.join(observer)
                except TooLateError:  # the last one left on another thread since that look
                    continue
                joining.connect(scheduler)
                return joined

        return Observable(subscribe)

    return operator
