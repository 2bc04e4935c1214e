"""A reader's state over time, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxwizard.demand.ring import Ring


@dataclass(frozen=True, slots=True)
class Sample:
    """How many items waited from a moment on, until the next sample."""

    at: float
    """Seconds since the subscription."""
    least: int
    """Fewest that waited; the same as the others but where neighbours became one."""
    most: int
    """Most that waited."""
    waiting: int
    """How many waited in the end."""
    dropped: int = 0
    """Items that were lost at this moment."""
    merged: int = 0
    """Items that became part of the one before at this moment."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A time in which the source was held. Seconds since the subscription."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.begin


class Samples:
    """Looks at a ring whenever it is told to.

    A ring changes when it is pushed to, taken from and ended, so one who looks then misses nothing.

    Args:
        ring: What it looks at.
        now: Tells the time in seconds.
        limit: Samples and pauses that are kept.
    """

    def __init__(self, ring: Ring[Any], now: Callable[[], float], limit: int) -> None:
        self._ring = ring
        self._now = now
        self._limit = limit
        self._began = now()
        self._samples = [Sample(0.0, 0, 0, 0)]
        self._holds: list[Hold] = []
        self._held_since: float | None = None
        self._dropped = 0
        self._merged = 0
        #: Items the source gave.
        self.pushed = 0
        #: Seconds from the subscription to the last look.
        self.duration = 0.0

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What was seen, in order."""
        return tuple(self._samples)

    @property
    def holds(self) -> tuple[Hold, ...]:
        """When the source was held."""
        return tuple(self._holds)

    def note_push(self) -> None:
        """Look, because an item has been pushed."""
        self.pushed += 1
        self.note()

    def note(self) -> None:
        """Look."""
        at = self.duration = self._now() - self._began
        waiting = len(self._ring.queue)
        counted = self._ring.statistics()
        dropped, self._dropped = counted.dropped - self._dropped, counted.dropped
        merged, self._merged = counted.merged - self._merged, counted.merged
        self._samples.append(Sample(at, waiting, waiting, waiting, dropped, merged))
        if len(self._samples) > self._limit:
            self._halve()
        if self._ring.group.holding != (self._held_since is not None):
            self._turn(at)

    def end(self) -> None:
        """Look for the last time."""
        self.note()
        if self._held_since is not None:
            self._turn(self.duration)

    def _turn(self, at: float) -> None:
        if self._held_since is None:
            self._held_since = at
            return
        if len(self._holds) < self._limit:
            self._holds.append(Hold(self._held_since, at))
        self._held_since = None

    def _halve(self) -> None:
        samples = self._samples
        pairs = zip(samples[::2], samples[1::2], strict=False)
        rest = samples[-1:] if len(samples) % 2 else []
        self._samples = [joined(first, second) for first, second in pairs] + rest


def joined(first: Sample, second: Sample) -> Sample:
    """Make one of two neighbours."""
    return Sample(
        first.at,
        min(first.least, second.least),
        max(first.most, second.most),
        second.waiting,
        first.dropped + second.dropped,
        first.merged + second.merged,
    )
