"""Who waits at a ring, and is woken from any thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from rxwizard.demand.gate import resolve

#: A task's future, or what is called.
Waiter = asyncio.Future[None] | Callable[[], object]


class Waiting(deque[Waiter]):
    """The one who waits; empty, and so false, while nobody does.

    It is woken by whoever takes it out, and so once, be it by a source or by who cancels.
    """

    def add(self, waiter: Waiter) -> None:
        """Have `waiter` woken once.

        Raises:
            RuntimeError: Somebody waits already.
        """
        if self:
            message = "two tasks read from one reader at the same time"
            raise RuntimeError(message)
        self.append(waiter)

    def call_off(self, waiter: Waiter) -> bool:
        """Have it not woken any more; False where it is woken already, or just now."""
        # Looked at first, because an exception costs more than all the rest.
        if not self:
            return False
        try:
            self.remove(waiter)
        except ValueError:
            return False
        return True

    def wake(self) -> None:
        """Wake who waits, if anybody does."""
        try:
            waiter = self.pop()
        except IndexError:
            return
        if callable(waiter):
            waiter()
        else:
            resolve(waiter)
