"""Streams against each other, of which one wins: what `race` and `hedge` have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar

from reactivex.disposable import CompositeDisposable, SingleAssignmentDisposable

from rxwizard.chunks import ANSWERING, StreamChunk, TokenUsage
from rxwizard.operators.making import clock
from rxwizard.operators.timing import fullness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reactivex import Observable, abc

T = TypeVar("T")


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


def is_token(item: object) -> bool:
    """Tell whether an item brings a part of the answer; what is no chunk always does.

    A piece with nothing in it does not: it stands for no token.
    """
    if not isinstance(item, StreamChunk):
        return True
    return item.kind in ANSWERING and bool(item.text or item.reasoning or item.tool_call)


class Runner(Generic[T]):
    """One stream of a contest."""

    def __init__(self, index: int, stream: Observable[T]) -> None:
        self.index = index
        self.stream = stream
        self.subscription = SingleAssignmentDisposable()
        self.has_begun = False
        self.held: list[T] = []
        self.chunks = 0
        self.usage: TokenUsage | None = None
        self.error: Exception | None = None
        #: Gives on an item; None until it has won.
        self.emit: Callable[[T], object] | None = None

    def see(self, item: T) -> None:
        """Note what an item says."""
        self.chunks += 1
        if isinstance(item, StreamChunk) and item.usage is not None:
            self.usage = item.usage

    def result(self, winner: Runner[T] | None) -> Contender:
        """Say what became of it."""
        outcome: Literal["won", "closed", "failed", "waiting"] = "closed"
        if self is winner:
            outcome = "won"
        elif self.error is not None:
            outcome = "failed"
        elif not self.has_begun:
            outcome = "waiting"
        return Contender(self.index, outcome, self.chunks, self.usage, self.error)


class Contest(ABC, Generic[T]):
    """One subscription to several streams, of which one wins.

    Where no loop keeps the time, streams and timers may come on several threads.

    Args:
        streams: The streams.
        wins: Tells whether a stream wins by an item.
        stagger: Seconds after which the next one begins; 0: all at once. While a full reader holds
            what comes, none begins.
        max_held: Items each may bring before it wins.
        observer: Gets the items of the winner.
        scheduler: Keeps the time.
    """

    #: Whether the next one begins at once where one fails. If not, that is the end of it where no
    #: other one runs.
    replaces_failed: ClassVar[bool] = True

    def __init__(
        self,
        streams: Sequence[Observable[T]],
        wins: Callable[[T], bool],
        stagger: float,
        max_held: int,
        observer: abc.ObserverBase[T],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._runners = [Runner(index, stream) for index, stream in enumerate(streams)]
        self._wins = wins
        self._stagger = stagger
        self._max_held = max_held
        self._observer = observer
        self._scheduler = scheduler
        self._winner: Runner[T] | None = None
        self._is_over = False
        self._timers = CompositeDisposable()
        self._lock = self._timers.lock
        #: Whether the reader holds what comes, so that those that have begun may have answered.
        self._is_held = fullness()

    def begin(self) -> abc.DisposableBase:
        """Begin; gives what closes all of them."""
        if self._stagger:
            self._begin_next()
        else:
            for _ in self._runners:
                self._begin_next()
        everything = [runner.subscription for runner in self._runners]
        return CompositeDisposable(self._timers, *everything)

    def _begin_next(self) -> None:
        with self._lock:
            waiting = [runner for runner in self._runners if not runner.has_begun]
            if self._is_over or not waiting:
                return
            waiting[0].has_begun = True
        if len(waiting) > 1 and self._stagger:
            begun = len(self._runners) - len(waiting) + 1

            def late(_scheduler: object, _state: object = None) -> None:
                # One that failed meanwhile has begun the next already.
                if sum(runner.has_begun for runner in self._runners) == begun:
                    if self._is_held():
                        wait()
                    else:
                        self._begin_next()

            def wait() -> None:
                timer = clock(self._scheduler).schedule_relative(self._stagger, late)
                self._timers.add(timer)

            wait()
        self._begin(waiting[0])

    def _begin(self, runner: Runner[T]) -> None:
        def on_next(item: T) -> None:
            emit = runner.emit
            if emit is not None:
                emit(item)
            elif not self._is_over:
                self._take(runner, item)

        def on_error(error: Exception) -> None:
            if self._winner is runner:
                self._break_off(error)
            else:
                self._lose(runner, error)

        def on_completed() -> None:
            self._win(runner)
            if self._winner is runner:
                self._observer.on_completed()

        runner.subscription.disposable = runner.stream.subscribe(
            on_next, on_error, on_completed, scheduler=self._scheduler
        )

    def _take(self, runner: Runner[T], item: T) -> None:
        """Take an item of one that has not won."""
        if len(runner.held) >= self._max_held:
            self._overflow(runner, item)
            return
        runner.see(item)
        runner.held.append(item)
        if self._wins(item):
            self._win(runner)

    def _win(self, runner: Runner[T]) -> None:
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
            self._winner = runner
        self._decide()
        # Closed before anything is given on: what follows may take its time.
        for other in self._runners:
            if other is not runner:
                other.subscription.dispose()
                other.held = []
        self._give_on(runner)

    def _lose(self, runner: Runner[T], error: Exception) -> None:
        with self._lock:
            if self._is_over:
                return
            runner.error = error
            asked = [each for each in self._runners if each.has_begun or self.replaces_failed]
            is_lost = self._is_over = all(each.error is not None for each in asked)
        if is_lost:
            self._decide()
            self._fail([each.error for each in asked if each.error is not None])
        else:
            self._begin_next()

    def _decide(self) -> None:
        self._timers.dispose()
        self._tell(tuple(runner.result(self._winner) for runner in self._runners))

    def _give_on(self, runner: Runner[T]) -> None:
        """Give on what it holds, and from now on what it brings."""
        emit = runner.emit = self._emitter(runner)
        held, runner.held = runner.held, []
        for item in held:
            emit(item)

    # -- on what terms ---------------------------------------------------------------------------

    @abstractmethod
    def _overflow(self, runner: Runner[T], item: T) -> None:
        """See to one that holds as much as it may when this item comes."""

    @abstractmethod
    def _fail(self, errors: list[Exception]) -> None:
        """See to it that all that were asked have failed."""

    @abstractmethod
    def _tell(self, contenders: tuple[Contender, ...]) -> None:
        """Say that it is decided."""

    def _emitter(self, runner: Runner[T]) -> Callable[[T], object]:  # noqa: ARG002 - others do
        """Make what gives on the items of one."""
        return self._observer.on_next

    def _break_off(self, error: Exception) -> None:
        """See to an error of the winner."""
        self._observer.on_error(error)
