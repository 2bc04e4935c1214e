"""Text that waits for the end of its unit: what the buffers of text have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from rxwizard.chunks import BEGINS_ANEW, StreamChunk
from rxwizard.operators.cuts import after_space
from rxwizard.operators.making import Operator, Steps, lift

Ends: TypeAlias = Callable[[str], Sequence[int]]
"""Is given the text part by part and says where units have ended: characters from the beginning of
the part, negative where that is in an earlier one, rising. What it says must depend on the text so
far, not on the parts. An empty part says that the text is over."""

Cut: TypeAlias = Callable[[str, int], int]
"""Given a text and how many characters of it fit, it says how many to give out: 1 to that many."""


class TextBuffer(Protocol):
    """The text of one subscription that has not been given out yet."""

    def take(self, piece: str, /) -> Iterable[str]:
        """Add a piece of text, not an empty one; give what is now known to be whole."""
        ...

    def rest(self) -> Iterable[str]:
        """Give what is left, none or one or more, and forget it."""
        ...


def buffered(make: Callable[[], TextBuffer]) -> Operator[StreamChunk | str, str]:
    """Make an operator over the visible text of choice 0, or over strings."""

    def begin() -> Steps[StreamChunk | str, str]:
        buffer = make()
        take, rest = buffer.take, buffer.rest
        epoch = 0

        def step(item: StreamChunk | str) -> Iterable[str]:
            nonlocal epoch
            if isinstance(item, str):
                return take(item) if item else ()
            if item.kind in BEGINS_ANEW or item.epoch > epoch:
                epoch = item.epoch
                rest()
            return () if item.choice or not item.text else take(item.text)

        return Steps(step, rest=rest, rest_of_failed=rest)

    return lift(begin)


class HeldText:
    """Text that is given out `count` units at a time, at most `limit` characters.

    Where the bound is reached first, what is given out ends with the last whole unit, and if there
    is none, where `cut` says. At most `limit` characters wait. The work is linear in the text: what
    waits is joined only when some of it is given out.

    Args:
        limit: Most characters that are given out at a time.
        ends: Makes a function that finds the ends of units.
        count: Units that are given out at a time. More than one only where `ends` never goes back.
        cut: Where to cut a unit that is too long.
    """

    __slots__ = ("_count", "_cut", "_ends", "_last", "_limit", "_make", "_parts", "_size", "_units")

    def __init__(
        self, limit: int, ends: Callable[[], Ends], *, count: int = 1, cut: Cut = after_space
    ) -> None:
        self._limit = limit
        self._make = ends
        self._count = count
        self._cut = cut
        self._ends = ends()
        self._keep("")

    def take(self, piece: str) -> Sequence[str]:
        """Add a piece of text, not an empty one; give what is now known to be whole."""
        if self._size + len(piece) <= self._limit:
            return self._add(piece)
        given: list[str] = []
        start = 0
        # A part goes one character beyond the bound and no further: that one may show that the
        # unit is over, and what comes later must not, or the result would depend on the pieces.
        while start < len(piece):
            part = piece[start : start + self._limit + 1 - self._size]
            start += len(part)
            given.extend(self._add(part))
            if self._size > self._limit:
                text = "".join(self._parts)
                fits = self._last or self._cut(text, self._limit)
                given.append(text[:fits])
                self._keep(text[fits:])
        return given

    def rest(self) -> Sequence[str]:
        """Give what is left, and forget it."""
        given = [*self._add(""), "".join(self._parts)]
        self._ends = self._make()
        self._keep("")
        return [text for text in given if text]

    def _keep(self, text: str, units: int = 0, last: int = 0) -> None:
        self._parts = [text] if text else []
        self._size = len(text)
        #: Whole units that wait, and where the last of them ends.
        self._units = units
        self._last = last

    def _add(self, part: str) -> Sequence[str]:
        found, before = self._ends(part), self._size
        self._parts.append(part)
        self._size = before + len(part)
        if not found:
            return ()
        furthest = before + found[-1]
        if self._units + len(found) < self._count and furthest <= self._limit:
            self._units += len(found)
            self._last = furthest
            return ()
        text, given = "".join(self._parts), list[str]()
        start, units, last = 0, self._units, self._last
        for end in found:
            length = before + end - start
            if length > self._limit:
                fits = last or self._cut(text[start:], self._limit)
                given.append(text[start : start + fits])
                start, length, units = start + fits, length - fits, 0
            if length <= 0:
                continue  # the bound has cut there already
            units, last = units + 1, length
            if units == self._count:
                given.append(text[start : start + length])
                start, units, last = start + length, 0, 0
        self._keep(text[start:], units, last)
        return given
