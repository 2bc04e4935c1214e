"""What a stream does, in logs, numbers and reports, without a change to it; and signs of life."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

from reactivex import Observable
from reactivex.disposable import CompositeDisposable

from rxwizard.chunks import ChunkKind, StreamChunk
from rxwizard.errors import ConfigError
from rxwizard.operators.beats import Beats
from rxwizard.operators.making import PassThrough, clock
from rxwizard.operators.metrics import Meter, Outcome, StreamMetrics
from rxwizard.operators.reports import LogLine, Progress, TerminalLine
from rxwizard.operators.taps import LOGGER, Tap, check_callable, tapped, told
from rxwizard.operators.timing import Alarm, check_over_zero, fullness, stopwatch
from rxwizard.stream import weight_in_characters

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import abc

A = TypeVar("A")

#: An enumeration's member takes long to look up.
_HEARTBEAT = ChunkKind.HEARTBEAT


def log(
    logger: logging.Logger | str = LOGGER, level: int = logging.DEBUG, *, label: str = ""
) -> PassThrough:
    """Log each item, and how it ended; nothing is changed.

    Each item is one record at `level`, on one line: of a chunk its kind and whatever it has, of
    anything else its repr. ``record.item`` is the item. It is written out only where a handler
    wants it; where nobody listens, an item costs a question.

    .. marble::
        -a-b-c-|
        [ log() ]
        -a-b-c-|

    Emits the same items, at once. The end is one record, with the number of items: completion and
    disposing at INFO, an error at ERROR, with its class and words. Nothing is held back: completion
    and errors pass through at once, and disposing lets go of the source at once.

    A record has nothing that is not in the item, so no key; but prompts and answers are your users'
    words.

    Args:
        logger: A logger, or the name of one; by default ``rxwizard.stream``.
        level: A level of `logging`, as a number, for the items.
        label: What each line begins with, to tell several of them apart.

    Raises:
        ConfigError: The level is no number.

    Example:
        >>> reactivex.of("Hel", "lo").pipe(ops.log("my.stream"), rx.to_list()).run()
        ['Hel', 'lo']
    """
    if isinstance(level, bool) or not isinstance(cast("object", level), int):
        message = f"log: a level is a number, such as logging.DEBUG, not {level!r}"
        raise ConfigError(message)
    journal = logging.getLogger(logger) if isinstance(logger, str) else logger
    prefix = f"{label}: " if label else ""

    def begin(_scheduler: abc.SchedulerBase | None) -> Tap:
        count = 0
        is_enabled_for, write = journal.isEnabledFor, journal.log

        def see(item: object) -> None:
            nonlocal count
            count += 1
            if is_enabled_for(level):
                write(level, "%s%s", prefix, LogLine(item), extra={"item": item})

        def end(outcome: Outcome, error: Exception | None) -> None:
            how = f"{type(error).__name__}: {error}" if error is not None else ""
            words = " ".join(how.split())
            at = logging.INFO if error is None else logging.ERROR
            write(at, "%s%s; items: %d%s", prefix, outcome, count, words and f"; {words}")

        return Tap(see, end)

    return tapped(begin)


def tap_metrics(report: Callable[[StreamMetrics], object] | None = None) -> PassThrough:
    """Measure the stream and report once, however it ends; nothing is changed.

    Time to the first chunk and token, gaps between tokens (median, 95th percentile, longest),
    totals, tokens a second, how it ended: `StreamMetrics` says what each of them is. An answer that
    took several attempts is one stream, with one record: times count from the first request, and
    totals are of all that came; `retracted` says how many characters of it no longer count.

    .. marble::
        -a-b-c-|
        [tap_metrics()]
        -a-b-c-|

    Emits the same items, at once. Each subscription makes exactly one record: at completion and at
    an error just before that passes on, and at disposing just after the source is let go. Nothing
    is held back.

    Times are those at which bytes were read (a chunk's `at`), from when the request was sent; of
    items that do not say so, those at which they came by here, from the subscription on. So it does
    not matter what is done between the socket and here. Time in which a full reader held the source
    is in no gap, for it says nothing of the provider; but what has piled up meanwhile then comes in
    one go, which is short gaps. Up to 4,096 gaps are exact, of more the percentiles are within 1 %.

    Args:
        report: Called with the record; ``records.append`` will do. What it raises is logged, and
            the stream goes on. None: it is logged at INFO, to ``rxwizard.stream``.

    Raises:
        ConfigError: The report cannot be called.

    Example:
        >>> records = []
        >>> reactivex.of("Hel", "lo").pipe(ops.tap_metrics(records.append), rx.to_list()).run()
        ['Hel', 'lo']
        >>> records[0].outcome, records[0].chunks, records[0].characters
        ('completed', 2, 5)
    """
    check_callable("tap_metrics", "report", report)
    tell = report or _log_metrics

    def begin(scheduler: abc.SchedulerBase | None) -> Tap:
        meter = Meter(stopwatch(clock(scheduler)))

        def end(outcome: Outcome, error: Exception | None) -> None:
            told("tap_metrics", tell, meter.end(outcome, error))

        return Tap(meter.see, end)

    return tapped(begin)


def _log_metrics(metrics: StreamMetrics) -> None:
    logging.getLogger(LOGGER).info("%s", metrics)


def heartbeat(seconds: float, item: Callable[[], Any] | None = None) -> PassThrough:
    """Insert a sign of life when nothing has come for so many seconds, again and again.

    For proxies and browsers that hang up on silence, and displays that show that it still runs.
    Silence counts from the subscription on, so also before the first chunk.

    .. marble::
        --a-------b--|
        [heartbeat(3)]
        --a--h--h-b--|

    Emits the items of the source, and chunks of kind heartbeat. So that `seq` rises by one, the
    chunks behind one are copies with another number; those before are the same objects. None comes
    after the final chunk, nor while the reader is full: one that sleeps gets as many as it has room
    for, and no more. Nothing is held back: completion and errors pass through at once, and
    disposing lets go of the source and the timer at once.

    Args:
        seconds: Length of the silence, over 0, by the scheduler of the subscription.
        item: Makes what is inserted, for items that are no chunks: ``lambda: ": ping"``.

    Raises:
        ConfigError: The time cannot work, or `item` cannot be called; as an error of the stream:
            an item is no chunk, and there is no `item`.

    Example:
        >>> reactivex.of("a").pipe(ops.heartbeat(15, lambda: ": ping"), rx.to_list()).run()
        ['a']
    """
    check_over_zero("heartbeat", seconds=seconds)
    check_callable("heartbeat", "item", item)

    def operator(source: Observable[A]) -> Observable[A]:
        def subscribe(
            observer: abc.ObserverBase[A], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            keeper = clock(scheduler)
            now, is_full = stopwatch(keeper), fullness()
            since = now()
            beats = Beats() if item is None else None
            emit: Callable[[Any], None] = observer.on_next

            def look() -> None:
                nonlocal since
                silence = now() - since
                if silence < seconds - _ROUNDING:
                    alarm.set(seconds - silence)
                    return
                since = now()
                alarm.set(seconds)
                if is_full():
                    return
                beat: Any
                try:
                    beat = cast("Beats", beats).beat() if item is None else item()
                except Exception as error:
                    on_error(error)
                else:
                    emit(beat)

            alarm = Alarm(keeper, look)
            lock = alarm.lock

            def on_next(value: A) -> None:
                nonlocal since
                with lock:
                    since = now()
                    if beats is None:
                        emit(value)
                    elif isinstance(value, StreamChunk):
                        if value.is_final:
                            alarm.dispose()
                        emit(beats.numbered(value))
                    else:
                        kind = type(value).__name__
                        message = f"heartbeat: what is inserted between items of type {kind} must "
                        on_error(ConfigError(f"{message}be made by item"))

            def on_error(error: Exception) -> None:
                with lock:
                    alarm.dispose()
                    observer.on_error(error)

            def on_completed() -> None:
                with lock:
                    alarm.dispose()
                    observer.on_completed()

            alarm.set(seconds)
            subscription = source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)
            return CompositeDisposable(subscription, alarm)

        return Observable(subscribe)

    return operator


#: Schedulers round to microseconds.
_ROUNDING = 1e-5


def progress(
    report: Callable[[Progress], object] | None = None, *, seconds: float = 0.1
) -> PassThrough:
    """Tell how far the stream is, now and then, and once when it has ended; nothing is changed.

    What is told is how much has come, also of what was retracted; so it only grows.

    .. marble::
        -a-b-c-|
        [progress()]
        -a-b-c-|

    Emits the same items, at once. A report comes every so many `seconds` from the subscription on,
    whether or not anything has come, and a last one at completion, at an error and at disposing,
    which says so. Nothing is held back: completion and errors pass through at once, and disposing
    lets go of the source and the timer at once.

    Args:
        report: Called with a `Progress`. What it raises is logged, once, and the stream goes on.
            None: one line of the standard error that is written anew each time; where that is no
            terminal, only the last one.
        seconds: Time between two reports, over 0, by the scheduler of the subscription.

    Raises:
        ConfigError: The time cannot work, or the report cannot be called.

    Example:
        >>> seen = []
        >>> reactivex.of("Hel", "lo").pipe(ops.progress(seen.append), rx.to_list()).run()
        ['Hel', 'lo']
        >>> seen[-1].chunks, seen[-1].characters, seen[-1].outcome
        (2, 5, 'completed')
    """
    check_over_zero("progress", seconds=seconds)
    check_callable("progress", "report", report)

    def begin(scheduler: abc.SchedulerBase | None) -> Tap:
        keeper = clock(scheduler)
        now = stopwatch(keeper)
        began = now()
        chunks = characters = 0
        tokens: int | None = None
        tell: Callable[[Progress], object] | None = report or TerminalLine()

        def see(item: object) -> None:
            nonlocal chunks, characters, tokens
            if isinstance(item, StreamChunk):
                if item.kind is _HEARTBEAT:
                    return
                usage = item.usage
                if usage is not None and usage.source == "reported":
                    tokens = usage.completion_tokens
                characters += weight_in_characters(item)
            elif isinstance(item, str):
                characters += len(item)
            chunks += 1

        def say(outcome: Outcome | None = None) -> None:
            nonlocal tell
            so_far = Progress(chunks, characters, tokens, now() - began, outcome)
            if tell is not None and not told("progress", tell, so_far):
                tell = None

        def look() -> None:
            alarm.set(seconds)
            say()

        def end(outcome: Outcome, _error: Exception | None) -> None:
            with alarm.lock:
                alarm.dispose()
                say(outcome)

        alarm = Alarm(keeper, look)
        alarm.set(seconds)
        return Tap(see, end)

    return tapped(begin)
