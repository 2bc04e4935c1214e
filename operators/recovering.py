"""How a stream goes on after an error: one attempt after the other, told as one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from reactivex import Observable
from reactivex.disposable import CompositeDisposable, SerialDisposable, SingleAssignmentDisposable

from rxwizard.chunks import StreamChunk, WizardResponse
from rxwizard.errors import WizardError
from rxwizard.operators.attempts import Attempts
from rxwizard.operators.making import Operator, clock
from rxwizard.operators.timing import stopwatch

if TYPE_CHECKING:
    from reactivex import abc

    from rxwizard.operators.seam import Seam

_log = logging.getLogger("rxwizard.operators.recovery")

#: Characters of an error's message that are said again in a warning.
_WORDS = 200


@dataclass(frozen=True, slots=True)
class Trouble:
    """An attempt that failed, and what there is by then."""

    error: WizardError
    seconds: float
    """How long an answer was waited for in all: each request, and the wait before it, up to its
    first token or its end."""
    has_token: bool
    """Whether there is anything of the answer, of this attempt or one before it."""
    is_continued: bool
    """Whether the attempt was to go on from what there is, and has not brought anything."""
    can_go_on: bool
    """Whether what there is ends in visible text that another attempt can go on from."""
    partial: Callable[[], WizardResponse | None]
    """Gives what there is of the answer."""


@dataclass(frozen=True, slots=True)
class Next:
    """The attempt that follows."""

    stream: Observable[StreamChunk]
    words: str
    """What is said about it, after the error's own words."""
    delay: float = 0.0
    """Seconds to wait before."""
    seam: Seam | None = None
    """Where it goes on from what there is: drops what it says again. None: it answers anew."""


Decide: TypeAlias = Callable[[Trouble], Next | WizardError]
"""Gives the attempt that follows, or the error that ends it all."""


def recovering(
    begin: Callable[[Observable[StreamChunk]], Decide],
    *,
    goes_on: bool = False,
    ends_at_token: bool = False,
    hurry: Observable[object] | None = None,
) -> Operator[StreamChunk, StreamChunk]:
    """Make an operator that decides at each error what comes next.

    Errors that are no WizardError are faults of a program, and pass through.

    Args:
        begin: Makes what decides, anew for each subscription, of the source.
        goes_on: Whether an attempt may go on from what there is.
        ends_at_token: Whether no attempt follows one that has brought something of the answer.
        hurry: Ends a wait when it says something.
    """

    def operator(source: Observable[StreamChunk]) -> Observable[StreamChunk]:
        def subscribe(
            observer: abc.ObserverBase[StreamChunk], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            attempts = Attempts(goes_on=goes_on, ends_at_token=ends_at_token)
            recovery = _Recovery(begin(source), attempts, observer, scheduler, hurry)
            return recovery.subscribe_to(source)

        return Observable(subscribe)

    return operator


class _Recovery:
    """One subscription."""

    __slots__ = (
        "_attempts",
        "_clock",
        "_current",
        "_decide",
        "_hurry",
        "_is_continued",
        "_now",
        "_observer",
        "_scheduler",
        "_since",
        "_waited",
    )

    def __init__(
        self,
        decide: Decide,
        attempts: Attempts,
        observer: abc.ObserverBase[StreamChunk],
        scheduler: abc.SchedulerBase | None,
        hurry: Observable[object] | None,
    ) -> None:
        self._decide = decide
        self._hurry = hurry
        self._attempts = attempts
        self._observer = observer
        self._scheduler = scheduler
        self._clock = clock(scheduler)
        self._now = stopwatch(self._clock)
        # How long nothing came that was waited for, and since when that is so again.
        self._waited = 0.0
        self._since: float | None = self._now()
        self._is_continued = False
        #: The attempt at hand, or the wait before it.
        self._current = SerialDisposable()

    def subscribe_to(self, stream: Observable[StreamChunk]) -> abc.DisposableBase:
        """Read an attempt; give what ends whichever is at hand."""
        attempts, emit = self._attempts, self._observer.on_next

        def on_next(chunk: StreamChunk) -> None:
            if attempts.passes:
                emit(chunk)
            else:
                for told in attempts.take(chunk):
                    emit(told)
                if self._since is not None:
                    self._note_token(self._now())

        subscription = SingleAssignmentDisposable()
        # In its place before it begins: a stream may fail, and be followed, inside the call.
        self._current.disposable = subscription
        subscription.disposable = stream.subscribe(
            on_next, self._fail, self._observer.on_completed, scheduler=self._scheduler
        )
        return self._current

    def _note_token(self, now: float) -> None:
        if self._since is not None and self._attempts.has_token:
            self._waited += now - self._since
            self._since = None

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, WizardError):
            self._observer.on_error(error)
            return
        attempts, now = self._attempts, self._now()
        self._note_token(now)
        attempts.failed(error)
        if self._since is not None:
            self._waited += now - self._since
        trouble = Trouble(
            error=error,
            seconds=self._waited,
            has_token=attempts.has_answer,
            is_continued=self._is_continued and not attempts.has_token,
            can_go_on=attempts.can_go_on,
            partial=attempts.partial,
        )
        following: Next | Exception
        try:
            following = self._decide(trouble)
        except Exception as problem:
            following = problem
        if isinstance(following, Next):
            self._follow(error, following)
            return
        if isinstance(following, WizardError):
            attempts.end_with(following)
        self._observer.on_error(following)

    def _follow(self, error: WizardError, following: Next) -> None:
        words = f"{_shortened(error)} {following.words}"
        _log.warning("%s", words)
        self._observer.on_next(self._attempts.warn(words, self._now(), error.provider))
        if following.seam is not None:
            self._attempts.go_on(following.seam)
        elif self._attempts.has_content:
            self._attempts.begin_anew()
        else:
            self._attempts.begin_again()
        self._is_continued = following.seam is not None
        self._since = self._now()
        if self._current.is_disposed:
            return  # the reader left when it heard of it
        if not following.delay:
            self.subscribe_to(following.stream)
            return

        waiting = CompositeDisposable()
        self._current.disposable = waiting

        def go_on(_scheduler: object, _state: object = None) -> None:
            if not waiting.is_disposed:
                self.subscribe_to(following.stream)

        # It is another's call that ends the wait, and its context is not ours.
        here = copy_context()
        if self._hurry is not None:
            waiting.add(
                self._hurry.subscribe(
                    lambda _item: here.run(go_on, None), scheduler=self._scheduler
                )
            )
        waiting.add(self._clock.schedule_relative(following.delay, go_on))


def _shortened(error: WizardError) -> str:
    words = " ".join(str(error).split())
    if len(words) > _WORDS:
        words = f"{words[:_WORDS]}..."
    end = "" if words.endswith((".", "!", "?")) else "."
    return f"{type(error).__name__}: {words}{end}"
