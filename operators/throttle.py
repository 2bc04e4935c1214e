"""Fewer items, or the same text at an even pace: for displays, and for whoever pays by the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from reactivex import Observable
from reactivex.disposable import CompositeDisposable

from rxwizard.chunks import BEGINS_ANEW, StreamChunk
from rxwizard.operators.graphemes import Unit, divider, last_cluster
from rxwizard.operators.intervals import Joined, Newest, spaced
from rxwizard.operators.making import Operator, PassThrough, check_count
from rxwizard.operators.pacing import Pace, Pacer
from rxwizard.operators.timing import check_over_zero

if TYPE_CHECKING:
    from reactivex import abc

A = TypeVar("A")

#: Some 64 screens of text that nobody has seen yet; as much as a reader merges with COALESCE.
MAX_CHARACTERS = 65_536


def coalesce(seconds: float, *, max_characters: int = MAX_CHARACTERS) -> PassThrough:
    """Give the same text in fewer, larger pieces: at most one in so many seconds; nothing is lost.

    Text that comes after a pause passes at once, so the first token is not delayed. What comes
    within `seconds` after that is joined into one item, which comes when they are over: strings, or
    chunks of text, reasoning or refusal that have choice, content part, epoch and source in common.
    Anything else (a tool call, usage, the final chunk, a retraction) passes at once, after what is
    held. So the order stays, and no text is joined with that of another epoch or attempt.

    .. marble::
        -a-b-c-------d-|
        [ coalesce(4)  ]
        -a---x-------d-|

    Emits items as they came, and joined ones, which have the time and the usage of their last part;
    the `seq` of chunks is counted anew, from 0. What is held comes at completion, and before an
    error, at once. Disposing lets go of the source and the timer; what is held is dropped.

    Nothing is held longer than `seconds`, or while its reader is full. Then the clock adds nothing:
    what is held grows, up to `max_characters`.

    Args:
        seconds: Time between two joined items, over 0, by the scheduler of the subscription.
        max_characters: What is held is given early when it has this many, 1 or more.

    Raises:
        ConfigError: A number cannot work.

    Example:
        >>> reactivex.of("Hel", "lo", " wor", "ld").pipe(ops.coalesce(60), rx.to_list()).run()
        ['Hel', 'lo world']
    """
    check_over_zero("coalesce", seconds=seconds)
    check_count("coalesce", max_characters=max_characters)
    return spaced(seconds, lambda give: Joined(give, max_characters))


def throttle_latest(seconds: float) -> PassThrough:
    """Give at most one item in so many seconds, the newest; those between are dropped.

    For snapshots, each of which says all that the one before did: those of `accumulate`,
    `accumulate_text` or `partial_json`. Pieces of text want `coalesce`: here some would be lost.

    .. marble::
        -a-b-c-------d-|
        [throttle_latest(4)]
        -a---c-------d-|

    Emits items as they came: one that comes after a pause at once, then at the end of each interval
    the newest, if there is a new one. The last item always comes: the one that is held comes at
    completion, and before an error, at once. Disposing lets go of the source and the timer. It
    holds one item. While its reader is full, the clock adds none.

    Args:
        seconds: Time between two items, over 0, by the scheduler of the subscription.

    Raises:
        ConfigError: The time cannot work.

    Example:
        >>> reactivex.of("H", "He", "Hel").pipe(ops.throttle_latest(60), rx.to_list()).run()
        ['H', 'Hel']
    """
    check_over_zero("throttle_latest", seconds=seconds)
    return spaced(seconds, Newest)


def pace(
    per_second: float,
    unit: Unit = "grapheme",
    *,
    max_lag: float = 2.0,
    max_characters: int = MAX_CHARACTERS,
) -> Operator[StreamChunk | str, str]:
    """Show text at an even pace, so many units a second, and faster where it would fall behind.

    Takes strings, or chunks, of which it shows the visible text of choice 0. The source is never
    slowed: what comes too fast waits here. Where the rest would take longer than `max_lag` at this
    pace, it is shown at the lowest rate that is in time. A slow source is shown as it comes, each
    piece unit by unit.

    .. marble::
        -x-------|
        [pace(0.5, max_lag=4)]
        -a-b-c---|

    Emits non-empty strings of whole units, one at a time up to 60 a second, beyond that several.
    Joining them gives the text. Each character is shown within `max_lag` of its arrival (by the
    clock of the subscription, which a busy loop may keep waiting), so completion comes no later
    than that after the source's, when all is shown. An error comes at once, after all that waits,
    in one piece. A newer epoch, a second start or a retraction drops what waits: it no longer
    counts, and neither does what was shown before, as with `text`. Disposing lets go of the source
    and the timer, and drops it, too.

    A unit is shown when the next one has begun, since it may still grow: a mark, or the second half
    of an emoji, may follow. After `max_lag` it is shown all the same. So a unit, also a grapheme
    cluster, comes in two pieces only where the source itself stopped for that long in the middle of
    it.

    While its reader is full, the clock adds nothing; what is overdue then comes in one piece.

    Args:
        per_second: Units a second, over 0.
        unit: What is shown at a time: "grapheme", which is what people call a character; "word",
            with the white space before it; "token", a word, or six characters of a longer one,
            which is about what tokenizers make of it; or a function that divides a text. It must
            not divide a grapheme cluster, and joining what it gives must give the text. Where a
            script puts no spaces between words, each character is one.
        max_lag: Longest time between a character's arrival and its being shown, in seconds, over 0.
        max_characters: Most that wait, 1 or more; beyond that the oldest are shown at once.

    Raises:
        ConfigError: A number cannot work, there is no such unit, or `regex` is not installed
            (``pip install 'rxwizard[text]'``); as an error of the stream: what the function gives
            is not the text.

    Example:
        >>> shown = reactivex.of("Hello", " world").pipe(ops.pace(1000, "word"), rx.to_list())
        >>> shown.run()
        ['Hello', ' world']
    """
    check_over_zero("pace", per_second=per_second, max_lag=max_lag)
    check_count("pace", max_characters=max_characters)
    divide, last = divider("pace", unit), last_cluster("pace")
    return _paced(Pace(divide, last, per_second, max_lag, max_characters))


def smooth(
    max_lag: float = 0.5, unit: Unit = "grapheme", *, max_characters: int = MAX_CHARACTERS
) -> Operator[StreamChunk | str, str]:
    """Show bursts evenly, at the lowest rate that is in time: a lag of so many seconds, not more.

    Like `pace`, but without a pace of its own: a provider that sends a paragraph at a time looks
    like one that writes. What comes after a rest is shown at once, and the rest of it spread over
    `max_lag`; the longer that is, the smoother.

    .. marble::
        -x-------|
        [smooth(4)]
        -a-b-c---|

    Emits non-empty strings of whole units, at most 60 times a second. Joining them gives the text.
    Each character is shown within `max_lag` of its arrival, so completion comes no later than that
    after the source's, when all is shown. An error comes at once, after all that waits, in one
    piece. What is said of `pace` about units, retractions, full readers and disposing holds here.

    Args:
        max_lag: Longest time between a character's arrival and its being shown, in seconds, over 0.
        unit: What is shown at a time, as for `pace`.
        max_characters: Most that wait, 1 or more; beyond that the oldest are shown at once.

    Raises:
        ConfigError: As for `pace`.

    Example:
        >>> "".join(reactivex.of("Hello", " world").pipe(ops.smooth(0.01), rx.to_list()).run())
        'Hello world'
    """
    check_over_zero("smooth", max_lag=max_lag)
    check_count("smooth", max_characters=max_characters)
    divide, last = divider("smooth", unit), last_cluster("smooth")
    return _paced(Pace(divide, last, 0, max_lag, max_characters))


def _paced(pace: Pace) -> Operator[StreamChunk | str, str]:
    def operator(source: Observable[StreamChunk | str]) -> Observable[str]:
        def subscribe(
            observer: abc.ObserverBase[str], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            pacer = Pacer(pace, observer, scheduler)
            lock = pacer.alarm.lock
            epoch = 0

            def on_next(item: StreamChunk | str) -> None:
                nonlocal epoch
                with lock:
                    if isinstance(item, str):
                        if item:
                            pacer.take(item)
                        return
                    if item.kind in BEGINS_ANEW or item.epoch > epoch:
                        epoch = item.epoch
                        pacer.drop()
                    if item.text and not item.choice:
                        pacer.take(item.text)

            def on_error(error: Exception) -> None:
                with lock:
                    pacer.flush()
                    pacer.alarm.dispose()
                    observer.on_error(error)

            def on_completed() -> None:
                with lock:
                    pacer.complete()

            subscription = source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)
            return CompositeDisposable(subscription, pacer.alarm)

        return Observable(subscribe)

    return operator
