"""Several streams against each other: the first one wins, and the others are closed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from rxwizard.errors import BufferOverflowError, ConfigError, FallbackError, WizardError
from rxwizard.operators.contest import Contender as Contender
from rxwizard.operators.contest import Contest, Runner, is_token
from rxwizard.operators.taps import check_callable, told
from rxwizard.operators.timing import check_over_zero
from rxwizard.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reactivex import Observable, abc

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: Items a contender may bring before one that wins: a start, usage, signs of life.
MAX_HELD = 1024


def race(
    streams: Sequence[Observable[T]],
    *,
    win: Literal["first_token", "first_chunk"] | Callable[[T], bool] = "first_token",
    stagger: float = 0.0,
    on_decided: Callable[[tuple[Contender, ...]], object] | None = None,
) -> Stream[T]:
    """Ask several at the same time, and go on with the one that answers first.

    The others are closed at the moment it wins, so that they generate, and bill, no more. With
    `stagger` the second begins only if the first has not won by then, and so on; where one fails,
    the next begins at once.

    .. marble::
        -s---a-b-|  -s-c-d-|
        [ race([x, y]) ]
        ---(s,c)-d-|

    Emits the items of the winner, from its first on. Until one wins, what they bring is held, up to
    1,024 items each. One that completes first wins, too. The completion or error of the winner
    passes through at once; before that, an error puts one out of the race, and when all are out,
    that is a FallbackError with all of them. Disposing closes them all at once.

    Args:
        streams: The streams, one or more.
        win: What wins: "first_token" (text, reasoning, a refusal or a tool call), "first_chunk", or
            whatever a function of an item says is true.
        stagger: Seconds after which the next one begins, 0 or more; 0: all at once.
        on_decided: Called once, when the race is decided, with what became of each. It is logged,
            too (logger ``rxwizard.operators.racing``, level INFO). If it raises, that is logged.

    Raises:
        ConfigError: There is no stream, or an option cannot work.

    Example:
        >>> quick, never = reactivex.of(StreamChunk(text="Hi")), reactivex.never()
        >>> ops.race([never, quick]).run().text
        'Hi'
    """
    if not streams:
        message = "race needs a stream"
        raise ConfigError(message)
    if stagger != 0 or isinstance(stagger, bool):
        check_over_zero("race", stagger=stagger)
    check_callable("race", "on_decided", on_decided)
    wins = _winning(win)

    def subscribe(
        observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return _Race(streams, wins, stagger, on_decided, observer, scheduler).begin()

    return Stream(subscribe)


def _winning(win: str | Callable[[Any], bool]) -> Callable[[Any], bool]:
    if callable(win):
        return win
    if win == "first_chunk":
        return lambda _item: True
    if win == "first_token":
        return is_token
    message = f"win cannot be {win!r}: it is first_token, first_chunk or a function of an item"
    raise ConfigError(message)


class _Race(Contest[T]):
    """Says whatever becomes of it, and where all lose, why."""

    def __init__(
        self,
        streams: Sequence[Observable[T]],
        wins: Callable[[T], bool],
        stagger: float,
        on_decided: Callable[[tuple[Contender, ...]], object] | None,
        observer: abc.ObserverBase[T],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        super().__init__(streams, wins, stagger, MAX_HELD, observer, scheduler)
        self._on_decided = on_decided

    def _overflow(self, runner: Runner[T], item: T) -> None:  # noqa: ARG002 - it comes to nothing
        message = f"a stream of a race brought {MAX_HELD:,} items and none that wins"
        self._lose(runner, BufferOverflowError(message))
        runner.subscription.dispose()

    def _fail(self, errors: list[Exception]) -> None:
        ours = [_as_ours(error) for error in errors]
        self._observer.on_error(FallbackError("every stream of the race failed", ours))

    def _tell(self, contenders: tuple[Contender, ...]) -> None:
        _log.info("race decided: %s", contenders)
        if self._on_decided is not None:
            told("race", self._on_decided, contenders)


def _as_ours(error: Exception) -> WizardError:
    if isinstance(error, WizardError):
        return error
    ours = WizardError(f"{type(error).__name__}: {error}")
    ours.__cause__ = error
    return ours
