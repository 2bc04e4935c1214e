"""An event stream or a JSON array, told apart by how the body begins."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Any

from rxwizard.decoders.jsonarray import JSONArrayDecoder
from rxwizard.decoders.limits import MAX_EVENT_BYTES
from rxwizard.decoders.sse import SSEDecoder

if TYPE_CHECKING:
    from rxwizard.decoders import Decoder
    from rxwizard.decoders.frames import Frame, JSONLine


class SniffingDecoder:
    """Turn slices of a body into frames; a Decoder of Frame and JSONLine.

    A body whose first character is ``[`` is a JSON array, anything else an event stream, which
    copes with a bare JSON document too. White space before that character is dropped, and so is a
    byte-order mark.

    Args:
        max_event_bytes: Largest event, or longest element, allowed.
    """

    __slots__ = ("_decoder", "_max_bytes", "_start", "position")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.position = 0
        self._max_bytes = max_event_bytes
        self._start: bytes | None = b""  # what may be a mark; None once it is none
        self._decoder: Decoder[Any] | None = None

    def feed(self, data: bytes) -> list[Frame | JSONLine]:
        """Take the next slice; return the frames it completed.

        Raises:
            DecodeError: A frame is larger than the limit, as the decoder in charge says.
        """
        self.position += len(data)
        if self._decoder is None:
            data = self._choose(data)
        return [] if self._decoder is None else self._decoder.feed(data)

    def finish(self) -> list[Frame | JSONLine]:
        """Return what the end of the body left open, marked ``complete=False``.

        Raises:
            DecodeError: Found by an earlier call, and not raised yet.
        """
        if self._decoder is not None:
            return self._decoder.finish()
        # Half a byte-order mark, at most
        decoder = SSEDecoder(self._max_bytes)
        decoder.feed(self._start or b"")
        self._start = None
        return [*decoder.finish()]

    def _choose(self, data: bytes) -> bytes:
        """Choose the decoder where the slice shows which; return what it has to read."""
        if self._start is not None:
            data = self._start + data
            self._start = data
            if len(data) < len(BOM_UTF8) and BOM_UTF8.startswith(data):
                return b""
            self._start = None
            data = data.removeprefix(BOM_UTF8)
        data = data.lstrip(b" \t\r\n")
        if data:
            kind = JSONArrayDecoder if data.startswith(b"[") else SSEDecoder
            self._decoder = kind(self._max_bytes)
            self._decoder.position = self.position - len(data)
        return data
