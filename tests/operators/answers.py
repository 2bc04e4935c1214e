"""Streams that answer differently each time they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import reactivex

from rxwizard import ChunkKind, ChunkSource, StreamChunk, TokenUsage, ToolCallDelta
from rxwizard.testing import play

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable

    from rxwizard.testing import Played

HERE = ChunkSource(provider="here", model="small")


def words(**given: StreamChunk) -> dict[str, StreamChunk]:
    """Give what the letters of a drawing stand for: letters are text, and some are not."""
    letters = {letter: StreamChunk(text=letter, source=HERE) for letter in "abcdefghij"}
    return {
        **letters,
        "s": StreamChunk(kind=ChunkKind.START, source=HERE),
        "r": StreamChunk(kind=ChunkKind.REASONING, reasoning="hm", source=HERE),
        "t": StreamChunk(
            kind=ChunkKind.TOOL_CALL,
            tool_call=ToolCallDelta(name="now", arguments='{"a'),
            source=HERE,
        ),
        "o": StreamChunk(kind=ChunkKind.OTHER, data={"search": 1}, source=HERE),
        "u": StreamChunk(kind=ChunkKind.USAGE, usage=TokenUsage(prompt_tokens=5), source=HERE),
        "z": StreamChunk(
            kind=ChunkKind.FINAL,
            is_final=True,
            complete=True,
            usage=TokenUsage(prompt_tokens=5, completion_tokens=2, total_tokens=7),
            source=HERE,
        ),
        **given,
    }


def answers(*drawings: str, errors: tuple[Exception, ...] = (), **given: Any) -> Observable[Any]:
    """Make a stream that plays the first drawing, then the second, and the last one ever after.

    Each `#` is the error at its place among `errors`, or the last of them. Chunks are numbered.
    """
    asked = 0

    def ask(_scheduler: object = None) -> Observable[Any]:
        nonlocal asked
        place = min(asked, len(drawings) - 1)
        error = errors[min(asked, len(errors) - 1)] if errors else None
        asked += 1
        lookup = {**words(**given)}
        return reactivex.from_marbles(
            drawings[place], timespan=1.0, lookup=lookup, error=error
        ).pipe(reactivex.operators.map_indexed(numbered))

    return reactivex.defer(ask)


def numbered(chunk: StreamChunk, seq: int) -> StreamChunk:
    return chunk.model_copy(update={"seq": seq})


def played(stream: Observable[Any], operator: Callable[[Any], Any], **options: Any) -> Played:
    """Play an operator over a stream in virtual time; a second is a column."""
    return play(lambda _source: stream.pipe(operator), "|", **options)


def drawn(played: Played) -> str:
    """Draw what came, a letter each: w a warning, R a retraction, z the final one, # the error."""
    return "".join(map(_letter, played.messages))


def _letter(message: Any) -> str:
    if message.what != "next":
        return "#" if message.what == "error" else "|"
    kinds = {
        ChunkKind.WARNING: "w",
        ChunkKind.RETRACT: "R",
        ChunkKind.START: "s",
        ChunkKind.FINAL: "z",
        ChunkKind.REASONING: "r",
        ChunkKind.TOOL_CALL: "t",
        ChunkKind.OTHER: "o",
        ChunkKind.USAGE: "u",
    }
    return kinds.get(message.value.kind, message.value.text)
