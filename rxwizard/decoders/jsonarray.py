"""One JSON array that is delivered piecewise, as Gemini answers where nobody asks it for events."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from typing import TYPE_CHECKING

from rxwizard.decoders.frames import JSONLine
from rxwizard.decoders.limits import MAX_EVENT_BYTES, too_long

if TYPE_CHECKING:
    from rxwizard.errors import DecodeError

# What may change the state: between elements, in a container, in a bare value, in a string. Within
# a container, a string that is whole and has no escapes is stepped over.
_BEGIN = re.compile(rb"[^ \t\r\n,]")
_NESTED = re.compile(rb'"[^"\\]*+"|["{}\[\]]')
_BARE = re.compile(rb'["{\[\],\n]')
_STRING = re.compile(rb'["\\]')

_QUOTE, _BACKSLASH = b'"\\'
_OPEN, _CLOSE = b"[]"
_OPENING = b"{["


class JSONArrayDecoder:
    """Turn slices of a JSON array into its elements, not parsed; a Decoder of JSONLine.

    An object or an array is delivered with its last bracket, without waiting for what follows;
    anything else (a number, or what is no JSON at all) ends before a comma, a bracket or a line's
    end. Whether commas and brackets are where they belong is not looked at: an object outside of
    any array, which is how errors come, is delivered as well, and so is one after the array's end.
    A leading byte-order mark is dropped.

    Work is linear in the bytes, whatever the slices. Memory is one element at most.

    Args:
        max_event_bytes: Longest element allowed.
    """

    __slots__ = (
        "_at_start",
        "_depth",
        "_error",
        "_escaped",
        "_in_array",
        "_in_string",
        "_is_open",
        "_max_bytes",
        "_rest",
        "position",
    )

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.position = 0
        self._max_bytes = max_event_bytes
        self._at_start = True
        self._rest = bytearray()  # the open element
        self._is_open = False
        self._in_array = False
        self._in_string = False
        self._escaped = False  # the slice ended after a backslash
        self._depth = 0
        self._error: DecodeError | None = None

    def feed(self, data: bytes) -> list[JSONLine]:
        """Take the next slice; return the elements it completed.

        Raises:
            DecodeError: An element is longer than the limit. The decoder stays dead. Elements of
                the same slice that were whole before it are returned first; the next call raises
                then.
        """
        if self._error is not None:
            raise self._error
        self.position += len(data)
        if self._at_start:
            data = self._without_mark(data)
        frames: list[JSONLine] = []
        at = 0
        while at < len(data):
            if not self._is_open:
                begin = self._begin(data, at)
                if begin is None:
                    break
                at = begin
            end = self._end(data, at)
            self._rest += data[at:end]
            if len(self._rest) > self._max_bytes:
                return self._die(frames)
            if end is None:
                break
            frames.append(JSONLine(bytes(self._rest).rstrip()))
            self._rest = bytearray()
            self._is_open = False
            at = end
        return frames

    def finish(self) -> list[JSONLine]:
        """Return the element that the end of the body left open, marked ``complete=False``.

        Raises:
            DecodeError: Found by an earlier call, and not raised yet.
        """
        if self._error is not None:
            raise self._error
        rest = bytes(self._rest).rstrip()
        self._rest = bytearray()
        return [JSONLine(rest, complete=False)] if rest else []

    def _without_mark(self, data: bytes) -> bytes:
        """Drop the byte-order mark that may stand at the start of the body, once."""
        data = bytes(self._rest) + data
        self._rest.clear()
        if len(data) < len(BOM_UTF8) and BOM_UTF8.startswith(data):
            self._rest += data
            return b""
        self._at_start = False
        return data.removeprefix(BOM_UTF8)

    def _begin(self, data: bytes, at: int) -> int | None:
        """Find where the next element begins, and open it; None where it is not in this slice."""
        while (found := _BEGIN.search(data, at)) is not None:
            at = found.start()
            if data[at] == _CLOSE:
                self._in_array = False
            elif data[at] == _OPEN and not self._in_array:
                self._in_array = True
            else:
                self._is_open = True
                return at
            at += 1
        return None

    def _end(self, data: bytes, at: int) -> int | None:
        """Find where the open element ends; None where it is not in this slice."""
        if self._escaped:
            self._escaped = False
            at += 1
        while True:
            pattern = _STRING if self._in_string else _NESTED if self._depth else _BARE
            found = pattern.search(data, at)
            if found is None:
                return None
            at = found.end()
            char = data[at - 1]
            if char == _QUOTE:
                # Not if both of its quotes were found
                if at - found.start() == 1:
                    self._in_string = not self._in_string
            elif char == _BACKSLASH:
                if at == len(data):
                    self._escaped = True
                    return None
                at += 1
            elif char in _OPENING:
                self._depth += 1
            elif not self._depth:
                return at - 1
            else:
                self._depth -= 1
                if not self._depth:
                    return at

    def _die(self, before: list[JSONLine]) -> list[JSONLine]:
        self._error = too_long("an element", self._rest, self._max_bytes, self.position)
        self._rest = bytearray()
        if before:
            return before
        raise self._error
