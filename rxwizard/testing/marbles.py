"""Draw what an operator does: a typed helper over reactivex's `TestScheduler`.

A column is one tick, one second of the virtual clock; the subscription is made at column 0.

    assert_marbles(ops.filter(is_even), "-a-b-|", "---b-|", a=1, b=2)

The notation is reactivex's: `-` passes a tick, `|` completes, `#` is the error, `(a,b)` is several
items in the tick of the bracket (and takes as many columns as it is wide), letters side by side are
one name. A name stands for the value given for it, else for a number or for itself. An item in
column 0 comes at the very moment of the subscription, which still sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from reactivex.notification import OnError, OnNext
from reactivex.observable.marbles import parse
from reactivex.testing import Recorded, TestScheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Notification, Observable

_SUBSCRIBED = 200  # reactivex's own habit; a scheduler that stands at 0 cannot run work due at 0
_HORIZON = 10_000


@dataclass(frozen=True, slots=True)
class Message:
    """One notification: `what` is "next", "error" or "completed", `tick` its column."""

    tick: float
    what: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Played:
    """What came out of an operator, and when its source was held.

    `held` has a pair of ticks for each subscription to the source, in order; the second is None if
    the source was never let go.
    """

    messages: list[Message]
    held: list[tuple[float, float | None]]

    @property
    def values(self) -> list[Any]:
        """The items alone, in order."""
        return [message.value for message in self.messages if message.what == "next"]


def play(
    operator: Callable[[Observable[Any]], Observable[Any]],
    source: str,
    *,
    error: Exception | None = None,
    until: float | None = None,
    **values: Any,
) -> Played:
    """Subscribe to the operator over a drawn source and let virtual time run out.

    The source is cold. `error` is what `#` raises (an `Exception("error")` if None). `until`: the
    tick at which the subscription is disposed; None: it is never. The scheduler is handed over at
    subscription, as rxwizard does, so operators with a clock need no argument.
    """
    scheduler = TestScheduler()
    cold = scheduler.create_cold_observable(_records(source, error, values))
    observer = scheduler.start(
        lambda: operator(cold),
        subscribed=_SUBSCRIBED,
        disposed=_SUBSCRIBED + (_HORIZON if until is None else until),
    )
    held = [(_tick(times.subscribe), _tick(times.unsubscribe)) for times in cold.subscriptions]
    messages = [_message(record, _SUBSCRIBED) for record in observer.messages]
    return Played(messages, [(start or 0.0, end) for start, end in held])


def assert_marbles(
    operator: Callable[[Observable[Any]], Observable[Any]],
    source: str,
    expected: str,
    *,
    error: Exception | None = None,
    until: float | None = None,
    **values: Any,
) -> None:
    """Play the source and compare with the drawing of what is expected, tick by tick."""
    actual = play(operator, source, error=error, until=until, **values).messages
    wanted = [_message(record, 0) for record in _records(expected, error, values)]

    assert actual == wanted, f"{source}\n{expected}\nwanted {wanted}\nplayed {actual}"  # noqa: S101


def _records(drawing: str, error: Exception | None, values: dict[str, Any]) -> list[Recorded[Any]]:
    marbles = parse(
        drawing, lookup=cast("dict[str | float, Any]", values), error=error, raise_stopped=True
    )
    return [Recorded(cast("int", time), notification) for time, notification in marbles]


def _message(record: Recorded[Any], start: int) -> Message:
    notification = cast("Notification[Any]", record.value)
    tick = record.time - start
    if isinstance(notification, OnNext):
        return Message(tick, "next", notification.value)
    if isinstance(notification, OnError):
        return Message(tick, "error", notification.exception)
    return Message(tick, "completed")


def _tick(time: float) -> float | None:
    tick = time - _SUBSCRIBED
    return tick if tick < _HORIZON else None
