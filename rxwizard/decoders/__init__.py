"""Bytes in, frames out: no IO, nothing awaited.

A decoder takes a response body in slices of any size and gives the frames that have become whole.
The frames do not depend on where the slices were cut.
"""

from typing import Protocol, TypeVar

from rxwizard.decoders.eventstream import EventStreamDecoder as EventStreamDecoder
from rxwizard.decoders.eventstream import EventStreamMessage as EventStreamMessage
from rxwizard.decoders.frames import Comment as Comment
from rxwizard.decoders.frames import Frame as Frame
from rxwizard.decoders.frames import JSONLine as JSONLine
from rxwizard.decoders.frames import ServerSentEvent as ServerSentEvent
from rxwizard.decoders.frames import UnknownLines as UnknownLines
from rxwizard.decoders.jsonarray import JSONArrayDecoder as JSONArrayDecoder
from rxwizard.decoders.jsonlines import JSONLinesDecoder as JSONLinesDecoder
from rxwizard.decoders.limits import MAX_EVENT_BYTES as MAX_EVENT_BYTES
from rxwizard.decoders.lines import LineDecoder as LineDecoder
from rxwizard.decoders.sniffed import SniffingDecoder as SniffingDecoder
from rxwizard.decoders.sse import SSEDecoder as SSEDecoder

F = TypeVar("F")


class Decoder(Protocol[F]):
    """What every decoder of a response body offers.

    A frame over the decoder's limit is a DecodeError, and the decoder stays dead: every later call
    raises it again. Where the same slice held whole frames before it, these are returned first and
    the next call raises, so no frame is lost to where the slice was cut.
    """

    position: int
    """Bytes taken in so far."""

    def feed(self, data: bytes) -> list[F]:
        """Take the next slice of the body; return the frames it completed, in wire order.

        Raises:
            DecodeError: A frame is larger than the limit.
        """
        ...

    def finish(self) -> list[F]:
        """Return what the end of the body left open, marked ``complete=False``.

        A second call returns nothing; ``feed`` must not be called any more.

        Raises:
            DecodeError: Found by an earlier call, and not raised yet.
        """
        ...
