"""When to draw: at most so often, and with a bounded share of the loop's time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A drawing that takes long is done less often: at most a tenth of the loop's time goes into it.
_REST = 10

#: Characters of HTML that are sent in a second, at most. Each drawing sends what it draws whole, so
#: a page of a megabyte is drawn once a second; one of 100 KB is not slowed down.
MOST_SENT = 1_000_000


class Painter:
    """Draws soon after each change, and never more often than told.

    The first change is drawn at once, the last one always.

    Args:
        draw: Draws, and gives how many characters that sent.
        rate: Drawings a second, at most.
    """

    def __init__(self, draw: Callable[[], int], rate: float) -> None:
        self._draw = draw
        self._interval = 1 / rate
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Note that there is something new to see."""
        if self._timer is not None:
            return
        if self._loop.time() >= self._due:
            self._paint()
        else:
            self._timer = self._loop.call_at(self._due, self._paint)

    def finish(self) -> None:
        """Draw the last time, now."""
        if self._timer is not None:
            self._timer.cancel()
        self._paint()

    def _paint(self) -> None:
        self._timer = None
        start = self._loop.time()
        sent = self._draw()
        took = self._loop.time() - start
        self._due = start + max(self._interval, took * _REST, sent / MOST_SENT)
