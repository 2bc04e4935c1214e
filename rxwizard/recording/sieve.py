"""Taking secrets out of bytes that arrive in slices, also where one is split over two of them.

`rxwizard.providers.redaction` does it for whole texts, and hides the same: a secret, and what is
left of one that was cut off after its eighth character or later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rxwizard.providers.redaction import telling

_HIDDEN = b"***"

#: Bytes at the end of a slice that are held back where they may be the beginning of a secret. Fewer
#: are not: every hundredth slice of a binary stream would end in one, and come too late.
_HELD = 4


class Pattern:
    """A secret as it may stand in a body. Its repr does not show it.

    Args:
        whole: All of it.
        only_whole: Whether its beginning tells nothing, such as that of a header with a scheme.
    """

    __slots__ = ("head", "whole")

    def __init__(self, whole: bytes, *, only_whole: bool = False) -> None:
        self.whole = whole
        self.head = whole if only_whole else whole[: telling(whole.decode("latin-1"))]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and (other.whole, other.head) == (self.whole, self.head)

    def __hash__(self) -> int:
        return hash((self.whole, self.head))

    def find(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Give where it stands, start and end, also cut off; the last may go on behind the end."""
        whole, head = self.whole, self.head
        start = data.find(head)
        while start >= 0:
            end = start + len(head)
            while end < len(data) and end - start < len(whole) and data[end] == whole[end - start]:
                end += 1
            yield start, end
            start = data.find(head, start + 1)
        for length in range(min(len(head) - 1, len(data)), 0, -1):
            if data.endswith(head[:length]):
                yield len(data) - length, len(data)
                return


class Sieve:
    """Replace secrets by ``***``; everything else passes as it is, byte by byte.

    What may be the beginning of a secret is held back until it is known, unless it is shorter than
    four bytes: those pass, and the rest is replaced where it turns out to be one. It holds no more
    than the longest pattern.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._data = b""
        #: Bytes of `_data` that were given or replaced already.
        self._done = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next slice; give what can be said of all so far."""
        self._data += data
        return self._take(at_end=False)

    def finish(self) -> bytes:
        """Give what was held back."""
        return self._take(at_end=True)

    def _take(self, *, at_end: bool) -> bytes:
        data, at = self._data, self._done
        end = hold = keep = len(data)
        found: list[tuple[int, int]] = []
        for pattern in self._patterns:
            for start, stop in pattern.find(data):
                length = stop - start
                if stop == end and length < len(pattern.whole) and not at_end:
                    keep = min(keep, start)
                    hold = min(hold, start) if length >= _HELD else hold
                elif length >= len(pattern.head):
                    found.append((start, stop))
        given = bytearray()
        hidden = 0
        for start, stop in sorted(found):
            if start >= hold:
                break  # it is inside of what may be a longer one, and will be found again
            if stop > at:
                if start >= hidden:
                    given += data[at : max(start, at)] + _HIDDEN
                at = hidden = stop
        if hold > at:
            given += data[at:hold]
            at = hold
        keep = min(keep, at)
        self._data, self._done = data[keep:], at - keep
        return bytes(given)


def clean(text: str, patterns: Iterable[Pattern]) -> str:
    """Take the secrets out of a whole text; half a surrogate pair becomes a question mark."""
    sieve = Sieve(patterns)
    written = sieve.feed(text.encode("utf-8", "replace")) + sieve.finish()
    # A secret may begin or end amid a character.
    return written.decode("utf-8", "replace")
