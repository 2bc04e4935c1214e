"""How fast something grows, over the last seconds, in bounded memory."""

from __future__ import annotations

from collections import deque

# Parts of the window that are told apart. It is exact to one of them.
_PARTS = 256
# Part of the window that must have passed. Less says how a read was cut, not how fast it goes.
_LEAST = 0.1


class SlidingRate:
    """Growth a second over a sliding window.

    Args:
        window: Seconds.
        amount: What there is at the beginning, second 0.
    """

    def __init__(self, window: float, amount: float) -> None:
        self._window = window
        self._width = window / _PARTS
        self._first = amount
        self._last = 0.0
        # For each part in which something came, what there was at its end; the first one stands for
        # all that came before the window.
        self._marks: deque[tuple[int, float]] = deque([(-1, amount)])

    def add(self, amount: float, second: float) -> tuple[float, float] | None:
        """Note what there is now; give the growth a second, and over how many seconds.

        None: too little time has passed to tell.
        """
        marks = self._marks
        self._last = second
        part = int(second / self._width)
        if part > marks[-1][0]:
            marks.append((part, amount))
        else:
            marks[-1] = (marks[-1][0], amount)
        while len(marks) > 1 and marks[1][0] <= part - _PARTS:
            marks.popleft()
        seconds = min(second, self._window)
        if seconds < _LEAST * self._window:
            return None
        return (amount - marks[0][1]) / seconds, seconds

    def mean(self, amount: float) -> tuple[float, float] | None:
        """Give the same over the whole time, to when something came last."""
        if self._last < _LEAST * self._window:
            return None
        return (amount - self._first) / self._last, self._last
