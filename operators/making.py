"""How the operators of this package are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from reactivex import Observable, abc

A = TypeVar("A")
B = TypeVar("B")

Operator: TypeAlias = Callable[[Observable[A]], Observable[B]]
"""A function from one Observable to another; a user's own is as good as ours."""


def _nothing() -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True)
class Steps(Generic[A, B]):
    """What one subscription does with what its source says.

    Attributes:
        take: Gives the items that an item of the source leads to.
        rest: Gives what was held back, asked once when the source has completed.
        rest_of_failed: The same, when the source has failed; it comes before the error.
    """

    take: Callable[[A], Iterable[B]]
    rest: Callable[[], Iterable[B]] = _nothing
    rest_of_failed: Callable[[], Iterable[B]] = _nothing


def lift(begin: Callable[[], Steps[A, B]]) -> Operator[A, B]:
    """Make an operator of steps that `begin` makes anew for each subscription.

    An exception of a step ends the stream as an error; one of the subscriber stays its own.
    """

    def operator(source: Observable[A]) -> Observable[B]:
        def subscribe(
            observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            steps = begin()
            take, emit = steps.take, observer.on_next

            def on_next(item: A) -> None:
                try:
                    taken = take(item)
                except Exception as error:
                    observer.on_error(error)
                else:
                    for result in taken:
                        emit(result)

            def on_error(error: Exception) -> None:
                for result in steps.rest_of_failed():
                    emit(result)
                observer.on_error(error)

            def on_completed() -> None:
                for result in steps.rest():
                    emit(result)
                observer.on_completed()

            return source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return operator


def choose(project: Callable[[A], B | None]) -> Operator[A, B]:
    """Make an operator that gives what `project` makes of an item, and drops None.

    A map and a filter in one: each operator costs every item a call of its own.
    """

    def operator(source: Observable[A]) -> Observable[B]:
        def subscribe(
            observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            emit = observer.on_next

            def on_next(item: A) -> None:
                try:
                    result = project(item)
                except Exception as error:
                    observer.on_error(error)
                else:
                    if result is not None:
                        emit(result)

            return source.subscribe(
                on_next, observer.on_error, observer.on_completed, scheduler=scheduler
            )

        return Observable(subscribe)

    return operator
