"""What a stream was like, in numbers: one record at its end."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rxwizard.chunks import ANSWERING, ChunkKind, ChunkSource, FinishReason, StreamChunk, TokenUsage
from rxwizard.errors import WizardError
from rxwizard.operators.timing import PauseWatch
from rxwizard.stream import weight_in_characters

if TYPE_CHECKING:
    from collections.abc import Callable

Outcome: TypeAlias = Literal["completed", "failed", "disposed"]
"""How a stream ended: by itself, by an error, or because nobody wanted more of it."""

# Looking up a member of an enumeration takes as long as all else that is done with a chunk.
_TEXT = ChunkKind.TEXT
_HEARTBEAT = ChunkKind.HEARTBEAT
_START = ChunkKind.START
_RETRACT = ChunkKind.RETRACT
#: What counts as a token: the same as for `ResponseMetadata.time_to_first_token`.


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMetrics:
    """How one stream went. Times are in seconds; None where there is nothing to tell it by.

    The terms are those of OpenTelemetry's conventions for GenAI, where they have one: `duration`,
    `time_to_first_chunk` (``gen_ai.client.operation.*``) and `time_to_first_token`
    (``gen_ai.server.*``); a gap is one ``time_per_output_chunk``.
    """

    outcome: Outcome
    """How it ended."""
    error: Exception | None = None
    """The error that ended it."""
    provider: str = ""
    model: str = ""
    """The model that answered."""
    finish_reason: FinishReason | None = None
    """Why the answer ended."""
    attempts: int = 0
    """Requests that were made for the answer, as far as its chunks and its error say."""
    chunks: int = 0
    """Items that came, but for heartbeats; of all attempts."""
    characters: int = 0
    """Characters of text, reasoning and tool arguments that came, of all choices and attempts."""
    retracted: int = 0
    """How many of them no longer count: those that came before the answer was begun anew."""
    tokens: int | None = None
    """Output tokens, as the provider reported them; never an estimate. Those of all attempts."""
    usage: TokenUsage | None = None
    """All that the provider reported last: the sum of the attempts, where there were several."""
    duration: float = 0.0
    """From the request to the last chunk; where it did not complete, to the error or disposal."""
    time_to_first_chunk: float | None = None
    """From the request to the first chunk of any kind but a heartbeat."""
    time_to_first_token: float | None = None
    """From the request to the first text, reasoning or tool call."""
    tokens_per_second: float | None = None
    """Output tokens by `duration`; only where it completed."""
    gaps: int = 0
    """Times between two chunks of text, reasoning or tool calls that could be told."""
    gap_p50: float | None = None
    """Half of the gaps are no longer than this."""
    gap_p95: float | None = None
    """95 of 100 gaps are no longer than this."""
    gap_max: float | None = None
    """The longest gap."""
    pauses: int = 0
    """How often a full reader held the source."""
    paused: float = 0.0
    """How long it did so in all. It is in the `duration`, and in no gap."""


class Gaps:
    """Many times, of which some percentiles are wanted: exact, and within 1 % when there are many.

    Beyond `exact` values they are counted in classes, each 2 % wider than the one before, as a
    DDSketch does; so memory is bounded: some 1,300 classes from a microsecond to a day.

    Args:
        exact: Values that are kept as they are.
    """

    __slots__ = ("_classes", "_exact", "_first", "_max", "zeros")

    def __init__(self, exact: int = 4096) -> None:
        self._exact = exact
        self._first: list[float] = []
        self._classes: dict[int, int] = {}
        self._max = 0.0
        #: How many of them are nothing at all, to be counted up by whoever finds that out.
        self.zeros = 0

    def add(self, seconds: float) -> None:
        """Take one more."""
        first = self._first
        first.append(seconds)
        if len(first) > self._exact:
            self._classify()

    def _classify(self) -> None:
        # Sorted, because a logarithm for each class costs less than one for each value.
        values = sorted(self._first)
        self._max = max(self._max, values[-1])
        start = 0
        while start < len(values):
            number = _class_of(values[start])
            end = max(start + 1, bisect_left(values, _end_of(number), start))
            self._classes[number] = self._classes.get(number, 0) + end - start
            start = end
        self._first.clear()

    @property
    def count(self) -> int:
        """How many there are."""
        return self.zeros + len(self._first) + sum(self._classes.values())

    @property
    def max(self) -> float:
        """The longest; 0 where there is none."""
        return max(self._max, *self._first, 0.0)

    def percentiles(self, *percents: float) -> list[float | None]:
        """Give the values that so many of 100 are not above; None where there is none."""
        known = [(_value_of(number), count) for number, count in self._classes.items()]
        known += [(value, 1) for value in self._first]
        known.sort()
        ends = list(accumulate((count for _, count in known), initial=self.zeros))
        longest, total = self.max, ends[-1]
        values: list[float | None] = []
        for percent in percents:
            # Counted from 1, the zeros first.
            place = bisect_left(ends, math.ceil(total * percent / 100))
            values.append(min(known[place - 1][0], longest) if place else 0.0)
        return values if total else [None for _ in percents]


_GROWTH = 1.02
_LOG_GROWTH = math.log(_GROWTH)
_MICROSECOND = 1e-6


def _class_of(value: float) -> int:
    if value < _MICROSECOND:
        return 0
    return 1 + int(math.log(value / _MICROSECOND) / _LOG_GROWTH)


def _end_of(number: int) -> float:
    return _MICROSECOND * _GROWTH**number


def _value_of(number: int) -> float:
    """Give the value in the middle of a class, which none in it is more than 1 % away from."""
    return _end_of(number) / math.sqrt(_GROWTH) if number else 0.0


class Meter:
    """Takes the measure of one subscription.

    Args:
        now: Tells the time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        #: When the request was sent; until a chunk says so, when this was subscribed to.
        self._began = now()
        #: From this clock to that of the chunks; on a loop it is the same one.
        self._shift = 0.0
        self._watch = PauseWatch(now)
        #: How much of the pauses was taken out of gaps.
        self._excused = 0.0
        self._gaps = Gaps()
        self._add_gap = self._gaps.add
        self._chunks = 0
        self._characters = 0
        self._retracted = 0
        #: How often the answer was started, which RxPY's `retry` does without saying so.
        self._starts = 0
        self._chunk: StreamChunk | None = None
        self._usage: TokenUsage | None = None
        self._finish_reason: FinishReason | None = None
        self._first: float | None = None
        self._last = 0.0
        self._first_token: float | None = None
        self._last_token = 0.0

    def see(self, item: Any) -> None:
        """Note an item."""
        if not isinstance(item, StreamChunk):
            self._see_other(item)
            return
        kind = item.kind
        if kind is _HEARTBEAT:
            return
        self._chunks += 1
        at = item.at
        if not at or self._chunk is None:
            at = self._time(item)
        self._chunk = item
        self._last = at
        if kind is _TEXT:  # nine of ten
            self._characters += len(item.text)
            gap = at - self._last_token
            if gap > 0 and self._first_token is not None and self._watch.seconds == self._excused:
                self._last_token = at
                self._add_gap(gap)
            else:
                self._token(at)
        else:
            if kind is _START or kind is _RETRACT:
                self._begin_anew(kind)
            self._characters += weight_in_characters(item)
            if kind in ANSWERING:
                self._token(at)
        if item.usage is not None and item.usage.source == "reported":
            self._usage = item.usage
        if item.finish_reason is not None and not item.choice:
            self._finish_reason = item.finish_reason

    def _begin_anew(self, kind: ChunkKind) -> None:
        self._starts += kind is _START
        if kind is _RETRACT or self._starts > 1:
            self._retracted = self._characters
            self._finish_reason = None

    def _see_other(self, item: object) -> None:
        self._chunks += 1
        at = self._last = self._now() + self._shift
        if self._first is None:
            self._first = at
        if isinstance(item, str):
            self._characters += len(item)
            self._token(at)

    def _time(self, chunk: StreamChunk) -> float:
        """Give when the first chunk came, or one that does not say so."""
        now = self._now()
        if self._chunk is not None:
            return now + self._shift
        at = chunk.at or now
        self._shift = at - now
        requested_at = chunk.source.requested_at if chunk.at else None
        self._began = self._began + self._shift if requested_at is None else requested_at
        self._first = at
        return at

    def _token(self, at: float) -> None:
        gap = at - self._last_token
        self._last_token = at
        if self._first_token is None:
            self._first_token = at
            self._excused = self._watch.seconds
        elif gap <= 0:
            self._gaps.zeros += 1  # from the same read
        else:
            if self._watch.seconds != self._excused:
                # What was read before the pause comes first; its gap is too short to be excused.
                excused = min(gap, self._watch.seconds - self._excused)
                self._excused += excused
                gap -= excused
            self._gaps.add(gap)

    def end(self, outcome: Outcome, error: Exception | None) -> StreamMetrics:
        """Make the record."""
        self._watch.close()
        completed = outcome == "completed"
        end = self._last if completed and self._first is not None else self._now() + self._shift
        duration = max(0.0, end - self._began)
        tokens = None if self._usage is None else self._usage.completion_tokens
        rate = None if tokens is None or not completed or not duration else tokens / duration
        gaps = self._gaps
        median, high = gaps.percentiles(50, 95)
        source, attempts = ChunkSource(), 0
        if self._chunk is not None:
            source = self._chunk.source
            attempts = source.attempt + max(self._starts, 1)
        if isinstance(error, WizardError):
            attempts = max(attempts, error.attempts)
        return StreamMetrics(
            outcome=outcome,
            error=error,
            provider=source.provider,
            model=source.model,
            finish_reason=self._finish_reason,
            attempts=attempts,
            chunks=self._chunks,
            characters=self._characters,
            retracted=self._retracted,
            tokens=tokens,
            usage=self._usage,
            duration=duration,
            time_to_first_chunk=self._since(self._first),
            time_to_first_token=self._since(self._first_token),
            tokens_per_second=rate,
            gaps=gaps.count,
            gap_p50=median,
            gap_p95=high,
            gap_max=gaps.max if gaps.count else None,
            pauses=self._watch.count,
            paused=self._watch.seconds,
        )

    def _since(self, at: float | None) -> float | None:
        return None if at is None else max(0.0, at - self._began)
