"""The envelopes in which Bedrock sends its events.

Sources: https://smithy.io/2.0/aws/amazon-eventstream.html, Bedrock's API reference, and recordings.

A message becomes what a server-sent event would be, so that the readers of all protocols are one:
its JSON as the data, its type as the event's name, an exception as an event named ``error``.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable

from pydantic_core import from_json

from rxwizard.decoders import (
    MAX_EVENT_BYTES,
    EventStreamDecoder,
    EventStreamMessage,
    Frame,
    ServerSentEvent,
    UnknownLines,
)
from rxwizard.providers.shape import as_object

#: Bytes kept of a body that is text instead of a stream: far more than any error has.
_MAX_TEXT = 64 * 1024

#: A message begins with its length. Were it written in these characters, it would be over 150 MB.
_LENGTH = 4
_TEXT = frozenset(b"\t\n\r" + bytes(range(0x20, 0x7F)))


class EnvelopeDecoder:
    """Turn slices of a binary event stream into events as the readers take them.

    A body that is text from its first bytes on (an error, a page of a proxy) comes out at its end
    as the lines it is, as from an SSEDecoder.

    Args:
        max_event_bytes: Largest message allowed.
        data_of: Gives a message's data by its type and its payload.
    """

    def __init__(
        self, data_of: Callable[[str, bytes], bytes], max_event_bytes: int = MAX_EVENT_BYTES
    ) -> None:
        self.position = 0
        """Bytes taken in so far."""
        self._data_of = data_of
        self._messages = EventStreamDecoder(max_event_bytes)
        self._head = bytearray()  # until it is known what the body is; then, if it is text, that
        self._is_text: bool | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next slice; return the events it completed.

        Raises:
            DecodeError: The stream is damaged, or a message is larger than the limit.
        """
        self.position += len(data)
        if self._is_text is not False:
            self._head += data
            if self._is_text is None and len(self._head) >= _LENGTH:
                self._is_text = _TEXT.issuperset(self._head[:_LENGTH])
            if self._is_text is not False:
                del self._head[_MAX_TEXT:]
                return []
            data = bytes(self._head)
            self._head.clear()
        return [self._event(message) for message in self._messages.feed(data)]

    def finish(self) -> list[Frame]:
        """Return what the end of the body left open, marked ``complete=False``.

        Raises:
            DecodeError: Found by an earlier call, and not raised yet.
        """
        head = bytes(self._head).strip()
        self._head.clear()
        if head and self._is_text:
            return [UnknownLines(head, complete=False)]
        if head:
            return [ServerSentEvent(head, complete=False)]
        return [self._event(message) for message in self._messages.finish()]

    def _event(self, message: EventStreamMessage) -> ServerSentEvent:
        headers, payload = message.headers, message.payload
        if not message.complete:
            return ServerSentEvent(payload, complete=False)
        kind = str(headers.get(":event-type", ""))
        if headers.get(":message-type", "event") != "event" or kind.endswith("Exception"):
            name = headers.get(":exception-type") or headers.get(":error-code") or kind
            said = _error(str(name), headers.get(":error-message"), payload)
            return ServerSentEvent(said, "error")
        return ServerSentEvent(self._data_of(kind, payload), kind)


def union_data(kind: str, payload: bytes) -> bytes:
    """Give the data of an event that is one member of a union: an object with that one member."""
    return b"{%b:%b}" % (json.dumps(kind).encode(), payload or b"{}")


def chunk_data(kind: str, payload: bytes) -> bytes:  # noqa: ARG001 - there is but one kind
    """Give the data of an event that holds, as bytes, what the model itself sent."""
    try:
        inner = as_object(from_json(payload)).get("bytes")
    except ValueError:
        return payload
    if not isinstance(inner, str):
        return payload
    try:
        return b64decode(inner, validate=True)
    except ValueError:
        return inner.encode()


def _error(name: str, words: object, payload: bytes) -> bytes:
    try:
        said = dict(as_object(from_json(payload)))
    except ValueError:
        said = {"message": payload.decode("utf-8", "replace")}
    if isinstance(words, str):
        said["details"] = words
    return json.dumps({**said, "type": name}).encode()
