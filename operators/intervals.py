"""Items at intervals: what comes in between is held until the interval is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from reactivex import Observable
from reactivex.disposable import CompositeDisposable

from rxwizard.chunks import StreamChunk, altered
from rxwizard.operators.making import PassThrough, clock
from rxwizard.operators.runs import Run, joins
from rxwizard.operators.timing import Alarm, fullness

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import abc

A = TypeVar("A")


class Held(Protocol):
    """What waits for the end of an interval."""

    def passes(self, item: Any, /) -> bool:
        """Tell whether the item passes at once, whatever the time."""
        ...

    def hold(self, item: Any, /) -> None:
        """Take an item that waits."""
        ...

    def flush(self) -> bool:
        """Give what waits; False: nothing did."""
        ...

    def give(self, item: Any, /) -> None:
        """Give an item that does not wait."""
        ...


def spaced(seconds: float, make: Callable[[Callable[[Any], None]], Held]) -> PassThrough:
    """Pass an item, and hold what comes within so many seconds after it until they are over."""

    def operator(source: Observable[A]) -> Observable[A]:
        def subscribe(
            observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            held = make(observer.on_next)
            is_full = fullness()
            is_waiting = False

            def over() -> None:
                nonlocal is_waiting
                is_waiting = is_full() or held.flush()
                if is_waiting:
                    alarm.set(seconds)

            alarm = Alarm(clock(scheduler), over)
            lock = alarm.lock

            def on_next(item: A) -> None:
                nonlocal is_waiting
                with lock:
                    if held.passes(item):
                        held.flush()
                        held.give(item)
                    elif is_waiting:
                        held.hold(item)
                    else:
                        is_waiting = True
                        alarm.set(seconds)
                        held.give(item)

            def on_error(error: Exception) -> None:
                with lock:
                    alarm.dispose()
                    held.flush()
                    observer.on_error(error)

            def on_completed() -> None:
                with lock:
                    alarm.dispose()
                    held.flush()
                    observer.on_completed()

            subscription = source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)
            return CompositeDisposable(subscription, alarm)

        return Observable(subscribe)

    return operator


class Newest:
    """Holds the newest item.

    Args:
        give: Is given what passes.
    """

    def __init__(self, give: Callable[[Any], None]) -> None:
        self._emit = give
        self._waits = False
        self._item: Any = None

    def passes(self, _item: Any) -> bool:
        """Tell that nothing does."""
        return False

    def hold(self, item: Any) -> None:
        """Take an item that waits."""
        self._item, self._waits = item, True

    def flush(self) -> bool:
        """Give what waits; False: nothing did."""
        waited, self._waits = self._waits, False
        if waited:
            item, self._item = self._item, None
            self._emit(item)
        return waited

    def give(self, item: Any) -> None:
        """Give an item that does not wait."""
        self._emit(item)


class Joined:
    """Holds text, and joins it.

    Args:
        give: Is given what passes.
        max_characters: What is held passes early when it has this many.
    """

    def __init__(self, give: Callable[[Any], None], max_characters: int) -> None:
        self._emit = give
        self._most = max_characters
        self._run = Run()
        self._seq = -1

    def passes(self, item: Any) -> bool:
        """Tell whether it is no text, or not text alone."""
        return not joins(item)

    def hold(self, item: Any) -> None:
        """Take an item that waits."""
        if not self._run.add(item):
            self.flush()
            self._run.add(item)
        if self._run.weight >= self._most:
            self.flush()

    def flush(self) -> bool:
        """Give what waits; False: nothing did."""
        joined = self._run.take()
        if joined is None:
            return False
        self.give(joined)
        return True

    def give(self, item: Any) -> None:
        """Give an item that does not wait."""
        if isinstance(item, StreamChunk):
            self._seq += 1
            if item.seq != self._seq:
                item = altered(item, seq=self._seq)
        self._emit(item)
