"""When each chunk arrived, where it stalled, how fast it came and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

from reactivex import Observable

from rxwizard.chunks import FinishReason, StreamChunk
from rxwizard.errors import ConfigError
from rxwizard.notebook.arrivals import Arrival, Arrivals, Stall
from rxwizard.notebook.axis import check_width, seconds
from rxwizard.notebook.svg import Picture
from rxwizard.notebook.timeline_drawn import draw_timeline
from rxwizard.notebook.words import cut, one_line
from rxwizard.operators.making import check_count
from rxwizard.operators.timing import check_over_zero
from rxwizard.stream import Stream


@dataclass(frozen=True, kw_only=True, repr=False)
class Timeline(Picture):
    """How one answer came. Times are seconds; None where there is nothing to tell it by."""

    arrivals: tuple[Arrival, ...] = ()
    """What came, in order; the first ones, where there were more than `limit`."""
    left_out: int = 0
    """Items beyond the limit. They are in every number, and not in the picture."""
    kinds: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many of each kind came."""
    characters: int = 0
    """Characters of text, reasoning and tool arguments."""
    tokens: int | None = None
    """Output tokens, as the provider reported them."""
    time_to_first_token: float | None = None
    """From the request to the first text, reasoning, refusal or tool call."""
    duration: float = 0.0
    """From the request to the last item, or to the error."""
    stalls: tuple[Stall, ...] = ()
    """Gaps of more than `stall` seconds after the first token, and before an error; the first ones,
    up to the limit."""
    stalled: float = 0.0
    """How long all stalls were."""
    stall: float = 1.0
    """What a gap must exceed to be one."""
    window: float = 1.0
    """Over how long the throughput in the picture is taken."""
    error: Exception | None = None
    """What it failed with."""
    finish_reason: FinishReason | None = None
    """Why the answer ended."""
    model: str = ""
    """The model that answered."""
    width: float = 880
    """Pixels of the picture."""

    @property
    def chunks(self) -> int:
        """How many items came."""
        return sum(self.kinds.values())

    @property
    def characters_per_second(self) -> float | None:
        """Characters by duration."""
        return self.characters / self.duration if self.duration else None

    @property
    def tokens_per_second(self) -> float | None:
        """Reported output tokens by duration; only where it did not fail."""
        if self.tokens is None or self.error is not None or not self.duration:
            return None
        return self.tokens / self.duration

    @property
    def ending(self) -> str:
        """How it ended, in a few words: the reason, or the error's name and its words."""
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}".removesuffix(": ")
        return "completed" if self.finish_reason is None else str(self.finish_reason)

    def svg(self) -> str:
        """Draw it: a lane for each kind, throughput below, stalls as bands."""
        return draw_timeline(self)

    def __repr__(self) -> str:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in self.kinds.items())
        size = f"{self.chunks:,} chunks, {self.characters:,} characters"
        lines = [
            f"{one_line(self.model) or 'timeline'}: {size} in {seconds(self.duration)}",
            f"  kinds        {kinds or 'none'}",
        ]
        if self.time_to_first_token is not None:
            lines.append(f"  first token  {seconds(self.time_to_first_token)}")
        if (rate := self.characters_per_second) is not None:
            tokens = self.tokens_per_second
            also = "" if tokens is None else f", {tokens:,.1f} tokens/s"
            lines.append(f"  throughput   {rate:,.0f} characters/s{also}")
        if self.stalls:
            places = ", ".join(
                f"{seconds(stall.seconds)} at {seconds(stall.begin)}" for stall in self.stalls[:8]
            )
            more = "" if len(self.stalls) <= 8 else ", ..."
            lines.append(f"  stalls       {seconds(self.stalled)} in all: {places}{more}")
        if self.left_out:
            lines.append(f"  left out     {self.left_out:,} chunks, which are not in the picture")
        lines.append(f"  ended        {cut(one_line(self.ending), 100)}")
        return "\n".join(lines)


@runtime_checkable
class Replayable(Protocol):
    """What can be replayed with the times it had, as a recording."""

    @property
    def exchanges(self) -> Any:
        """What was recorded."""
        ...

    def stream(self, exchange: int = -1, *, speed: float | None = 1.0) -> Any:
        """Make a stream of one of them."""
        ...


async def timeline(
    source: Observable[Any] | Replayable | AsyncIterable[Any] | Iterable[StreamChunk],
    *,
    stall: float = 1.0,
    window: float | None = None,
    width: float = 880,
    limit: int = 100_000,
    exchange: int = -1,
) -> Timeline:
    """Read a stream to its end and show when what came.

    A stream that fails is shown up to there; its error is the timeline's `error` and is not raised.
    Cancelling closes the stream. Of chunks the times are those at which their bytes were read, of
    other items those at which they came. Recordings are replayed in no time, with the times they
    had.

    Args:
        source: A stream, a recording, or chunks.
        stall: Seconds without a chunk, after the first token, that are a stall. By default one:
            where somebody who reads along begins to wonder.
        window: Seconds over which the throughput is taken; None: a tenth of the whole, at most one.
        width: Pixels of the picture.
        limit: Items that are kept, some 200 bytes each; later ones are only counted.
        exchange: Of a recording: which exchange, -1 is the last.

    Raises:
        ConfigError: An option cannot work, or the source is nothing that can be read.
    """
    arrivals = _arrivals(stall, window, width, limit)
    given: Any = source
    asked = cast("object", source)
    if isinstance(asked, Observable):
        await _read_stream(given, arrivals)
    elif isinstance(asked, Replayable):
        await asyncio.to_thread(_replay, given, exchange, arrivals)
    elif isinstance(asked, AsyncIterable):
        await _read(given, arrivals)
    elif isinstance(asked, Iterable):
        arrivals.see_all(given)
    else:
        kind = type(source).__name__
        raise ConfigError(f"timeline: takes a stream, a recording or chunks, not a {kind}")
    return _made(arrivals, stall, window, width)


def timeline_of(
    chunks: Iterable[StreamChunk],
    *,
    stall: float = 1.0,
    window: float | None = None,
    width: float = 880,
    limit: int = 100_000,
) -> Timeline:
    """Show when chunks came that are there already; `timeline` says what the options mean.

    Raises:
        ConfigError: An option cannot work.
    """
    arrivals = _arrivals(stall, window, width, limit)
    arrivals.see_all(chunks)
    return _made(arrivals, stall, window, width)


async def _read_stream(source: Observable[Any], arrivals: Arrivals) -> None:
    async with Stream.of(source).open() as reader:
        await _read(reader, arrivals)


async def _read(items: AsyncIterable[Any], arrivals: Arrivals) -> None:
    now = asyncio.get_running_loop().time
    arrivals.begin(now())
    try:
        async for item in items:
            arrivals.see(item, now())
    except Exception as error:
        arrivals.fail(error, now())


def _replay(recording: Replayable, exchange: int, arrivals: Arrivals) -> None:
    # Only when needed: tests are not what a notebook is opened for.
    from rxwizard.testing.virtual_time import run_in_virtual_time

    async def replay() -> None:
        await _read_stream(recording.stream(exchange, speed=1.0), arrivals)

    run_in_virtual_time(replay())


def _arrivals(stall: float, window: float | None, width: float, limit: int) -> Arrivals:
    check_over_zero("timeline", stall=stall, **({} if window is None else {"window": window}))
    check_width("timeline", width)
    check_count("timeline", limit=limit)
    return Arrivals(stall, limit)


def _made(came: Arrivals, stall: float, window: float | None, width: float) -> Timeline:
    kinds = came.kinds
    return Timeline(
        arrivals=tuple(came.kept),
        left_out=sum(kinds.values()) - len(came.kept),
        kinds=kinds,
        characters=came.characters,
        tokens=came.tokens,
        time_to_first_token=came.first_token,
        duration=came.duration,
        stalls=tuple(came.stalls),
        stalled=came.stalled,
        stall=stall,
        # A second where all came at once, so that it can be divided by.
        window=window or (min(1.0, came.duration / 10) if came.duration > 1e-6 else 1.0),
        error=came.error,
        finish_reason=came.finish_reason,
        model=came.model,
        width=width,
    )
