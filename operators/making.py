"""How the operators of this package are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from reactivex import Observable, abc

from rxwizard.demand.clock import clock as clock
from rxwizard.errors import ConfigError

A = TypeVar("A")
B = TypeVar("B")

Operator: TypeAlias = Callable[[Observable[A]], Observable[B]]
"""A function from one Observable to another; a user's own is as good as ours."""


class PassThrough(Protocol):
    """An operator that gives items of the kind it takes, whatever that is."""

    def __call__(self, source: Observable[A], /) -> Observable[A]:
        """Apply it to a source."""
        ...


class Gathering(Protocol):
    """An operator that gives lists of the items it takes."""

    def __call__(self, source: Observable[A], /) -> Observable[list[A]]:
        """Apply it to a source."""
        ...


def _nothing() -> tuple[()]:
    return ()


def _ignore(_error: Exception) -> None:
    """Do nothing with an error."""


@dataclass(frozen=True, slots=True)
class Steps(Generic[A, B]):
    """What one subscription does with what its source says.

    Attributes:
        take: Gives the items that an item of the source leads to.
        rest: Gives what was held back, asked once when the source has completed.
        rest_of_failed: The same, when the source or a step has failed; it comes before the error.
        tell_of: Is told the error, before anybody else is.
    """

    take: Callable[[A], Iterable[B]]
    rest: Callable[[], Iterable[B]] = _nothing
    rest_of_failed: Callable[[], Iterable[B]] = _nothing
    tell_of: Callable[[Exception], None] = _ignore


def lift(begin: Callable[[], Steps[A, B]]) -> Operator[A, B]:
    """Make an operator of steps that `begin` makes anew for each subscription.

    An exception of a step ends the stream as an error, behind what was held back; one of the
    subscriber stays its own.
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
                    on_error(error)
                else:
                    for result in taken:
                        emit(result)

            def on_error(error: Exception) -> None:
                steps.tell_of(error)
                for result in steps.rest_of_failed():
                    emit(result)
                observer.on_error(error)

            def on_completed() -> None:
                try:
                    rest = steps.rest()
                except Exception as error:
                    on_error(error)
                else:
                    for result in rest:
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


def check_count(operator: str, least: int = 1, **options: Any) -> None:
    """Refuse what is no whole number, or below the least.

    Raises:
        ConfigError: One of them cannot work.
    """
    for name, value in options.items():
        # True is a number to Python, and never meant as one.
        if type(value) is not int or value < least:
            message = f"{operator}: {name}={value!r} cannot work; it must be {least} or more"
            raise ConfigError(message)


def check_stream(what: str, value: Any) -> Observable[Any]:
    """Refuse what is no stream; give it, if it is one.

    Raises:
        ConfigError: It is none, which would be noticed only when it is needed.
    """
    if isinstance(value, Observable):
        found: Observable[Any] = value
        return found
    message = f"{what}: {type(value).__name__} is no stream"
    raise ConfigError(message)


def check_settings(operator: str, config: object, kind: type[Any]) -> None:
    """Refuse settings of another kind.

    Raises:
        ConfigError: They are none of this kind.
    """
    if config is not None and not isinstance(config, kind):
        message = f"{operator}: {config!r} is no {kind.__name__}; one setting is given by its name"
        raise ConfigError(message)


@dataclass(slots=True)
class _Closely:
    """An observer with nothing around it."""

    on_next: Callable[[Any], None]
    on_error: Callable[[Exception], None]
    on_completed: Callable[[], None]


def subscribe_closely(
    source: Observable[A],
    on_next: Callable[[A], None],
    on_error: Callable[[Exception], None],
    on_completed: Callable[[], None],
    scheduler: abc.SchedulerBase | None,
) -> abc.DisposableBase:
    """Subscribe without the layer that keeps an observer from hearing anything after the end.

    For sources of ours, which say nothing after it: the layer costs each item as much as an
    operator's own work.
    """
    core: Any = source
    observer = _Closely(on_next, on_error, on_completed)
    subscription: abc.DisposableBase = core._subscribe_core(observer, scheduler)  # noqa: SLF001
    return subscription
