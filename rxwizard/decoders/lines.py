"""Lines, however they end and wherever the bytes were cut.

Python's ``splitlines`` is of no use here: on text it also splits at U+2028 and six other
characters, which JSON may hold unescaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxwizard.decoders.limits import too_long

if TYPE_CHECKING:
    from rxwizard.errors import DecodeError


class LineEnds:
    """Turn CR and CRLF into LF, for any split of the bytes.

    A CR at the end of a slice becomes LF at once, so the line it ends waits for nothing; should the
    next slice begin with LF, that was the second half of a CRLF and is dropped.
    """

    __slots__ = ("after_cr",)

    def __init__(self) -> None:
        self.after_cr = False

    def normalise(self, data: bytes) -> bytes:
        """Return the slice with LF as its only line end."""
        if not data:
            return data
        if self.after_cr and data.startswith(b"\n"):
            data = data[1:]
        self.after_cr = data.endswith(b"\r")
        if b"\r" in data:
            # A third faster than replace(b"\r\n", b"\n"): all of Gemini's streams come this way.
            data = b"\n".join(data.split(b"\r\n")).replace(b"\r", b"\n")
        return data


class LineDecoder:
    """Turn slices of bytes into lines that end in LF, CR or CRLF, mixed as they like.

    Work and memory are linear in the bytes, whatever the slices.

    Args:
        max_bytes: Longest line allowed, without its end.
    """

    __slots__ = ("_ends", "_error", "_max_bytes", "_rest", "position")

    def __init__(self, max_bytes: int) -> None:
        self.position = 0
        self._max_bytes = max_bytes
        self._ends = LineEnds()
        # Growing one bytearray is linear like a list of fragments, and a body that comes byte by
        # byte does not cost an object per byte.
        self._rest = bytearray()
        self._error: DecodeError | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next slice; return the lines it completed, without their ends.

        Raises:
            DecodeError: A line is longer than the limit. The decoder stays dead. Lines of the same
                slice that were whole before it are returned first; the next call raises then.
        """
        if self._error is not None:
            raise self._error
        self.position += len(data)
        *lines, rest = self._ends.normalise(data).split(b"\n")
        if lines:
            self._rest += lines[0]
            lines[0] = bytes(self._rest)
            self._rest = bytearray(rest)
        else:
            self._rest += rest
        for index, line in enumerate(lines):
            if len(line) > self._max_bytes:
                return self._die(line, lines[:index])
        if len(self._rest) > self._max_bytes:
            return self._die(self._rest, lines)
        return lines

    def flush(self) -> bytes | None:
        """Return the line that the end of the bytes left open, or None where there is none.

        Raises:
            DecodeError: Found by an earlier call, and not raised yet.
        """
        if self._error is not None:
            raise self._error
        rest = bytes(self._rest)
        self._rest = bytearray()
        return rest or None

    def _die(self, line: bytes | bytearray, before: list[bytes]) -> list[bytes]:
        self._error = too_long("a line", line, self._max_bytes, self.position)
        self._rest = bytearray()
        if before:
            return before
        raise self._error
