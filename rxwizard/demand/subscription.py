"""Credits on top of the ring: `request(n)` and `cancel()`, as Reactive Streams has them."""

from __future__ import annotations

import threading
from contextlib import suppress
from operator import index
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rxwizard.demand.gate import runs_here
from rxwizard.demand.overflow import Overflow, make_ring
from rxwizard.errors import ConfigError

if TYPE_CHECKING:
    from reactivex import Observable

    from rxwizard.demand.ring import Ring
    from rxwizard.demand.statistics import Statistics

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

#: A demand of this many is taken as one without end (rule 3.17).
UNBOUNDED = 2**63 - 1


class Subscriber(Protocol[T_contra]):
    """Takes what it has asked for. The signals come one at a time, on the loop's thread."""

    def on_subscribe(self, subscription: Subscription, /) -> None:
        """Comes first, and once. Nothing else comes before something is requested, but the end."""

    def on_next(self, item: T_contra, /) -> None:
        """Take one of the requested items."""

    def on_error(self, error: Exception, /) -> None:
        """The source failed. Nothing comes after it."""

    def on_completed(self) -> None:
        """The source is done. Nothing comes after it."""


class Subscription:
    """The link between one subscriber and its source: it asks, and it leaves.

    Items cross the operators above under a gate, not by credits, and up to `capacity` of them wait
    here, asked for or not: that is how a source can be held through operators that swallow or
    multiply items. What the *subscriber* sees are credits, by the rules of Reactive Streams 1.0.4
    (https://github.com/reactive-streams/reactive-streams-jvm), and by their numbers:

    - 1.1 never more `on_next` than requested; 1.2 the end may come earlier; 1.3 signals are serial,
      on the loop's thread; 1.4 a failure is `on_error`, after what was waiting; 1.5 completion of
      an empty source needs no request; 1.6, 1.7 the end ends the subscription, nothing comes after
      it; 1.8 nor, in the end, after `cancel`; 1.9 `on_subscribe` comes first; 1.11 each subscriber
      of a cold source has its own.
    - 2.1 without a request there is no item; 2.3 asking or leaving inside the end's signal does
      nothing; 2.5 a `BoundedSubscriber` refuses a second source; 2.6 it cancels when it is left;
      2.8 an item that comes after `cancel` is ignored; 2.9, 2.10 the end needs no request; 2.12
      `on_subscribe` comes once; 2.13 a subscriber that raises is cancelled, and the loop's
      exception handler gets its exception.
    - 3.2 it may request inside `on_subscribe` and `on_next`; 3.3 which does not recurse; 3.5
      `cancel` works at once, from any thread, any number of times; 3.6, 3.7 after it both calls do
      nothing; 3.8 requests add up; 3.9 less than 1 is an `on_error` with a ConfigError, and what
      waits is forgotten; 3.10, 3.11 `request` signals before it returns, where it is called on the
      loop's thread; 3.12 a cancelled subscriber gets no more signals; 3.13 and is referred to no
      more; 3.14 its source is closed; 3.15, 3.16 neither call raises what the subscriber does; 3.17
      demand has no upper limit.

    Cannot be tested, being the caller's part or a matter of speed: 1.10, 2.2, 2.4, 2.7, 2.11, 3.1,
    3.4.

    Dropped by all while nothing is requested, it cancels itself: nobody can ask any more. While
    something is, it goes on.
    """

    def __init__(self, ring: Ring[Any], subscriber: Subscriber[Any]) -> None:
        self._ring = ring
        self._subscriber: Subscriber[Any] | None = subscriber
        self._credit = 0
        self._lock = threading.Lock()
        self._has_begun = False
        self._is_serving = False
        self._is_waiting = False

    def request(self, n: int) -> None:
        """Ask for `n` more items, 1 or more; from any thread.

        On the loop's thread, those that wait already are delivered before this returns; not inside
        a signal, which they follow.

        Raises:
            TypeError: `n` is not a whole number.
        """
        n = index(n)
        if n < 1:
            self._refuse(ConfigError(f"request({n}) asks for nothing; it must be 1 or more"))
            return
        with self._lock:
            self._credit = min(self._credit + n, UNBOUNDED)
        self._serve()

    def cancel(self) -> None:
        """Close the source at once; nothing is signalled any more. Idempotent, from any thread."""
        self._subscriber = None
        self._ring.cancel()

    def statistics(self) -> Statistics:
        """Say what has happened so far."""
        return self._ring.statistics()

    def begin(self) -> None:
        """Begin to signal."""
        self._has_begun = True
        self._serve()

    def _serve(self) -> None:
        loop = self._ring.loop
        if not runs_here(loop):
            # Signals are serial, so they all come from one thread.
            with suppress(RuntimeError):  # the loop is closed: nobody is left to signal to
                loop.call_soon_threadsafe(self._serve)
            return
        if self._is_serving or not self._has_begun:
            return  # asked for inside a signal: the loop below goes on
        self._is_serving = True
        try:
            while self._signal_next():
                pass
        except Exception as error:
            self.cancel()
            words = "a subscriber raised, and was cancelled"
            loop.call_exception_handler({"message": words, "exception": error})
        finally:
            self._is_serving = False

    def _signal_next(self) -> bool:
        """Give the subscriber one signal, if one is due to it; False where there is none now."""
        ring, subscriber = self._ring, self._subscriber
        if subscriber is None:
            return False
        if ring.queue:
            if not self._credit:
                return False
            items = ring.take_waiting(1)
            with self._lock:
                if self._credit < UNBOUNDED:
                    self._credit -= len(items)
            for item in items:
                subscriber.on_next(item)
            return True
        if ring.exhausted:
            self._subscriber = None
            if ring.error is None:
                subscriber.on_completed()
            else:
                subscriber.on_error(ring.error)
            return False
        if not self._is_waiting:
            self._is_waiting = True
            ring.call_when_ready(self._woken)
        # If not, another thread has pushed meanwhile.
        return not self._is_waiting

    def _woken(self) -> None:
        self._is_waiting = False
        self._serve()

    def _refuse(self, error: Exception) -> None:
        if self._subscriber is not None:
            self._ring.cancel(error)
            self._serve()

    def __del__(self) -> None:
        # Nobody is left who could ask for what waits.
        self._ring.cancel()


def subscribe_with(
    source: Observable[T],
    subscriber: Subscriber[T],
    capacity: int = 64,
    overflow: Overflow | str = Overflow.PAUSE,
    **options: Any,
) -> Subscription:
    """Subscribe to `source` with credits; what is not asked for yet waits, and pauses the source.

    Args:
        source: Any observable.
        subscriber: Gets the signals.
        capacity: Items that may wait, 1 or more.
        overflow: What happens to an item that finds no room.
        options: The others of `BoundedSubscriber`.

    Raises:
        ConfigError: The options cannot work.
    """
    ring: Ring[T] = make_ring(capacity, overflow, **options)
    subscription = Subscription(ring, subscriber)
    subscriber.on_subscribe(subscription)
    # First, so that what a source pushes while it is subscribed to goes to those who asked for it.
    subscription.begin()
    if not ring.ended:
        ring.attach(source)
    return subscription
