"""How an answer is written down while it comes; `entries.py` says in what form."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from itertools import chain
from operator import itemgetter, sub
from typing import Any

from rxwizard.cache.entries import HEAD_BYTES, dumps, head
from rxwizard.chunks import (
    ANSWERING,
    ChunkKind,
    ChunkSource,
    FinishReason,
    StreamChunk,
    ToolCallDelta,
)

#: Characters of pieces that wait to be written as one line. Written in small parts, the answer
#: costs its stored size while it grows, and no moment of it holds the loop for long.
_LINE = 16 * 1024

#: What a piece adds to its line beside its text: its time, and what JSON wants.
_PIECE_COSTS = 12

#: What is told of the way of an answer, not of the answer.
_ON_THE_WAY = frozenset({ChunkKind.WARNING, ChunkKind.HEARTBEAT, ChunkKind.RETRACT})

#: What ends an answer that asking again might end better.
_NOT_WHOLE = frozenset(
    {
        FinishReason.CONTENT_FILTER,
        FinishReason.PAUSE,
        FinishReason.ERROR,
        FinishReason.INTERRUPTED,
        FinishReason.CANCELLED,
        FinishReason.BUDGET,
    }
)

#: What is the stream's that is played, not the answer's.
_OF_A_STREAM = ("seq", "at", "source", "epoch")

#: What is raised for what JSON cannot hold, and for a time that is none.
_NO_JSON = (TypeError, ValueError, OverflowError, RecursionError)

#: What is one request's: when it was sent, and what it left of the limits.
_OF_A_REQUEST = {"requested_at", "rate_limit", "from_cache"}

#: What a chunk that brings a piece among many has none of.
_beside_a_piece = itemgetter(
    "usage", "finish_reason", "raw_finish_reason", "complete", "data", "raw"
)

_Fields = dict[str, Any]


def _all_but(*names: str) -> Callable[[Mapping[str, Any]], Any]:
    return itemgetter(*(name for name in StreamChunk.model_fields if name not in names))


#: All that must be the same in the chunks of one line, by what differs.
_SAME = {name: _all_but(name, "seq", "at") for name in ("text", "reasoning", "tool_call")}


class EntryWriter:
    """Write down an answer while it comes.

    Args:
        max_bytes: Bytes above which it is given up, and what was written is forgotten.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._is_given_up = False
        self._epoch = 0
        self._has_begun = False
        self._start_anew()

    def _start_anew(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0
        #: How many seconds of the loop's clock the first chunk came at.
        self._began: float | None = None
        #: Microseconds from the first chunk to the last one.
        self._moment = 0
        self._source: ChunkSource | None = None
        self._told: _Fields | None = None
        self._lacks_start = False
        self._is_whole = True
        self._is_complete = False
        self._open_line({}, "text", None)

    def _open_line(self, chunk: _Fields, varying: str, alike: Any) -> None:
        #: What the chunks of the open line have in common, beside the source.
        self._chunk = chunk
        self._varying = varying
        self._same = _SAME[varying]
        #: What another chunk must have to belong to it; None: there belongs no other.
        self._alike = alike
        self._pieces: list[str] = []
        self._times: list[float] = []
        self._waiting = 0

    def add(self, chunk: StreamChunk) -> None:
        """Take the next chunk.

        One that cannot be JSON gives the answer up.
        """
        if self._is_given_up:
            return
        try:
            fields = chunk.__dict__
            if self._same(fields) == self._alike:
                piece: Any = fields[self._varying]
                if self._varying != "tool_call":
                    self._put(piece, fields["at"])
                    return
                if piece is not None and _is_more_of(piece, self._chunk["tool_call"]):
                    self._put(piece.arguments, fields["at"])
                    return
            self._take(chunk)
        except _NO_JSON:
            self._give_up()

    def _take(self, chunk: StreamChunk) -> None:
        """Take a chunk that does not belong to the open line."""
        kind = chunk.kind
        # A second start is another request for the same answer: RxPY's `retry` knows no epochs.
        if kind is ChunkKind.START and self._has_begun:
            self._start_anew()
        elif chunk.epoch > self._epoch or kind is ChunkKind.RETRACT:
            self._start_anew()
            # The one that was given belongs to the request that failed.
            self._lacks_start = self._has_begun
        self._epoch = chunk.epoch
        if kind in _ON_THE_WAY:
            return
        if self._lacks_start:
            self._lacks_start = False
            self._write(StreamChunk(kind=ChunkKind.START, at=chunk.at, source=chunk.source))
        self._has_begun = self._has_begun or kind is ChunkKind.START
        self._is_whole = self._is_whole and chunk.finish_reason not in _NOT_WHOLE
        if chunk.is_final:
            self._is_complete = chunk.complete is True
        self._write(chunk)

    def _write(self, chunk: StreamChunk) -> None:
        self._end_line()
        self._tell(chunk.source)
        told = chunk.model_dump(exclude_defaults=True, exclude={*_OF_A_STREAM})
        call = chunk.tool_call
        varying = _varying(chunk)
        piece = told["tool_call"].pop("arguments", "") if call else told.pop(varying, "")
        is_alone = (
            chunk.kind not in ANSWERING
            or chunk.is_final
            or _beside_a_piece(chunk.__dict__) != (None,) * 6
            or not (call is None or _is_more_of(call, told["tool_call"]))
        )
        self._open_line(told, varying, None if is_alone else _SAME[varying](chunk.__dict__))
        self._put(piece, chunk.at)

    def _put(self, piece: str, at: float) -> None:
        self._pieces.append(piece)
        self._times.append(at)
        self._waiting += len(piece) + _PIECE_COSTS
        if self._waiting > _LINE:
            self._end_line()

    def _tell(self, source: ChunkSource) -> None:
        if source is self._source:
            return
        self._source = source
        told = source.model_dump(exclude_defaults=True, exclude=_OF_A_REQUEST)
        if told != self._told:
            self._told = told
            self._add_line({"source": told})

    def _end_line(self) -> None:
        """Write the open line. Chunks that are like those in it may follow."""
        if not self._pieces:
            return
        began = self._began = self._times[0] if self._began is None else self._began
        moments = [round((at - began) * 1e6) for at in self._times]
        passed = map(sub, moments, (self._moment, *moments))
        told = {"chunk": self._chunk} if self._chunk else {}
        self._moment = moments[-1]
        self._add_line({**told, "pieces": [*chain(*zip(passed, self._pieces, strict=True))]})
        self._pieces.clear()
        self._times.clear()
        self._waiting = 0

    def _add_line(self, line: _Fields) -> None:
        data = dumps(line)
        self._lines.append(data)
        self._size += len(data)
        if self._size + HEAD_BYTES > self._max_bytes:
            self._give_up()

    def _give_up(self) -> None:
        self._start_anew()
        self._is_given_up = True

    def finish(self) -> bytes | None:
        """Give the entry; None where the answer is not whole, or was given up.

        It is whole where its final chunk is `complete`, and it was not ended by a filter, a pause
        or a failure. One that the token limit ended is: the limit is a part of the request.
        """
        try:
            self._end_line()
        except _NO_JSON:
            return None
        if self._is_given_up or not (self._is_complete and self._is_whole):
            return None
        body = b"".join(self._lines)
        return head(zlib.crc32(body)) + body


def _is_more_of(call: ToolCallDelta, told: _Fields) -> bool:
    """Tell whether a fragment brings nothing but more arguments of that call."""
    return call.id is call.name is None and call.index == told.get("index", 0)


def _varying(chunk: StreamChunk) -> str:
    if chunk.tool_call is not None:
        return "tool_call"
    return "reasoning" if chunk.kind is ChunkKind.REASONING else "text"
