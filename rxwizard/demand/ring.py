"""The ring: what waits between a source that pushes and a reader that pulls.

It is the observer at the end of a chain. The reader's own object is another one, so that dropping
the reader is seen although the chain still refers to its ring.

Sources may push from another thread than the reader's, and an item must not cost a lock for that.
It needs none because one pushes at a time and one reads at a time: each counter has one side that
writes it, what both sides take from is a deque, whose single steps nothing can come between, and
each side first writes and then looks at what the other wrote (an item, and who waits for one; a
hold, and how many wait), so that of two who meet at least one sees the other.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Generic, TypeVar

from reactivex.disposable import SingleAssignmentDisposable

from rxwizard.demand.brake import Brake
from rxwizard.demand.gate import GateGroup, downstream, pushing, running_loop
from rxwizard.demand.scheduler import LoopScheduler
from rxwizard.demand.statistics import Statistics
from rxwizard.demand.waiting import Waiter, Waiting
from rxwizard.errors import MissingBackpressureError, StreamInterruptedError, WizardError

if TYPE_CHECKING:
    from reactivex import Observable

T = TypeVar("T")

#: Items one push may expand to while its source is already held (a flat-map of 1 to many). Beyond
#: this the source does not obey its gate.
BURST = 4096


class Ring(Generic[T]):
    """The items that wait, under the policy PAUSE; the other policies refine it.

    The bound: a source looks at its gate before each push, and the ring holds all gates from the
    moment `capacity` items wait until `low` are left. So at the start of any push at most
    ``capacity - 1`` wait, and with k items out of one push the most is ``capacity - 1 + k``.

    Args:
        capacity: Items that may wait, 1 or more.
        low: Waiting items at which a held source is released. A pause and its end cost some 6 µs;
            releasing at a quarter spreads that over three quarters of the capacity.
        name: What the reader is called where a message names it.
    """

    def __init__(self, capacity: int, *, low: int | None = None, name: str = "reader") -> None:
        self.capacity = capacity
        self.low = capacity // 4 if low is None else low
        self.group = GateGroup(name, self)
        self.subscription = SingleAssignmentDisposable()
        self.queue: deque[T] = deque()
        self.ended = False
        #: Whether cancelling the task that waits here cancels the stream. It does where the reader
        #: is a loop's own: nobody else could go on with it, and a cancelled task that somebody
        #: keeps would keep the connection open.
        self.ends_with_its_task = False
        #: Items the reader has taken.
        self.delivered = 0
        #: How the source failed, if it did.
        self.error: Exception | None = None
        self.loop = running_loop()
        #: Who waits for an item or the end.
        self._waiting = Waiting()
        # Re-entrant: the reader's finaliser can run anywhere, also inside a hold.
        self._lock = threading.RLock()
        self._brake = Brake(self.group, self.loop.time)
        #: A push that makes the queue this long has to be looked at: a new peak, or full.
        self._watch = 1
        self._peak = 0
        self._dropped: int = 0
        self._merged = 0

    def attach(self, source: Observable[T]) -> None:
        """Subscribe to `source`, such that its sources know for whom they work."""
        # A context of its own: neither leaks what is set here to the caller, nor takes the caller's
        # source for the parent of this one when called from inside a push.
        context = copy_context()
        context.run(downstream.set, self.group)
        context.run(pushing.set, None)
        self.subscription.disposable = context.run(
            source.subscribe,
            self.on_next,
            self.on_error,
            self.on_completed,
            scheduler=LoopScheduler(self.loop),
        )

    # -- the source's side ---------------------------------------------------------------------

    def on_next(self, item: T) -> None:
        """Take an item that is pushed."""
        if self.ended:
            return
        queue = self.queue
        queue.append(item)
        if len(queue) >= self._watch and (error := self._look()) is not None:
            self.fail(error)
        if self._waiting:
            self._waiting.wake()

    def on_error(self, error: Exception) -> None:
        """The source failed; the reader learns of it after what already waits."""
        self._end(error)
        self._waiting.wake()

    def on_completed(self) -> None:
        """The source is done; the reader learns of it after what already waits."""
        self._end(None)
        self._waiting.wake()

    def fail(self, error: Exception) -> None:
        """End the stream with an error of ours; what waits is still delivered."""
        if isinstance(error, WizardError) and error.partial is None:
            error.partial = self.group.evidence()
        self._end(error)
        try:
            self.subscription.dispose()
        finally:
            self._waiting.wake()

    def _end(self, error: Exception | None) -> None:
        with self._lock:
            if not self.ended:
                self.error = error
                self.ended = True
                # A source that it shares with others (one branch ends with `take`) goes on for
                # them.
                self._brake.release()

    def _look(self) -> WizardError | None:
        """Note a new peak; hold the sources when full. Gives an error where they cannot be held."""
        length = len(self.queue)
        # Never above the capacity: the reader may take some between this look and the next.
        self._watch = min(length + 1, self.capacity)
        if self.group.lossy and self._is_full():
            # A shared source has stopped to wait for this reader.
            self._release()
            if self._is_over():
                self._drop_newest()
                return None
        self._peak = max(self._peak, length)
        if self.group.lossy or not self._is_full():
            return None
        self._hold()
        burst = length > self.capacity + BURST
        if burst or (self._is_over() and not self.group.linked):
            return self._cannot_pause()
        return None

    def _is_full(self) -> bool:
        return len(self.queue) >= self.capacity

    def _is_over(self) -> bool:
        return len(self.queue) > self.capacity

    def _drop_newest(self) -> None:
        try:
            self.queue.pop()
        except IndexError:  # the reader has taken all on another thread, this one included
            return
        self._dropped += 1

    def _bound(self) -> str:
        return f"{self.capacity:,} items"

    def _cannot_pause(self) -> WizardError:
        why = "the source cannot be paused"
        if self.group.linked:
            why = f"an operator made over {BURST:,} of one, or has a queue of its own"
        return MissingBackpressureError(
            f"{self.group.name}: more than {self._bound()} wait, and {why}. Choose another "
            "overflow policy (coalesce, drop_oldest, drop_newest, latest), or read from a source "
            "that can be paused, such as rxwizard.from_iterable."
        )

    def _hold(self) -> None:
        with self._lock:
            if self.ended or not self._is_full():
                return
            self._brake.hold()
            # The reader may have drained it since the push, before it could see the hold. Or it has
            # been dropped, and its finaliser ran inside.
            if self._has_room() or self.ended:
                self._brake.release()

    # -- the reader's side ---------------------------------------------------------------------

    async def take(self) -> T:
        """Wait for the next item and take it.

        Raises:
            StopAsyncIteration: The source completed, or the reader cancelled.
            Exception: The source's own.
        """
        while True:
            queue = self.queue
            if not queue:
                await self.wait()
                self._raise_at_end()
            try:
                item = queue.popleft()
            except IndexError:  # the end, or another thread cancelled or dropped
                continue
            self.delivered += 1
            if self._brake.on and len(queue) <= self.low:
                self._release()
            return item

    async def take_batch(self, most: int = sys.maxsize) -> list[T]:
        """Wait for an item, and take it with all that wait behind it, up to `most`; see `take`."""
        while True:
            if not self.queue:
                await self.wait()
                self._raise_at_end()
            if batch := self.take_waiting(most):
                return batch

    def take_waiting(self, most: int = sys.maxsize) -> list[T]:
        """Take what waits, up to `most`, without waiting for any."""
        batch: list[T] = []
        queue = self.queue
        try:
            # No more than wait now: a source on another thread may push as fast as this takes.
            for _ in range(min(most, len(queue))):
                batch.append(queue.popleft())  # noqa: PERF401 - what was taken must not be lost
        except IndexError:  # another thread cancelled or dropped
            pass
        self.delivered += len(batch)
        if self._brake.on and len(queue) <= self.low:
            self._release()
        return batch

    async def wait(self, count: int = 1) -> None:
        """Wait until `count` items wait or the end has come."""
        while len(self.queue) < count and not self.ended:
            arrived = asyncio.get_running_loop().create_future()
            if not self._waits_for(arrived, count):
                return
            try:
                await arrived
            except asyncio.CancelledError:
                if self.ends_with_its_task:
                    # Whoever asks again all the same must not take this for the answer's end.
                    message = "Reading was cancelled, which closed the stream."
                    self.cancel(StreamInterruptedError(message))
                raise
            finally:
                if self._waiting:
                    self._waiting.call_off(arrived)

    def call_when_ready(self, wake: Callable[[], object]) -> None:
        """Have `wake` called once, when an item waits or the end has come; at once if so now.

        It is called by whoever pushes, so perhaps on another thread.

        Raises:
            RuntimeError: Somebody waits already.
        """
        if not self._waits_for(wake, 1):
            wake()

    def call_off(self, waiter: Waiter) -> None:
        """Have it not called any more."""
        self._waiting.call_off(waiter)

    def _waits_for(self, waiter: Waiter, count: int) -> bool:
        """Set who is to be woken; False where there is enough to take already."""
        self._waiting.add(waiter)
        # Another thread may have pushed between the look at the queue and this line. It wakes who
        # waits, or it came too early for that.
        is_due = len(self.queue) >= count or self.ended
        return not (is_due and self._waiting.call_off(waiter))

    @property
    def exhausted(self) -> bool:
        """Whether there is nothing left to take, nor will be."""
        # In this order: the last item may come between the two looks, and the end after it.
        return self.ended and not self.queue

    def _raise_at_end(self) -> None:
        if self.exhausted:
            self._forget()
            raise StopAsyncIteration if self.error is None else self.error

    def _release(self) -> None:
        with self._lock:
            if self._has_room() or self.group.lossy:
                self._brake.release()

    def _has_room(self) -> bool:
        return len(self.queue) <= self.low

    def cancel(self, error: Exception | None = None) -> None:
        """Stop the sources, forget what waits; reading gives `error`, or the end.

        Idempotent, from any thread.
        """
        with self._lock:
            self.ended = True
            self.error = error or self.error
            self._forget()
            self._brake.release()
        try:
            self.subscription.dispose()
        finally:
            self._waiting.wake()

    def _forget(self) -> None:
        # One that stays empty: a push may be under way on another thread, and has seen no end yet.
        forgotten, self.queue = self.queue, deque(maxlen=0)
        forgotten.clear()

    def statistics(self) -> Statistics:
        """Say what has happened so far."""
        return Statistics(
            capacity=self.capacity,
            waiting=len(self.queue),
            peak=self._peak,
            delivered=self.delivered,
            dropped=self._dropped,
            merged=self._merged,
            pauses=self._brake.pauses,
            paused_seconds=self._brake.seconds,
            weight=self._weight_waiting(),
        )

    def _weight_waiting(self) -> int:
        return 0
