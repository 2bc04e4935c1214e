"""Newline-delimited JSON (https://github.com/ndjson/ndjson-spec), as Ollama streams it."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING

from rxwizard.decoders.frames import JSONLine
from rxwizard.decoders.limits import MAX_EVENT_BYTES, too_long

if TYPE_CHECKING:
    from rxwizard.errors import DecodeError


class JSONLinesDecoder:
    """Turn slices of a body into lines of JSON, not parsed; a Decoder of JSONLine.

    Lines end in LF or CRLF. A CR alone is JSON whitespace and ends nothing. Lines of whitespace are
    skipped, a leading byte-order mark is dropped. Work and memory are linear in the bytes, whatever
    the slices.

    Args:
        max_event_bytes: Longest line allowed, without its LF.
    """

    __slots__ = ("_at_start", "_error", "_max_bytes", "_rest", "position")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.position = 0
        self._max_bytes = max_event_bytes
        self._at_start = True
        self._rest = bytearray()
        self._error: DecodeError | None = None

    def feed(self, data: bytes) -> list[JSONLine]:
        """Take the next slice; return the lines it completed.

        Raises:
            DecodeError: A line is longer than the limit. The decoder stays dead. Lines of the same
                slice that were whole before it are returned first; the next call raises then.
        """
        if self._error is not None:
            raise self._error
        self.position += len(data)
        *lines, rest = data.split(b"\n")
        if lines:
            self._rest += lines[0]
            lines[0] = bytes(self._rest)
            self._rest = bytearray(rest)
            if self._at_start:
                lines[0] = lines[0].removeprefix(BOM_UTF8)
                self._at_start = False
        else:
            self._rest += rest
        frames: list[JSONLine] = []
        for line in lines:
            if len(line) > self._max_bytes:
                return self._die(line, frames)
            if line and not line.isspace():
                frames.append(JSONLine(line.removesuffix(b"\r")))
        if len(self._rest) > self._max_bytes:
            return self._die(self._rest, frames)
        return frames

    def finish(self) -> list[JSONLine]:
        """Return the line that the end of the body left open, marked ``complete=False``.

        Raises:
            DecodeError: Found by an earlier call, and not raised yet.
        """
        if self._error is not None:
            raise self._error
        rest = bytes(self._rest)
        self._rest = bytearray()
        if self._at_start:
            rest = rest.removeprefix(BOM_UTF8)
        if not rest or rest.isspace():
            return []
        return [JSONLine(rest.removesuffix(b"\r"), complete=False)]

    def _die(self, line: bytes | bytearray, before: list[JSONLine]) -> list[JSONLine]:
        self._error = too_long("a line", line, self._max_bytes, self.position)
        self._rest = bytearray()
        if before:
            return before
        raise self._error
