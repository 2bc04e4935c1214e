"""Operators that look at each item and at the end, and change nothing."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from reactivex import Observable
from reactivex.disposable import CompositeDisposable, Disposable

from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import abc

    from rxwizard.operators.making import PassThrough
    from rxwizard.operators.metrics import Outcome

A = TypeVar("A")

#: Where it is said what happens in streams.
LOGGER = "rxwizard.stream"


@dataclass(frozen=True, slots=True)
class Tap:
    """What one subscription is looked at with; neither raises."""

    see: Callable[[Any], object]
    end: Callable[[Outcome, Exception | None], object]


def tapped(begin: Callable[[abc.SchedulerBase | None], Tap]) -> PassThrough:
    """Make an operator that changes nothing, of taps that `begin` makes for each subscription."""

    def operator(source: Observable[A]) -> Observable[A]:
        def subscribe(
            observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            tap = begin(scheduler)
            see, emit = tap.see, observer.on_next
            #: Whoever takes it out calls it, so it is called once, on whatever thread.
            ends = [tap.end]

            def end(outcome: Outcome, error: Exception | None = None) -> None:
                try:
                    tell = ends.pop()
                except IndexError:
                    return
                tell(outcome, error)

            def on_next(item: A) -> None:
                see(item)
                emit(item)

            def on_error(error: Exception) -> None:
                end("failed", error)
                observer.on_error(error)

            def on_completed() -> None:
                end("completed")
                observer.on_completed()

            subscription = source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)
            return CompositeDisposable(subscription, Disposable(lambda: end("disposed")))

        return Observable(subscribe)

    return operator


def told(operator: str, report: Callable[[Any], object], record: object) -> bool:
    """Call the user's own function; False: it raised, which must not become the stream's error."""
    try:
        report(record)
    except Exception:
        logging.getLogger(LOGGER).exception("%s: the report raised", operator)
        return False
    return True


def check_callable(operator: str, name: str, function: object) -> None:
    """Refuse an option that is there and cannot be called.

    Raises:
        ConfigError: It cannot.
    """
    if function is not None and not callable(function):
        kind = type(function).__name__
        message = f"{operator}: {name} is something to call, not a {kind}"
        raise ConfigError(message)
