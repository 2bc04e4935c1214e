"""What came of a stream and when, in bounded memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rxwizard.chunks import ANSWERING, ChunkKind, FinishReason, StreamChunk
from rxwizard.stream import weight_in_characters

_ANSWERING = {str(kind) for kind in ANSWERING}
_HEARTBEAT = str(ChunkKind.HEARTBEAT)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One item that came."""

    at: float
    """Seconds since the request."""
    kind: str
    """A chunk's kind; "text" for a string, "item" for anything else."""
    characters: int
    """Of text, reasoning and tool arguments."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which nothing came, longer than the bound. Seconds since the request."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.begin


class Arrivals:
    """Takes note of what comes; times as some clock tells them, in seconds.

    Args:
        stall: Seconds that a gap must exceed to be a stall.
        limit: Items and stalls that are kept.
    """

    def __init__(self, stall: float, limit: int) -> None:
        self._stall = stall
        self._limit = limit
        self._began: float | None = None
        self._last_told = 0.0
        self._chunk: StreamChunk | None = None
        self._kinds: Counter[str] = Counter()
        #: The first ones, up to the limit.
        self.kept: list[Arrival] = []
        self.characters = 0
        #: Reported output tokens.
        self.tokens: int | None = None
        #: Seconds from the request to the last item, or to the error.
        self.duration = 0.0
        self.first_token: float | None = None
        #: The first ones, up to the limit, and how long all of them were.
        self.stalls: list[Stall] = []
        self.stalled = 0.0
        self.error: Exception | None = None
        self.finish_reason: FinishReason | None = None

    @property
    def kinds(self) -> dict[str, int]:
        """How many of each kind came, in the order of an answer's parts."""
        return {kind: self._kinds[kind] for kind in sorted(self._kinds, key=_place)}

    @property
    def model(self) -> str:
        """The model that answers."""
        return "" if self._chunk is None else self._chunk.source.model

    def begin(self, now: float) -> None:
        """Say when reading began; a chunk may know better when it was asked for."""
        self._began = now

    def see_all(self, chunks: Iterable[Any]) -> None:
        """Take note of chunks that are there already."""
        for chunk in chunks:
            self.see(chunk, None)

    def see(self, item: Any, now: float | None) -> None:
        """Take note of an item that comes now, if that is known."""
        at = now
        if isinstance(item, StreamChunk):
            at = item.at or now
            if self._chunk is None and item.at and item.source.requested_at is not None:
                self._began = item.source.requested_at
            self._note(item)
        if self._began is None:
            self._began = at or 0.0
        since = self.duration if at is None else max(at - self._began, self.duration)
        kind = _kind(item)
        count = _characters(item)
        self._kinds[kind] += 1
        self.characters += count
        if len(self.kept) < self._limit:
            self.kept.append(Arrival(since, kind, count))
        self.duration = since
        if kind == _HEARTBEAT:  # the connection lives, and the answer stands still all the same
            return
        if self.first_token is None:
            if kind in _ANSWERING:
                self.first_token = since
        else:
            self._gap(since)
        self._last_told = since

    def fail(self, error: Exception, now: float) -> None:
        """Take note of the error it ended with."""
        self.error = error
        self.duration = max(now - (self._began or 0.0), self.duration)
        self._gap(self.duration)

    def _note(self, chunk: StreamChunk) -> None:
        self._chunk = chunk
        if chunk.usage is not None and chunk.usage.source == "reported":
            self.tokens = chunk.usage.completion_tokens
        if chunk.finish_reason is not None and not chunk.choice:
            self.finish_reason = chunk.finish_reason

    def _gap(self, until: float) -> None:
        gap = until - self._last_told
        if gap > self._stall:
            self.stalled += gap
            if len(self.stalls) < self._limit:
                self.stalls.append(Stall(self._last_told, until))


def _kind(item: Any) -> str:
    if isinstance(item, StreamChunk):
        return str(item.kind)
    return str(ChunkKind.TEXT) if isinstance(item, str) else "item"


def _characters(item: Any) -> int:
    if isinstance(item, str):
        return len(item)
    return weight_in_characters(item) if isinstance(item, StreamChunk) else 0


#: The order of the lanes: that of an answer's parts.
_ORDER = [
    str(kind)
    for kind in (
        ChunkKind.START,
        ChunkKind.REASONING,
        ChunkKind.TEXT,
        ChunkKind.TOOL_CALL,
        ChunkKind.REFUSAL,
        ChunkKind.CITATION,
        ChunkKind.USAGE,
        ChunkKind.HEARTBEAT,
        ChunkKind.WARNING,
        ChunkKind.RETRACT,
        ChunkKind.OTHER,
    )
]
_LAST = str(ChunkKind.FINAL)


def _place(kind: str) -> float:
    if kind in _ORDER:
        return _ORDER.index(kind)
    return math.inf if kind == _LAST else len(_ORDER)
