"""Amazon's binary event stream, ``application/vnd.amazon.eventstream``.

The format is that of https://smithy.io/2.0/aws/amazon-eventstream.html. A message, all numbers in
network order::

    4 bytes  length of the whole message
    4 bytes  length of its headers
    4 bytes  CRC-32 of the eight bytes before        <- checked before a length is believed
             headers: 1 byte length, name, 1 byte type, value
             payload
    4 bytes  CRC-32 of all before                    <- checked before anything is delivered

Nothing can be read behind a message that is damaged: where the next one begins is known only from
the length of this one. So every damage is final.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct, error
from typing import NamedTuple, TypeAlias
from uuid import UUID
from zlib import crc32

from rxwizard.decoders.limits import MAX_EVENT_BYTES, shown, too_long
from rxwizard.errors import DecodeError

HeaderValue: TypeAlias = bool | int | bytes | str | UUID
"""A header's value; a timestamp is an int, in milliseconds since the epoch."""

_PRELUDE = Struct(">III")
_CHECKSUM = Struct(">I")
_SMALLEST = _PRELUDE.size + _CHECKSUM.size

#: Byte, short, integer, long, timestamp: the numbers, by the type's code.
_NUMBERS = {2: Struct(">b"), 3: Struct(">h"), 4: Struct(">i"), 5: Struct(">q"), 8: Struct(">q")}
_SIZE = Struct(">H")

# A stream repeats the same few blocks of headers; one that makes up new ones must not grow memory.
_MAX_KNOWN = 64
_MAX_KNOWN_BYTES = 512


class EventStreamMessage(NamedTuple):
    """One message of an event stream, or what there is of the last one."""

    headers: Mapping[str, HeaderValue]
    """The values by name; empty where the message is not complete."""
    payload: bytes
    """The payload; where the message is not complete, all that came of it from its first byte."""
    complete: bool = True
    """False where the stream ended before the message did. Nothing of it is proven then."""


class EventStreamDecoder:
    """Turn slices of a body into messages; a Decoder of EventStreamMessage.

    Work is linear in the bytes, whatever the slices. Memory is one message and one slice at most.

    Args:
        max_event_bytes: Largest message allowed, with its headers and checksums. A message that
            only claims to be larger is refused as soon as it does.
    """

    __slots__ = ("_error", "_known", "_max_bytes", "_needed", "_rest", "position")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.position = 0
        self._max_bytes = max_event_bytes
        self._rest = bytearray()  # begins where a message does
        self._needed = _PRELUDE.size  # bytes of it without which there is nothing new to find out
        self._known: dict[bytes, Mapping[str, HeaderValue]] = {}
        self._error: DecodeError | None = None

    def feed(self, data: bytes) -> list[EventStreamMessage]:
        """Take the next slice; return the messages it completed.

        Raises:
            DecodeError: A checksum is wrong, a message is larger than the limit, or its parts do
                not fit. The decoder stays dead. Messages of the same slice that were whole before
                it are returned first; the next call raises then.
        """
        if self._error is not None:
            raise self._error
        self.position += len(data)
        self._rest += data
        messages: list[EventStreamMessage] = []
        if len(self._rest) < self._needed:
            return messages
        body = bytes(self._rest)
        start = 0
        try:
            while len(body) - start >= _PRELUDE.size:
                total, in_headers = self._lengths(body, start)
                if len(body) - start < total:
                    self._needed = total
                    break
                messages.append(self._message(body[start : start + total], in_headers))
                start += total
                self._needed = _PRELUDE.size
        except DecodeError as found:
            self._error = found
            self._rest.clear()
            if not messages:
                raise
            return messages
        del self._rest[:start]
        return messages

    def finish(self) -> list[EventStreamMessage]:
        """Return what the end of the stream left of a message, marked ``complete=False``.

        Raises:
            DecodeError: Found by an earlier call, and not raised yet.
        """
        if self._error is not None:
            raise self._error
        rest = bytes(self._rest)
        self._rest.clear()
        return [EventStreamMessage({}, rest, complete=False)] if rest else []

    def _lengths(self, body: bytes, start: int) -> tuple[int, int]:
        """Read and check a message's first twelve bytes."""
        prelude = body[start : start + _PRELUDE.size]
        total, in_headers, checksum = _PRELUDE.unpack(prelude)
        if crc32(prelude[: -_CHECKSUM.size]) != checksum:
            raise self._damaged("the checksum of its lengths is wrong", prelude)
        if total > self._max_bytes:
            raise too_long("a message", prelude, self._max_bytes, self.position)
        if total < _SMALLEST + in_headers:
            raise self._damaged("its lengths contradict each other", prelude)
        return total, in_headers

    def _message(self, message: bytes, in_headers: int) -> EventStreamMessage:
        """Check and read one whole message."""
        (checksum,) = _CHECKSUM.unpack_from(message, len(message) - _CHECKSUM.size)
        end = _PRELUDE.size + in_headers
        if crc32(memoryview(message)[: -_CHECKSUM.size]) != checksum:
            raise self._damaged("its checksum is wrong", message[end : -_CHECKSUM.size])
        raw = message[_PRELUDE.size : end]
        headers = self._known.get(raw)
        if headers is None:
            headers = self._headers(raw)
            if len(self._known) < _MAX_KNOWN and len(raw) <= _MAX_KNOWN_BYTES:
                self._known[raw] = headers
        return EventStreamMessage(headers, message[end : -_CHECKSUM.size])

    def _headers(self, raw: bytes) -> dict[str, HeaderValue]:
        headers: dict[str, HeaderValue] = {}
        try:
            for name, value in _read_headers(raw):
                if name in headers:
                    raise self._damaged(f"the header {name!r} is there twice", raw)
                headers[name] = value
        except (IndexError, error, ValueError) as problem:
            raise self._damaged(f"its headers cannot be read ({problem})", raw) from None
        return headers

    def _damaged(self, what: str, start: bytes) -> DecodeError:
        return DecodeError(
            f"a message of the event stream is damaged: {what}",
            text=shown(start),
            position=self.position,
        )


def _read_headers(raw: bytes) -> Iterator[tuple[str, HeaderValue]]:
    """Read a block of headers; what does not fit is an IndexError, struct.error or ValueError."""
    at = 0
    while at < len(raw):
        size = raw[at]
        name = _take(raw, at + 1, size).decode()
        at += 1 + size
        kind = raw[at]
        at += 1
        value: HeaderValue
        if kind in (0, 1):
            value = kind == 0
        elif kind in _NUMBERS:
            number = _NUMBERS[kind]
            (value,) = number.unpack_from(raw, at)
            at += number.size
        elif kind in (6, 7):
            (size,) = _SIZE.unpack_from(raw, at)
            at += _SIZE.size
            taken = _take(raw, at, size)
            value = taken if kind == 6 else taken.decode()
            at += size
        elif kind == 9:
            value = UUID(bytes=_take(raw, at, 16))
            at += 16
        else:
            message = f"no type has the code {kind}"
            raise ValueError(message)
        yield name, value


def _take(raw: bytes, at: int, size: int) -> bytes:
    if at + size > len(raw):
        message = "they are cut off"
        raise ValueError(message)
    return raw[at : at + size]
