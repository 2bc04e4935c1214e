"""How much of a body a decoder keeps, and what it says beyond that."""

from rxwizard.errors import DecodeError

# One event is at most one fragment of an answer, or one whole answer where a provider repeats it in
# its last event; recorded ones stay far below 1 MiB, inline images reach several. Aiohttp's own
# limit of 512 KiB a line would refuse real bodies.
MAX_EVENT_BYTES = 16 * 1024 * 1024

_SHOWN_BYTES = 200


def too_long(what: str, start: bytes | bytearray, limit: int, position: int) -> DecodeError:
    """Make the error for a frame over the limit.

    Args:
        what: The frame in words, as the sentence's subject.
        start: The frame, or as much of it as has arrived.
        limit: Bytes allowed.
        position: Bytes taken in when it was found out.
    """
    return DecodeError(
        f"{what} is longer than the limit of {limit:,} bytes",
        text=shown(start),
        position=position,
    )


def shown(start: bytes | bytearray) -> str:
    """Give as much of a frame as an error shows."""
    return start[:_SHOWN_BYTES].decode("utf-8", "replace")
