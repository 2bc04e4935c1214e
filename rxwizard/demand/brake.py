"""The brake of a reader: holds its sources, and counts how often and how long."""

from __future__ import annotations

from collections.abc import Callable

from rxwizard.demand.gate import GateGroup


class Brake:
    """Holds the gates above one reader. To be called under that reader's lock.

    Args:
        group: The gates.
        clock: Gives the time in seconds.
    """

    __slots__ = ("_clock", "_group", "_seconds", "_since", "on", "pauses")

    def __init__(self, group: GateGroup, clock: Callable[[], float]) -> None:
        self._group = group
        self._clock = clock
        self._since = 0.0
        self._seconds = 0.0
        #: Whether the sources are being held.
        self.on = False
        #: How often they were.
        self.pauses = 0

    def hold(self) -> None:
        """Hold the sources, and the one that pushes now. Idempotent."""
        # Also when on: a source that was not known then may be pushing now. And before it is on: if
        # the reader's finaliser releases inside this call, there is still something to release.
        self._group.hold()
        if not self.on:
            self.on = True
            self.pauses += 1
            self._since = self._clock()

    def release(self) -> None:
        """Let the sources go on. Idempotent."""
        if self.on:
            self.on = False
            self._seconds += self._clock() - self._since
            self._group.release()

    @property
    def seconds(self) -> float:
        """How long they have been held in all."""
        return self._seconds + (self._clock() - self._since if self.on else 0.0)
