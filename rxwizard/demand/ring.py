"""The ring: what waits between a source that pushes and a reader that pulls.

It is the observer at the end of a chain. The reader's own object is another one, so that dropping
the reader is seen although the chain still refers to its ring.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from reactivex.disposable import SingleAssignmentDisposable

from rxwizard.demand.gate import GateGroup, resolve, running_loop
from rxwizard.errors import MissingBackpressureError, StreamInterruptedError, WizardError

T = TypeVar("T")

#: Items one push may expand to while its source is already held (a flat-map of 1 to many). Beyond
#: this the source does not obey its gate.
BURST = 4096


@dataclass(frozen=True, slots=True)
class Statistics:
    """What has happened at one reader so far."""

    capacity: int
    """Items that may wait."""
    waiting: int
    """Items that wait now."""
    peak: int
    """Most items that ever waited."""
    delivered: int
    """Items the reader has taken."""
    dropped: int
    """Items lost by policy."""
    merged: int
    """Items that became part of the one before."""
    pauses: int
    """How often the source was held."""
    paused_seconds: float
    """How long the source was held, in seconds of the loop's clock."""


class Ring(Generic[T]):
    """The items that wait, under the policy PAUSE; the other policies refine it.

    The bound: a source looks at its gate before each push, and the ring holds all gates from the
    moment `capacity` items wait until a quarter of them is left. So at the start of any push at
    most ``capacity - 1`` wait, and with k items out of one push the most is ``capacity - 1 + k``.

    Args:
        capacity: Items that may wait, 1 or more.
        low: Waiting items at which a held source is released. A pause and its end cost some 6 µs;
            releasing at a quarter spreads that over three quarters of the capacity.
        name: What the reader is called where a message names it.
    """

    def __init__(self, capacity: int, *, low: int | None = None, name: str = "reader") -> None:
        self.capacity = capacity
        self.low = capacity // 4 if low is None else low
        self.group = GateGroup(name)
        self.subscription = SingleAssignmentDisposable()
        self.queue: deque[T] = deque()
        self.ended = False
        #: Whether cancelling the task that waits here cancels the stream. It does where the reader
        #: is a loop's own: nobody else could go on with it, and a cancelled task that somebody
        #: keeps would keep the connection open.
        self.ends_with_its_task = False
        self._error: Exception | None = None
        self.loop = running_loop()
        self._waiter: asyncio.Future[None] | None = None
        # Re-entrant: the reader's finaliser can run anywhere, also inside a hold.
        self._lock = threading.RLock()
        self._held = False
        self._held_since = 0.0
        #: A push that makes the queue this long has to be looked at: a new peak, or full.
        self._watch = 1
        self._peak = 0
        self._delivered = 0
        self._dropped = 0
        self._merged = 0
        self._pauses = 0
        self._paused_seconds = 0.0

    # -- the source's side ---------------------------------------------------------------------

    def on_next(self, item: T) -> None:
        """Take an item that is pushed."""
        queue = self.queue
        if self.ended:
            return
        queue.append(item)
        if len(queue) >= self._watch:
            self._look()
        if self._waiter is not None:
            self._wake()

    def on_error(self, error: Exception) -> None:
        """The source failed; the reader learns of it after what already waits."""
        if not self.ended:
            self._error = error
            self.on_completed()

    def on_completed(self) -> None:
        """The source is done; the reader learns of it after what already waits."""
        self.ended = True
        # A source that it shares with others (one branch ends with `take`) goes on for them.
        self._release()
        if self._waiter is not None:
            self._wake()

    def _look(self) -> None:
        """Note a new peak; hold the sources when full."""
        length = len(self.queue)
        self._peak = max(self._peak, length)
        if length < self.capacity:
            self._watch = length + 1
            return
        self._watch = self.capacity
        self._hold()
        allowed = self.capacity + (BURST if self.group.linked else 0)
        if length > allowed:
            self._fail(self._cannot_pause())

    def _cannot_pause(self) -> WizardError:
        why = "the source cannot be paused"
        if self.group.linked:
            why = f"an operator made over {BURST:,} of one, or has a queue of its own"
        return MissingBackpressureError(
            f"{self.group.name}: more than {self.capacity:,} items wait, and {why}. Choose another "
            "overflow policy (coalesce, drop_oldest, drop_newest, latest), or read from a source "
            "that can be paused."
        )

    def _fail(self, error: WizardError) -> None:
        """End the stream with our own error; what waits is still delivered."""
        kept = (gate.evidence for gate in self.group.gates)
        error.partial = next((evidence() for evidence in kept if evidence is not None), None)
        self.on_error(error)
        self.subscription.dispose()

    def _hold(self) -> None:
        with self._lock:
            # The reader may have drained or cancelled it on another thread since the push.
            if self.ended or len(self.queue) < self.capacity:
                return
            if not self._held:
                self._held = True
                self._held_since = self.loop.time()
                self._pauses += 1
            # Also when held: a source that was not known then may be pushing now.
            self.group.hold()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            resolve(waiter)

    # -- the reader's side ---------------------------------------------------------------------

    async def take(self) -> T:
        """Wait for the next item and take it.

        Raises:
            StopAsyncIteration: The source completed, or the reader cancelled.
            Exception: The source's own.
        """
        queue = self.queue
        while not queue:
            if self.ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            try:
                await self._wait()
            except asyncio.CancelledError:
                if self.ends_with_its_task:
                    # Whoever asks again all the same must not take this for the answer's end.
                    message = "Reading was cancelled, which closed the stream."
                    self._error = StreamInterruptedError(message)
                    self.cancel()
                raise
        item = queue.popleft()
        self._delivered += 1
        if self._held and len(queue) <= self.low:
            self._release()
        return item

    async def _wait(self) -> None:
        if self._waiter is not None:
            message = "two tasks read from one reader at the same time"
            raise RuntimeError(message)
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        # Another thread may have pushed between the look at the queue and this line.
        if self.queue or self.ended:
            self._waiter = None
            return
        try:
            await waiter
        finally:
            if self._waiter is waiter:
                self._waiter = None

    def _release(self) -> None:
        with self._lock:
            if self._held and (len(self.queue) <= self.low or self.ended):
                self._held = False
                self._paused_seconds += self.loop.time() - self._held_since
                self.group.release()

    def cancel(self) -> None:
        """Stop the sources, forget what waits. Idempotent, from any thread."""
        self.ended = True
        self.queue.clear()
        self._release()
        self.subscription.dispose()
        self._wake()

    def statistics(self) -> Statistics:
        """Say what has happened so far."""
        paused = self._paused_seconds
        if self._held:
            paused += self.loop.time() - self._held_since
        return Statistics(
            capacity=self.capacity,
            waiting=len(self.queue),
            peak=self._peak,
            delivered=self._delivered,
            dropped=self._dropped,
            merged=self._merged,
            pauses=self._pauses,
            paused_seconds=paused,
        )
