"""Chunks that say no more than that the stream still runs."""

from __future__ import annotations

from rxwizard.chunks import ChunkKind, ChunkSource, StreamChunk, altered
from rxwizard.demand.gate import running_loop


class Beats:
    """Makes signs of life; keeps `seq` rising by one where chunks are inserted."""

    def __init__(self) -> None:
        self._inserted = 0
        self._last: StreamChunk | None = None

    def numbered(self, chunk: StreamChunk) -> StreamChunk:
        """Give the source's chunk, with the number it has now."""
        if self._inserted:
            chunk = altered(chunk, seq=chunk.seq + self._inserted)
        self._last = chunk
        return chunk

    def beat(self) -> StreamChunk:
        """Make the next chunk that is inserted."""
        last = self._last
        try:
            at = running_loop().time()
        except RuntimeError:  # in virtual time without a loop, nothing is said of when
            at = 0.0
        beat = StreamChunk(
            kind=ChunkKind.HEARTBEAT,
            seq=self._inserted if last is None else last.seq + 1,
            epoch=0 if last is None else last.epoch,
            source=ChunkSource() if last is None else last.source,
            at=at,
        )
        self._inserted += 1
        self._last = beat
        return beat
