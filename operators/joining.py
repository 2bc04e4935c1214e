"""Several answers, one after the other, told as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxwizard.chunks import ChunkKind, ChunkSource, StreamChunk, TokenUsage, altered
from rxwizard.errors import WizardError
from rxwizard.fold import ResponseBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_FINAL = {
    "kind": ChunkKind.USAGE,
    "is_final": False,
    "complete": None,
    "finish_reason": None,
    "raw_finish_reason": None,
}

#: What is said once, and not again when the whole begins anew.
_ONCE = {
    *(ChunkKind.START, ChunkKind.RETRACT, ChunkKind.FINAL),
    *(ChunkKind.USAGE, ChunkKind.HEARTBEAT, ChunkKind.WARNING),
}


class JoinedAnswers:
    """Makes the chunks of several answers those of one.

    Args:
        count: How many answers there are.
    """

    def __init__(self, count: int) -> None:
        self._last = count - 1
        self._place = 0
        self._seq = 0
        self._epoch = 0
        self._characters = 0
        self._has_begun = False
        # Requests made for the answers before this one, and for what was lost of it.
        self._requests = 0
        self._source = ChunkSource()
        # Of the answer at hand: where it is from, as it says itself; whether it has begun, its own
        # epoch, its usage, what it has said.
        self._own_source: ChunkSource | None = None
        self._is_begun = False
        self._own_epoch = 0
        self._running: TokenUsage | None = None
        self._said = _Said()
        # Of those before it.
        self._spent: TokenUsage | None = None
        self._before = _Said()
        self._whole = ResponseBuilder()

    def take(self, placed: tuple[StreamChunk, int]) -> list[StreamChunk]:
        """Take the next chunk, and the place of its answer; give what it is in the whole."""
        chunk, place = placed
        if place != self._place:
            self._next_answer(place)
        given: list[StreamChunk] = []
        is_start = chunk.kind is ChunkKind.START
        began_again = is_start and self._is_begun
        if began_again:
            self._next_request()
        if chunk.source is not self._own_source:
            self._see_source(chunk.source)
        if chunk.kind is ChunkKind.RETRACT or chunk.epoch > self._own_epoch or began_again:
            self._begin_anew(chunk, given)
        self._is_begun = True
        if chunk.kind is not ChunkKind.RETRACT and not (is_start and self._has_begun):
            self._give(chunk, given)
        self._has_begun = True
        return given

    def tell_of(self, error: Exception) -> None:
        """Have an error carry all that had arrived, and not only its own answer."""
        if isinstance(error, WizardError):
            error.partial = self._whole.build()

    def _next_answer(self, place: int) -> None:
        self._place = place
        self._before.extend(self._said)
        self._said = _Said()
        self._spent, self._running = _added(self._spent, self._running), None
        self._is_begun, self._own_epoch = False, 0
        self._own_source = None
        if self._has_begun:
            self._requests = self._source.attempt + 1

    def _next_request(self) -> None:
        """Begin the answer at hand again: what it has used so far was for nothing."""
        lost = None if self._running is None else self._running.as_wasted()
        self._spent, self._running = _added(self._spent, lost), None
        self._own_source = None
        self._requests = self._source.attempt + 1

    def _see_source(self, source: ChunkSource) -> None:
        """Count the requests of all answers as those of the one that they are."""
        self._own_source = self._source = source
        if self._requests:
            attempt = self._requests + source.attempt
            self._source = source.model_copy(update={"attempt": attempt})

    def _begin_anew(self, chunk: StreamChunk, given: list[StreamChunk]) -> None:
        self._own_epoch = max(self._own_epoch, chunk.epoch)
        erased = {"epoch": self._epoch, "characters": self._characters}
        self._epoch += 1
        self._characters = 0
        self._said = _Said()
        retract = StreamChunk(kind=ChunkKind.RETRACT, data=erased, at=chunk.at)
        self._put(retract, given, source=self._source)
        for said in self._before.chunks():
            self._put(said, given)

    def _give(self, chunk: StreamChunk, given: list[StreamChunk]) -> None:
        changes: dict[str, Any] = {}
        if chunk.usage is not None:
            self._running = chunk.usage
        if chunk.usage is not None or chunk.is_final:
            changes["usage"] = self._usage()
        if self._source is not chunk.source:
            changes["source"] = self._source
        if chunk.is_final and self._place != self._last:
            changes |= _NOT_FINAL
        if chunk.kind not in _ONCE:
            self._said.add(chunk, self._source)
        self._put(chunk, given, **changes)

    def _usage(self) -> TokenUsage | None:
        """Give what all of them have used."""
        spent, running = self._spent, self._running
        if spent is None:
            return running
        latest = TokenUsage() if running is None else running.latest or running
        whole = spent if running is None else spent + running
        return whole.model_copy(update={"latest": latest.model_copy(update={"wasted": None})})

    def _put(self, chunk: StreamChunk, given: list[StreamChunk], **changes: Any) -> None:
        if changes or chunk.seq != self._seq or chunk.epoch != self._epoch:
            chunk = altered(chunk, seq=self._seq, epoch=self._epoch, **changes)
        self._seq += 1
        if not chunk.choice:
            self._characters += len(chunk.text)
        self._whole.add(chunk)
        given.append(chunk)


class _Said:
    """What has been said, kept as long as its text: pieces of one kind are one."""

    def __init__(self) -> None:
        self._parts: list[tuple[StreamChunk, ChunkSource, list[str]]] = []

    def add(self, chunk: StreamChunk, source: ChunkSource) -> None:
        if self._parts and _is_plain(chunk) and _is_plain(self._parts[-1][0]):
            self._parts[-1][2].append(chunk.text)
        else:
            self._parts.append((chunk, source, [chunk.text]))

    def extend(self, other: _Said) -> None:
        self._parts += other._parts

    def chunks(self) -> Iterator[StreamChunk]:
        for chunk, source, pieces in self._parts:
            # What it used is counted already.
            yield altered(chunk, text="".join(pieces), source=source, usage=None)


def _is_plain(chunk: StreamChunk) -> bool:
    """Tell whether a chunk brings text of choice 0 and nothing else."""
    return (
        chunk.kind is ChunkKind.TEXT
        and not (chunk.choice or chunk.index or chunk.reasoning)
        and chunk.tool_call is None
        and chunk.data is None
        and chunk.raw is None
    )


def _added(first: TokenUsage | None, second: TokenUsage | None) -> TokenUsage | None:
    """Add up what several requests have used, as a part of a sum."""
    if second is None:
        return first
    if first is None:
        return second.model_copy(update={"latest": None, "raw": None})
    return first + second
