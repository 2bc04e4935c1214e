"""What a retraction says of a text that came out otherwise than it went in."""

from __future__ import annotations

from typing import Any, cast

from rxwizard.chunks import ChunkKind, StreamChunk, altered


def retracting(chunk: StreamChunk, characters: int) -> StreamChunk:
    """Have a retraction name so many characters to erase; any other chunk stays as it is.

    For operators that change the visible text: who erases by number has theirs before him, not the
    provider's.
    """
    data: Any = chunk.data
    if chunk.kind is not ChunkKind.RETRACT or not isinstance(data, dict):
        return chunk
    said = cast("dict[str, Any]", data)
    return altered(chunk, data={**said, "characters": characters})
