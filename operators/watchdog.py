"""Watches a stream: passes on what comes, and ends it where a clock runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from reactivex.disposable import Disposable, SingleAssignmentDisposable

from rxwizard.chunks import ANSWERING, ChunkKind, StreamChunk
from rxwizard.demand import LoopScheduler
from rxwizard.demand.gate import pushing, run_on
from rxwizard.fold import MAX_RESPONSE_CHARACTERS
from rxwizard.operators.arrived import Arrived
from rxwizard.operators.limits import Clocks, Limits
from rxwizard.operators.making import clock, subscribe_closely
from rxwizard.operators.running_clock import RunningClock, quick_time
from rxwizard.operators.timing import Alarm, stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable, abc

    from rxwizard.demand.gate import Gate
    from rxwizard.errors import DeadlineError

A = TypeVar("A")

_TEXT, _START, _RETRACT = ChunkKind.TEXT, ChunkKind.START, ChunkKind.RETRACT

#: Content beside what the model writes.
_CONTENT = frozenset({ChunkKind.CITATION, ChunkKind.OTHER, ChunkKind.FINAL})

# What is set in a chunk that brings nothing but text to choice 0. What is not set is as it is in
# every chunk, so that one look does for all fields; one at each takes longer than all else.
_FRESH = frozenset({"text", "index", "seq", "at", "source", "data", "raw"})
_PLAIN = _FRESH | {"kind", "epoch"}
_NOTHING: frozenset[str] = frozenset()

#: Schedulers round to microseconds.
_ROUNDING = 1e-5

#: Seconds by which a timer is late where the loop stood still, and with it our reading: what came
#: meanwhile is still in the socket.
_LATE = 0.05

#: How often, and for how many seconds, the loop is then let run before anybody is blamed.
_CHANCES, _CHANCE = 20, 0.005


def watch(
    source: Observable[A],
    limits: Limits,
    observer: abc.ObserverBase[A],
    scheduler: abc.SchedulerBase | None,
    *,
    knows_partial: bool,
) -> abc.DisposableBase:
    """Subscribe to the source for an observer; give what ends it.

    There is one timer. An item only leaves the time at which it came; how much time is left is seen
    when the timer rings, which is then set anew.

    Args:
        source: What is watched.
        limits: How long each stage may take.
        observer: Gets the items, and the end.
        scheduler: Keeps the time.
        knows_partial: Whether the source is a request's own stream, whose gate knows the partial.
    """
    keeper = clock(scheduler)
    now = quick_time(stopwatch(keeper))
    content = _CONTENT | {ChunkKind.HEARTBEAT} if limits.heartbeats else _CONTENT
    emit = cast("Callable[[Any], None]", observer.on_next)
    gate_of_pusher = pushing.get
    subscription = SingleAssignmentDisposable()
    arrived = Arrived(knows_partial=knows_partial)
    gate: Gate | None = None
    epoch = 0
    has_started = False
    # When content came last; None: there is no token yet. And what is set in most chunks then.
    last: float | None = None
    usual = _NOTHING
    chunk: StreamChunk | None = None
    write: Callable[[str], int] | None = None
    written = 0
    count: Callable[[object, float], None] | None = None
    # Each is set before the other is looked at, so that of an item and the alarm, which may be on
    # two threads, at least one sees the other; a lock would cost each item more than all the rest.
    # Once it has rung for the last time, it rings for ever.
    is_pushing = is_ringing = False
    # When it is to ring, and how often it still may before anybody is blamed; None: not known yet.
    rings_at = 0.0
    chances: int | None = None

    # -- what comes ------------------------------------------------------------------------------

    def on_next(item: Any) -> None:
        nonlocal is_pushing, last, chunk, written, write
        is_pushing = True
        try:
            if is_ringing and is_over():
                return
            if (
                type(item) is StreamChunk
                and (item.__pydantic_fields_set__ <= usual or is_usual(item))
                and (text := item.text)
                and gate_of_pusher() is gate
            ):  # nine of ten
                last = now() - time.seconds
                if write is not None:
                    chunk = item
                    written += write(text)
                    if written > MAX_RESPONSE_CHARACTERS:
                        write = arrived.writer(written)
                if count is not None:
                    count(item, last)
            else:
                see(item)
            emit(item)
        finally:
            is_pushing = False

    def on_next_of_wire(item: Any) -> None:
        """Do the same for a request's own stream on our loop: it keeps the partial itself.

        It has one epoch, all that has text is content, and the alarm rings on the same thread, so
        never inside of this.
        """
        nonlocal last
        if item.text and last is not None:
            last = now() - time.seconds
        else:
            see(item)
        emit(item)

    def is_usual(item: StreamChunk) -> bool:
        """Tell whether a chunk brings nothing but text to choice 0, if any."""
        return (
            last is not None
            and item.kind is _TEXT
            and item.epoch == epoch
            and item.model_fields_set <= _PLAIN
        )

    def see(item: object) -> None:
        nonlocal gate, chunk, written, write, has_started
        if gate_of_pusher() is not gate:
            gate = gate_of_pusher()
            time.follow(gate)
        if not isinstance(item, StreamChunk):
            if not isinstance(item, str) or item:
                bring(item, is_token=True)
            return
        kind = item.kind
        if item.epoch > epoch or kind is _RETRACT or (kind is _START and has_started):
            begin_anew(item.epoch)
        has_started = has_started or kind is _START
        chunk = item
        arrived.add(item, gate)
        written += len(item.text)
        write = arrived.writer(written)
        if kind in ANSWERING:
            if _has_content(item):
                bring(item, is_token=True)
        elif kind in content:
            bring(item, is_token=False)
        if item.is_final:
            clocks.are_over = True
            arm_here()

    def bring(item: object, *, is_token: bool) -> None:
        """Note that an item has content."""
        nonlocal last, usual, count
        is_first = last is None
        if is_first and not is_token:
            return
        last = time.read()
        if clocks.count_tokens:
            clocks.count(item, last)
            count = clocks.count
        if is_first:
            usual = _NOTHING if epoch else _FRESH
            arm_here()

    def begin_anew(newer: int) -> None:
        nonlocal epoch, last, usual
        epoch, last, usual = newer, None, _NOTHING
        clocks.begin_anew(time.read())
        arm_here()

    def on_error(error: Exception) -> None:
        with alarm.lock:
            stop()
            observer.on_error(error)

    def on_completed() -> None:
        with alarm.lock:
            stop()
            observer.on_completed()

    # -- the alarm -------------------------------------------------------------------------------

    def is_over() -> bool:
        with alarm.lock:
            return is_ringing

    def arm(least: float = 0.0) -> None:
        following = clocks.first(last)
        if following is None:
            alarm.unset()
        else:
            set_alarm(max(following[0] - time.read(), least))

    def arm_here() -> None:
        """Do so from inside a push, which may be on another thread than the loop's."""
        if loop is None:
            arm()
        else:
            run_on(loop, arm)

    def go_on() -> None:
        # The source comes first: it may have an item in its hand that was read in time.
        arm(_CHANCE)

    def set_alarm(seconds: float) -> None:
        nonlocal rings_at
        rings_at = now() + seconds
        alarm.set(seconds)

    def ring() -> None:
        nonlocal is_ringing
        is_ringing = True
        kind = None
        if is_pushing:
            set_alarm(_CHANCE)
        else:
            kind = expired()
        if kind is None:
            is_ringing = False
            return
        error = limits.error(kind)
        error.partial = arrived.partial(chunk)
        if chunk is not None:
            error.provider = chunk.source.provider or None
            error.request_id = chunk.source.request_id
            error.attempts = chunk.source.attempt + 1
        end()
        observer.on_error(error)

    def expired() -> type[DeadlineError] | None:
        """Give whose time is up; where it is nobody's, see to it that the alarm rings again."""
        nonlocal chances
        following = clocks.first(last)
        if following is None:
            return None
        time.is_awaited = True
        if time.stands_still:
            return None
        time.is_awaited = False
        at, kind = following
        left = at - time.read()
        if left > _ROUNDING:
            chances = None
            set_alarm(left)
            return None
        if chances is None and now() - rings_at > _LATE:
            chances = _CHANCES
        if chances:
            chances -= 1
            set_alarm(_CHANCE)
            return None
        return kind

    def stop() -> None:
        alarm.dispose()
        time.stop()

    def end() -> None:
        stop()
        subscription.dispose()

    alarm = Alarm(keeper, ring)
    time = RunningClock(now, go_on)
    loop = time.loop if isinstance(keeper, LoopScheduler) else None
    clocks = Clocks(limits, time.read())
    if knows_partial and loop is not None and not clocks.count_tokens:
        subscription.disposable = subscribe_closely(
            source, on_next_of_wire, on_error, on_completed, scheduler
        )
    else:
        subscription.disposable = source.subscribe(
            on_next, on_error, on_completed, scheduler=scheduler
        )
    arm()
    return Disposable(end)


def _has_content(chunk: StreamChunk) -> bool:
    call = chunk.tool_call
    return bool(
        chunk.text
        or chunk.reasoning
        or (call is not None and (call.arguments or call.name or call.id))
    )
