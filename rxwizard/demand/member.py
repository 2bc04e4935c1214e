"""Who has joined a shared source: live, or late and still catching up."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Generic, TypeVar

from reactivex import abc

from rxwizard.demand.gate import Gate, PumpGate, downstream, pushing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from rxwizard.demand.hub import Hub

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Member(Generic[T]):
    """One observer of a shared source, and for whom it works.

    Args:
        observer: Gets what comes.
        gate: The hub's.
    """

    __slots__ = ("context", "group", "observer")

    def __init__(self, observer: abc.ObserverBase[T], gate: Gate) -> None:
        self.observer = observer
        #: The gates of the reader behind it; None where it did not say who that is.
        self.group = downstream.get()
        #: Where it is pushed to. What its operators subscribe to there works for its reader alone,
        #: and a reader that did not say who it is finds the hub's gate.
        self.context = copy_context()
        self.context.run(pushing.set, gate)

    def tell(self, signal: Callable[..., object], *values: object) -> None:
        """Give it a signal. What it raises is its own affair, and the loop's to know."""
        try:
            # A copy: the hub may be pushing to it at this moment.
            self.context.copy().run(signal, *values)
        except Exception as error:
            _report(error)


class Late(abc.ObserverBase[T]):
    """A member that is first given what was kept; the observer of the pump that gives it.

    It holds the hub's gate meanwhile: the source waits, as for every reader that loses nothing.

    Args:
        hub: What it has joined.
        member: Who joins.
        kept: What was kept.
    """

    def __init__(self, hub: Hub[T], member: Member[T], kept: Sequence[T]) -> None:
        self.member = member
        #: What came meanwhile, from a source that cannot be held or was in mid push.
        self.missed: list[T] = []
        self._hub = hub
        self._kept = kept

    @asynccontextmanager
    async def batches(self) -> AsyncGenerator[AsyncGenerator[Sequence[T]]]:
        """Give what was kept and then what was missed, until it is up to date."""
        if isinstance(gate := pushing.get(), PumpGate):
            gate.replays = True
        yield self._batches()

    async def _batches(self) -> AsyncGenerator[Sequence[T]]:
        kept, self._kept = self._kept, ()
        yield kept
        del kept
        while missed := self._hub.catch_up(self):
            yield missed

    def on_next(self, value: T) -> None:
        """Hand it on."""
        self.member.observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        """The observer raised."""
        self._hub.let_go(self.member, error)

    def on_completed(self) -> None:
        """It is up to date."""
        self._hub.tell_end(self.member)


def _report(error: Exception) -> None:
    words = "an observer of a shared stream raised"
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        _log.exception(words, exc_info=error)
    else:
        loop.call_exception_handler({"message": words, "exception": error})
