"""What a reader does when more arrives than it can take: one ring for each policy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from rxwizard.demand.ring import Ring
from rxwizard.errors import BufferOverflowError

T = TypeVar("T")

Merge = Callable[[T, T], T | None]
"""Makes one item of two neighbours, or gives None where they must stay two."""

Weigh = Callable[[T], int]
"""Gives an item's weight, in characters or bytes. The same item must always weigh the same."""


class Overflow(StrEnum):
    """What happens to an item that finds its reader full."""

    PAUSE = "pause"  #: nothing is lost: the source is held until there is room
    COALESCE = "coalesce"  #: nothing is lost: neighbours are merged into one; right for displays
    DROP_OLDEST = "drop_oldest"  #: the longest waiting item makes room
    DROP_NEWEST = "drop_newest"  #: the new item is dropped
    LATEST = "latest"  #: only the newest item waits
    ERROR = "error"  #: the stream ends with a BufferOverflowError


class LossyRing(Ring[T]):
    """A ring whose reader slows nobody."""

    def _hold(self) -> None:
        """Never."""


class DropOldestRing(LossyRing[T]):
    """DROP_OLDEST, and with a capacity of one LATEST."""

    def on_next(self, item: T) -> None:
        """Take an item; the longest waiting one makes room for it."""
        if len(self.queue) >= self.capacity and not self.ended:
            self.queue.popleft()
            self._dropped += 1
        super().on_next(item)


class DropNewestRing(LossyRing[T]):
    """DROP_NEWEST."""

    def on_next(self, item: T) -> None:
        """Take an item if there is room."""
        if len(self.queue) < self.capacity:
            super().on_next(item)
        elif not self.ended:
            self._dropped += 1


class ErrorRing(LossyRing[T]):
    """ERROR: what is over the bound ends the stream.

    Args:
        capacity: Items that may wait.
        weigh: Gives an item's weight, for a bound by weight beside that by number.
        max_weight: Weight that may wait.
        name: What the reader is called where a message names it.
    """

    def __init__(
        self,
        capacity: int = sys.maxsize,
        *,
        weigh: Weigh[T] | None = None,
        max_weight: int = sys.maxsize,
        name: str = "reader",
    ) -> None:
        super().__init__(capacity, name=name)
        self._weigh = weigh
        self._max_weight = max_weight
        self._weight = 0

    def on_next(self, item: T) -> None:
        """Take an item, or end the stream."""
        if self.ended:
            return
        if self._weigh is not None:
            self._weight += self._weigh(item)
        full = len(self.queue) >= self.capacity
        if full or self._weight > self._max_weight:
            bound = f"{self.capacity:,} items" if full else f"a weight of {self._max_weight:,}"
            self._dropped += 1
            self._fail(
                BufferOverflowError(
                    f"{self.group.name}: more than {bound} wait for a reader that is slower than "
                    "its source. Read faster, allow more, or choose a policy that pauses."
                )
            )
            return
        super().on_next(item)

    async def take(self) -> T:
        """Wait for the next item and take it."""
        item = await super().take()
        if self._weigh is not None:
            self._weight -= self._weigh(item)
        return item


class CoalesceRing(Ring[T]):
    """COALESCE: when full, a new item becomes part of the one that came before it.

    Where two must not be merged, or the merged one would be over `max_weight`, it pauses instead.

    Args:
        capacity: Items that may wait unmerged.
        merge: Makes one of two neighbours.
        weigh: Gives an item's weight.
        max_weight: Weight up to which items are merged.
        name: What the reader is called where a message names it.
    """

    def __init__(
        self,
        capacity: int,
        *,
        merge: Merge[T],
        weigh: Weigh[T],
        max_weight: int,
        name: str = "reader",
    ) -> None:
        super().__init__(capacity, name=name)
        self._merge = merge
        self._weigh = weigh
        self._max_weight = max_weight

    def on_next(self, item: T) -> None:
        """Take an item, by itself or as part of the last one that waits."""
        queue = self.queue
        if len(queue) >= self.capacity and not self.ended:
            last = queue[-1]
            if self._weigh(last) + self._weigh(item) <= self._max_weight:
                merged = self._merge(last, item)
                if merged is not None:
                    queue[-1] = merged
                    self._merged += 1
                    return
        super().on_next(item)

    def _hold(self) -> None:
        # At capacity there is still room to merge; the source is held where merging ended.
        if len(self.queue) > self.capacity:
            super()._hold()
