"""The rings that weigh, drop or merge what is pushed: what each overflow policy does."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from typing import TypeVar, cast

from rxwizard.demand.ring import Ring
from rxwizard.errors import BufferOverflowError, ConfigError, WizardError

T = TypeVar("T")

Merge = Callable[[T, T], T | None]
"""Makes one item of two neighbours, or gives None where they must stay two."""

Weigh = Callable[[T], int]
"""Gives an item's weight, in characters or bytes: 0 or more."""

#: Weight up to which COALESCE merges: some 64 screens of text that nobody has read yet.
MAX_MERGED_WEIGHT = 65_536


class WeighedRing(Ring[T]):
    """PAUSE, bounded by weight as well; and what the other policies have in common.

    Args:
        capacity: Items that may wait.
        weigh: Gives an item's weight; None: they weigh nothing.
        max_weight: Weight that may wait in all. One item may be heavier, and waits alone.
        low: Waiting items at which a held source is released, with a quarter of the weight.
        name: What the reader is called where a message names it.
    """

    def __init__(
        self,
        capacity: int,
        *,
        weigh: Weigh[T] | None = None,
        max_weight: int = sys.maxsize,
        low: int | None = None,
        name: str = "reader",
    ) -> None:
        super().__init__(capacity, low=low, name=name)
        self._weigh = weigh
        self._max_weight = max_weight
        #: The queue. Here each item is in it with its weight, so that both leave in one step.
        self._pairs = self._queue_of_pairs()
        #: Weight that has come and not been dropped, and weight that the reader has taken: the
        #: first is the source's to write, the second the reader's.
        self._came: int = 0
        self._went: int = 0

    def on_next(self, item: T) -> None:
        """Take an item that is pushed."""
        if self.ended:
            return
        try:
            weight = 0 if self._weigh is None else self._weigh(item)
            if not weight >= 0:
                message = f"weigh gave {weight}; a weight must be 0 or more"
                raise ConfigError(f"{self.group.name}: {message}")
            queue = self.queue
            fits = self._came - self._went + weight <= self._max_weight
            if (fits and len(queue) < self.capacity) or not queue:
                self._put(item, weight)
            else:
                self._overflow(item, weight)
        except Exception as error:
            # The user's own function failed, for this reader. Raised here it would reach the
            # source, and whoever shares it.
            self.fail(error)
        if self._waiting:
            self._waiting.wake()

    def _put(self, item: T, weight: int) -> None:
        self._came += weight
        self._pairs.append((item, weight))
        self._check()

    def _check(self) -> None:
        full = self._came - self._went >= self._max_weight
        if (full or len(self.queue) >= self._watch) and (error := self._look()) is not None:
            self.fail(error)

    def _overflow(self, item: T, weight: int, /) -> None:
        """Do what the policy says about an item that is over the bound, and would not wait alone.

        Here it is let in: it was under way when the source was held, or the source cannot be.
        """
        self._put(item, weight)

    async def take(self) -> T:
        """Wait for the next item and take it; see `Ring.take`."""
        item, weight = cast("tuple[T, int]", await super().take())
        self._took(weight)
        return item

    def take_waiting(self, most: int = sys.maxsize) -> list[T]:
        """Take what waits, up to `most`, without waiting for any."""
        pairs = cast("list[tuple[T, int]]", super().take_waiting(most))
        self._took(sum(weight for _, weight in pairs))
        return [item for item, _ in pairs]

    def _took(self, weight: int) -> None:
        self._went += weight
        if self._brake.on:
            self._release()

    def _drop_newest(self) -> None:
        try:
            _, weight = self._pairs.pop()
        except IndexError:  # the reader has taken all on another thread, this one included
            return
        self._came -= weight
        self._dropped += 1

    def _forget(self) -> None:
        super()._forget()
        self._pairs = self._queue_of_pairs()

    def _queue_of_pairs(self) -> deque[tuple[T, int]]:
        return cast("deque[tuple[T, int]]", self.queue)

    def _is_full(self) -> bool:
        return super()._is_full() or self._came - self._went >= self._max_weight

    def _is_over(self) -> bool:
        # One alone may be of any weight.
        return super()._is_over() or (
            self._came - self._went > self._max_weight and len(self.queue) > 1
        )

    def _has_room(self) -> bool:
        return super()._has_room() and self._came - self._went <= self._max_weight // 4

    def _bound(self) -> str:
        if len(self.queue) < self.capacity or self._came - self._went > self._max_weight:
            return f"a weight of {self._max_weight:,}"
        return super()._bound()

    def _weight_waiting(self) -> int:
        return self._came - self._went if self.queue else 0


class LossyRing(WeighedRing[T]):
    """A ring whose reader slows nobody."""

    def _look(self) -> WizardError | None:
        """Note a new peak."""
        self._peak = max(self._peak, len(self.queue))
        self._watch = self._peak + 1
        return None


class DropOldestRing(LossyRing[T]):
    """DROP_OLDEST, and with a capacity of one LATEST."""

    def _overflow(self, item: T, weight: int, /) -> None:
        most = self._max_weight - weight
        while len(self.queue) >= self.capacity or self._came - self._went > most:
            try:
                _, oldest = self._pairs.popleft()
            except IndexError:  # it waits alone, or the reader was faster, on another thread
                break
            self._came -= oldest
            self._dropped += 1
        self._put(item, weight)


class DropNewestRing(LossyRing[T]):
    """DROP_NEWEST."""

    def _overflow(self, _item: T, _weight: int, /) -> None:
        self._dropped += 1


class ErrorRing(LossyRing[T]):
    """ERROR: what is over the bound ends the stream."""

    def _overflow(self, _item: T, _weight: int, /) -> None:
        self._dropped += 1
        self.fail(
            BufferOverflowError(
                f"{self.group.name}: more than {self._bound()} wait for a reader that is slower "
                "than its source. Read faster, allow more, or choose a policy that pauses."
            )
        )


class CoalesceRing(WeighedRing[T]):
    """COALESCE: when full, a new item becomes part of the one that came before it.

    A merged item weighs what its parts did. Where two must not be merged, or what waits would be
    over `max_weight`, it pauses instead.
    """

    def __init__(
        self,
        capacity: int,
        *,
        merge: Merge[T],
        weigh: Weigh[T] | None = None,
        max_weight: int = MAX_MERGED_WEIGHT,
        low: int | None = None,
        name: str = "reader",
    ) -> None:
        super().__init__(
            capacity, weigh=weigh or _count_one, max_weight=max_weight, low=low, name=name
        )
        self._merge = merge

    def _overflow(self, item: T, weight: int, /) -> None:
        fits = self._came - self._went + weight <= self._max_weight
        if fits and self._is_merged(item, weight):
            self._check()
        else:
            self._put(item, weight)

    def _is_merged(self, item: T, weight: int) -> bool:
        pairs = self._pairs
        try:
            last, its_weight = pairs[-1]
        except IndexError:  # the reader has drained it, on another thread
            return False
        merged = self._merge(last, item)
        if merged is None:
            return False
        self._came += weight
        try:
            # Nobody else appends: where there is a newest one, it is still that.
            pairs[-1] = (merged, its_weight + weight)
        except IndexError:
            self._came -= weight
            return False
        self._merged += 1
        return True

    def _is_full(self) -> bool:
        # At capacity there is still room to merge; the source is held where merging ends.
        return len(self.queue) > self.capacity or self._came - self._went >= self._max_weight


def _count_one(_item: object) -> int:
    return 1
