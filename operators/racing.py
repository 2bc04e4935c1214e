"""Several streams against each other: the first one wins, and the others are closed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from reactivex.disposable import CompositeDisposable, SingleAssignmentDisposable

from rxwizard.chunks import ANSWERING, StreamChunk, TokenUsage
from rxwizard.errors import BufferOverflowError, ConfigError, FallbackError, WizardError
from rxwizard.operators.making import clock
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


@dataclass(frozen=True, slots=True)
class Contender:
    """What became of one stream of a race."""

    index: int
    """Its place among the streams, from 0."""
    outcome: Literal["won", "closed", "failed", "waiting"]
    """How it stood when the race was decided; "waiting": it had not begun, and never did."""
    chunks: int
    """Items it had brought by then."""
    usage: TokenUsage | None
    """What it had reported as spent by then. A provider bills what it has generated, whether that
    was read or not, and only some say so before the end."""
    error: Exception | None = None


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
        return _is_token
    message = f"win cannot be {win!r}: it is first_token, first_chunk or a function of an item"
    raise ConfigError(message)


def _is_token(item: object) -> bool:
    """Tell whether an item is a part of the answer; what is no chunk always is."""
    return not isinstance(item, StreamChunk) or item.kind in ANSWERING


class _Runner(Generic[T]):
    """One stream of the race."""

    def __init__(self, index: int, stream: Observable[T]) -> None:
        self.index = index
        self.stream = stream
        self.subscription = SingleAssignmentDisposable()
        self.has_begun = False
        self.held: list[T] = []
        self.chunks = 0
        self.usage: TokenUsage | None = None
        self.error: Exception | None = None

    def take(self, item: T) -> None:
        self.chunks += 1
        if isinstance(item, StreamChunk) and item.usage is not None:
            self.usage = item.usage
        self.held.append(item)

    def result(self, winner: _Runner[T] | None) -> Contender:
        outcome: Literal["won", "closed", "failed", "waiting"] = "closed"
        if self is winner:
            outcome = "won"
        elif self.error is not None:
            outcome = "failed"
        elif not self.has_begun:
            outcome = "waiting"
        return Contender(self.index, outcome, self.chunks, self.usage, self.error)


class _Race(Generic[T]):
    def __init__(
        self,
        streams: Sequence[Observable[T]],
        wins: Callable[[T], bool],
        stagger: float,
        on_decided: Callable[[tuple[Contender, ...]], object] | None,
        observer: abc.ObserverBase[T],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._runners = [_Runner(index, stream) for index, stream in enumerate(streams)]
        self._wins = wins
        self._stagger = stagger
        self._on_decided = on_decided
        self._observer = observer
        self._scheduler = scheduler
        self._winner: _Runner[T] | None = None
        self._is_over = False
        self._timers = CompositeDisposable()

    def begin(self) -> abc.DisposableBase:
        if self._stagger:
            self._begin_next()
        else:
            for runner in self._runners:
                if not self._is_over:
                    self._begin(runner)
        everything = [runner.subscription for runner in self._runners]
        return CompositeDisposable(self._timers, *everything)

    def _begin_next(self) -> None:
        waiting = [runner for runner in self._runners if not runner.has_begun]
        if self._is_over or not waiting:
            return
        if len(waiting) > 1 and self._stagger:
            begun = len(self._runners) - len(waiting) + 1

            def late(_scheduler: object, _state: object = None) -> None:
                # One that failed meanwhile has begun the next already.
                if sum(runner.has_begun for runner in self._runners) == begun:
                    self._begin_next()

            timer = clock(self._scheduler).schedule_relative(self._stagger, late)
            self._timers.add(timer)
        self._begin(waiting[0])

    def _begin(self, runner: _Runner[T]) -> None:
        runner.has_begun = True

        def on_next(item: T) -> None:
            if self._winner is runner:
                self._observer.on_next(item)
            elif not self._is_over:
                self._hold(runner, item)

        def on_error(error: Exception) -> None:
            if self._winner is runner:
                self._observer.on_error(error)
            elif not self._is_over:
                self._lose(runner, error)

        def on_completed() -> None:
            if not self._is_over:
                self._win(runner)
            if self._winner is runner:
                self._observer.on_completed()

        runner.subscription.disposable = runner.stream.subscribe(
            on_next, on_error, on_completed, scheduler=self._scheduler
        )

    def _hold(self, runner: _Runner[T], item: T) -> None:
        if len(runner.held) >= MAX_HELD:
            message = f"a stream of a race brought {MAX_HELD:,} items and none that wins"
            self._lose(runner, BufferOverflowError(message))
            runner.subscription.dispose()
            return
        runner.take(item)
        if self._wins(item):
            self._win(runner)

    def _win(self, runner: _Runner[T]) -> None:
        self._winner = runner
        self._decide()
        # Closed before anything is given on: what follows may take its time.
        for other in self._runners:
            if other is not runner:
                other.subscription.dispose()
        held, runner.held = runner.held, []
        for item in held:
            self._observer.on_next(item)

    def _lose(self, runner: _Runner[T], error: Exception) -> None:
        runner.error = error
        runner.held = []
        if all(each.error is not None for each in self._runners):
            self._decide()
            errors = [_as_ours(each.error) for each in self._runners if each.error is not None]
            self._observer.on_error(FallbackError("every stream of the race failed", errors))
        else:
            self._begin_next()

    def _decide(self) -> None:
        self._is_over = True
        self._timers.dispose()
        contenders = tuple(runner.result(self._winner) for runner in self._runners)
        _log.info("race decided: %s", contenders)
        if self._on_decided is not None:
            told("race", self._on_decided, contenders)


def _as_ours(error: Exception) -> WizardError:
    if isinstance(error, WizardError):
        return error
    ours = WizardError(f"{type(error).__name__}: {error}")
    ours.__cause__ = error
    return ours
