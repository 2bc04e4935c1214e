"""Where the answer of a stream begins anew, and what is said where nothing can be erased."""

from __future__ import annotations

from rxwizard.chunks import ChunkKind, StreamChunk

#: Stands, as a line in brackets, below what is there for good.
ANEW = "starting anew; the above no longer counts"

# A member of an enumeration takes long to look up.
_START = ChunkKind.START
_RETRACT = ChunkKind.RETRACT


class EpochWatch:
    """Sees where the answer of one stream begins anew, as `ResponseBuilder` does.

    That is at a retraction, at a newer epoch, and at a second start.
    """

    __slots__ = ("_has_begun", "epoch")

    def __init__(self) -> None:
        #: The newest one.
        self.epoch = 0
        self._has_begun = False

    def begins_anew(self, chunk: StreamChunk) -> bool:
        """Take the next chunk; tell whether what came before it no longer counts."""
        kind = chunk.kind
        is_again = False
        if kind is _START:
            is_again, self._has_begun = self._has_begun, True
        if chunk.epoch > self.epoch:
            self.epoch = chunk.epoch
            return True
        return is_again or kind is _RETRACT
