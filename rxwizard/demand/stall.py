"""The watchdog of a shared source: who stands still, and so keeps the others waiting."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rxwizard.demand.gate import run_on
from rxwizard.errors import ConfigError, ReaderDeadlineError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

    from rxwizard.demand.gate import GateGroup

_log = logging.getLogger(__name__)


class OnStall(StrEnum):
    """What to do about a reader of a shared stream that stands still and holds the others."""

    WARN = "warn"  #: log a warning that names it
    LOSSY = "lossy"  #: wait for it no more; it drops what it has no room for, which is counted
    EVICT = "evict"  #: end it with a ReaderDeadlineError


@dataclass(frozen=True, slots=True)
class Stall:
    """When a reader counts as standing still, and what happens then.

    Attributes:
        seconds: Time in which it holds the source and takes nothing.
        action: What happens then; a warning is logged in any case.
    """

    seconds: float
    action: OnStall

    @classmethod
    def of(cls, seconds: float, action: OnStall | str) -> Stall:
        """Make it of what a user wrote.

        Raises:
            ConfigError: It cannot work.
        """
        if not seconds > 0:
            message = f"a stall_timeout of {seconds} cannot work; it must be over 0 seconds"
            raise ConfigError(message)
        try:
            return cls(seconds, OnStall(action))
        except ValueError:
            message = f"on_stall cannot be {action!r}; it is one of: {', '.join(OnStall)}"
            raise ConfigError(message) from None


@dataclass(slots=True)
class _Mark:
    """How far a reader was, and since when it has been there and kept others waiting."""

    delivered: int
    since: float
    is_known: bool = False


class StallWatch:
    """Watches those who hold one shared source.

    A reader that is slow but goes on is none of its business, nor is one that keeps nobody waiting.
    It steps in when one has stood still for the time that was set, and before twice that time.

    Args:
        stall: When to step in, and how.
        lock: The hub's. Those who tell it what happens have it, on any thread.
        count_waiting: Counts the readers that have room, and so wait.
    """

    def __init__(
        self, stall: Stall, lock: threading.RLock, count_waiting: Callable[[], int]
    ) -> None:
        self._stall = stall
        self._lock = lock
        self._count_waiting = count_waiting
        self._marks: dict[GateGroup, _Mark] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Without a loop there is nothing that could be paused.
        with suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()

    def holds(self, readers: Iterable[GateGroup]) -> None:
        """These hold the source."""
        if self._loop is None:
            return
        for group in readers:
            if group not in self._marks and group.holder is not None:
                self._marks[group] = _Mark(group.holder.delivered, self._loop.time())
        if self._timer is None and self._marks:
            self._call(self._arm)

    def releases(self, group: GateGroup) -> None:
        """It holds it no more."""
        if self._marks.pop(group, None) is not None:
            self.waits()

    def waits(self) -> None:
        """A reader has room, or has come. Where all the others hold, they keep it waiting now."""
        if self._loop is not None and self._marks and self._count_waiting() == 1:
            for mark in self._marks.values():
                mark.since = self._loop.time()

    def close(self) -> None:
        """There is nothing left to watch."""
        self._marks.clear()
        if self._timer is not None:
            self._call(self._disarm)

    def _call(self, function: Callable[[], None]) -> None:
        """Call it on the loop's thread, whose timers are its own."""
        if self._loop is not None:
            run_on(self._loop, function)

    def _arm(self) -> None:
        # One timer for all: a reader that fills and drains a thousand times a second costs none.
        with self._lock:
            if self._timer is None and self._marks and self._loop is not None:
                due = min(mark.since for mark in self._marks.values()) + self._stall.seconds
                self._timer = self._loop.call_at(due, self._look)

    def _disarm(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _look(self) -> None:
        with self._lock:
            self._timer = None
            standing = [*self._find_standing()]
        # Without the lock: a reader takes its own first, and then this one.
        try:
            for group, is_new in standing:
                self._step_in(group, is_new=is_new)
        finally:
            self._arm()

    def _find_standing(self) -> Iterator[tuple[GateGroup, bool]]:
        """Give those that stand still and keep others waiting, and whether that is news."""
        now = asyncio.get_running_loop().time()
        for group, mark in [*self._marks.items()]:
            if group.holder is None or not group.holding:
                del self._marks[group]
            elif group.holder.delivered != mark.delivered:
                self._marks[group] = _Mark(group.holder.delivered, now)
            elif now >= mark.since + self._stall.seconds:
                mark.since = now
                if self._count_waiting():
                    yield group, not mark.is_known
                    mark.is_known = True

    def _step_in(self, group: GateGroup, *, is_new: bool) -> None:
        seconds, action = self._stall.seconds, self._stall.action
        said = f"{group.name} has taken nothing for {seconds:g} s and is full"
        if is_new:
            _log.warning("%s; others wait for the stream it shares with them (%s)", said, action)
        match action:
            case OnStall.WARN:
                pass
            case OnStall.LOSSY:
                group.turn_lossy()
            case OnStall.EVICT:
                if group.holder is not None:
                    message = f"{said}; it was put out, for others wait for the stream they share"
                    group.holder.fail(ReaderDeadlineError(message, seconds=seconds))
