"""An answer as it is stored: lines of JSON, one for each run of chunks that differ in little.

::

    {"answer":1,"crc32":"0a17d4c2"}
    {"source":{"provider":"openai","model":"gpt-5","response_id":"r1"}}
    {"chunk":{"kind":"start"},"pieces":[0,""]}
    {"pieces":[412000,"Hel",0,"lo",20113," world"]}
    {"chunk":{"kind":"final","is_final":true,"complete":true,"finish_reason":"stop"},"pieces":[9,""]}

`answer` is the version of this format. A source holds for the lines below it. The pieces are the
text of the chunks (or their reasoning, or their tool's arguments, by what the chunk is), each with
the microseconds that passed since the chunk before it; `chunk` has what else differs from none.

What is stored is the answer, not its way: the last epoch alone, without warnings, retractions and
heartbeats.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

from rxwizard.chunks import (
    ChunkKind,
    ChunkSource,
    StreamChunk,
    ToolCallDelta,
    altered,
    text_chunk,
    text_template,
)

#: Raised with every change of the format, or of the chunks; one of another version is not read.
VERSION = 1


def dumps(value: object) -> bytes:
    """Write a line.

    Raises:
        TypeError: It cannot be JSON.
        ValueError: The same.
        RecursionError: It is nested too deeply.
    """
    # Half a surrogate pair is no character, and yet may stand in a chunk's text.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass") + b"\n"


def head(crc32: int) -> bytes:
    """Write the first line; it has the same length in all entries."""
    return dumps({"answer": VERSION, "crc32": f"{crc32:08x}"})


#: Bytes of the first line.
HEAD_BYTES = len(head(0))


Make = Callable[[str, int, float], StreamChunk]
"""Makes a chunk of its piece, its place in the stream and the time it is given."""


class Step(NamedTuple):
    """One chunk of a stored answer."""

    after: float
    """Seconds from the first chunk to this one."""
    make: Make
    piece: str
    """Its text, its reasoning or its tool's arguments."""

    def chunk(self, seq: int, at: float) -> StreamChunk:
        """Make the chunk, with its place in the stream and the time it is given."""
        return self.make(self.piece, seq, at)


class Entry:
    """A stored answer."""

    def __init__(self, body: memoryview) -> None:
        self._body = body

    @classmethod
    def load(cls, data: bytes) -> Entry | None:
        """Read an entry; None where it is damaged, or of a version this one does not know."""
        body = memoryview(data)[HEAD_BYTES:]
        return cls(body) if data[:HEAD_BYTES] == head(zlib.crc32(body)) else None

    def steps(self, requested_at: float) -> Iterator[Step]:
        """Give the chunks, in their order; each line is read when its first one is asked for.

        Args:
            requested_at: When the answer was asked for this time, in seconds of the loop's clock.
        """
        source = ChunkSource()
        moment = 0
        for data in BytesIO(self._body):
            line = json.loads(data)
            if "source" in line:
                told = {**line["source"], "requested_at": requested_at, "from_cache": True}
                source = ChunkSource.model_validate(told)
                continue
            make = _maker(line.get("chunk", {}), source)
            pieces = iter(line["pieces"])
            for passed, piece in zip(pieces, pieces, strict=True):
                moment += passed
                yield Step(moment / 1e6, make, piece)


def _maker(told: dict[str, Any], source: ChunkSource) -> Make:
    if not told.keys() - {"index"}:
        return partial(text_chunk, text_template(source, **told))
    template = StreamChunk.model_validate({**told, "source": source})
    call = template.tool_call

    def with_text(piece: str, seq: int, at: float) -> StreamChunk:
        return altered(template, text=piece, seq=seq, at=at)

    def with_reasoning(piece: str, seq: int, at: float) -> StreamChunk:
        return altered(template, reasoning=piece, seq=seq, at=at)

    if call is None:
        return with_reasoning if template.kind is ChunkKind.REASONING else with_text

    def with_arguments(piece: str, seq: int, at: float) -> StreamChunk:
        grown = ToolCallDelta(index=call.index, id=call.id, name=call.name, arguments=piece)
        return altered(template, tool_call=grown, seq=seq, at=at)

    return with_arguments
