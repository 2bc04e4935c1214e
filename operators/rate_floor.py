"""Since when too little has come over the last seconds, in bounded memory."""

from __future__ import annotations

from collections import deque

#: Parts of the window that are told apart. What comes in one of them counts as having come at once.
_PARTS = 256


class RateFloor:
    """Knows when, if nothing more comes, there will have been too little over a whole window.

    It is late by a part of the window at most, and never early.

    Args:
        per_second: What is enough.
        window: Seconds.
        amount: What there is at the beginning, which does not count.
        at: When that is, in seconds.
    """

    __slots__ = ("_began", "_least", "_marks", "_width", "_window")

    def __init__(self, per_second: float, window: float, amount: int, at: float) -> None:
        self._least = per_second * window
        self._window = window
        self._width = window / _PARTS
        self._began = at
        # When something came, and what there was then. What came after the first of them is not
        # enough; so nothing before it matters any more.
        self._marks: deque[tuple[float, int]] = deque([(at, amount)])

    def add(self, amount: int, at: float) -> None:
        """Note what there is now."""
        marks, width = self._marks, self._width
        if len(marks) > 1 and (at - self._began) // width == (marks[-1][0] - self._began) // width:
            marks.pop()
        marks.append((at, amount))
        while amount - marks[0][1] >= self._least:
            marks.popleft()

    @property
    def due(self) -> float:
        """When too little will have come, unless more does."""
        return self._marks[0][0] + self._window
